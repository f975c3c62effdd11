select id, kind, title, summary, info, tags, address, lat, lon, search_visibility, created_by,
       conversation_id, created_at, updated_at, version, redacted, null::timestamptz as removed_at
from node_search
where id = any ($1)
