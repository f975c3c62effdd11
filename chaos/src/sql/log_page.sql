select position, event_id, aggregate_id, version, type as event_type, payload_hash,
       (metadata ->> 'command_id')::uuid as "command_id!",
       split_part(metadata ->> 'traceparent', '-', 2) as trace,
       metadata ->> 'actor' = 'system' as "system!"
from events
where position > $1 and position <= $2
order by position
