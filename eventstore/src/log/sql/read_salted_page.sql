select position, version, recorded_at, event_id, aggregate_id, schema_version, aggregate_type,
       type as event_type, payload::text as "payload!", metadata::text as "metadata!", salt,
       payload_hash
from events
where position > $1
order by position
limit $2
