insert into node_map (id, cell, kind, title, summary, info, tags, address, lat, lon,
                      search_visibility, created_by, conversation_id, created_at, updated_at,
                      version, redacted)
select n.id, n.cell, n.kind, n.title, n.summary, n.info, n.tags::text[], n.address, n.lat, n.lon,
       n.search_visibility, n.created_by, n.conversation_id, n.created_at, n.updated_at,
       n.version, n.redacted::text[]
from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::float8[], $10::float8[], $11::text[], $12::uuid[], $13::uuid[],
            $14::timestamptz[], $15::timestamptz[], $16::bigint[], $17::text[])
    as n (id, cell, kind, title, summary, info, tags, address, lat, lon, search_visibility,
          created_by, conversation_id, created_at, updated_at, version, redacted)
on conflict (id) do update set
    cell = excluded.cell,
    kind = excluded.kind,
    title = excluded.title,
    summary = excluded.summary,
    info = excluded.info,
    tags = excluded.tags,
    address = excluded.address,
    lat = excluded.lat,
    lon = excluded.lon,
    search_visibility = excluded.search_visibility,
    created_by = excluded.created_by,
    conversation_id = excluded.conversation_id,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at,
    version = excluded.version,
    redacted = excluded.redacted
