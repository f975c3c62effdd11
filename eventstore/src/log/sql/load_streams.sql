select e.position, e.version, e.recorded_at, e.event_id, e.aggregate_id, e.schema_version,
       e.aggregate_type, e.type as event_type, e.payload::text as "payload!",
       e.metadata::text as "metadata!"
from unnest($1::uuid[]) as i (id)
join streams s on s.aggregate_id = i.id
cross join lateral (
    -- The bounds keep this to the partitions that hold the stream.
    select * from events
    where aggregate_id = s.aggregate_id and position between s.first_position and s.last_position
) e
order by e.aggregate_id, e.version
