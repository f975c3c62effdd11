select h.position as head, e.position as "position?", e.event_id as "event_id?",
       e.aggregate_type as "aggregate_type?", e.aggregate_id as "aggregate_id?", e.version as "version?",
       e.type as "event_type?", e.schema_version as "schema_version?", e.payload::text as "payload?",
       e.metadata::text as "metadata?", e.payload_hash as "payload_hash?", e.recorded_at as "recorded_at?"
from log_head h
left join lateral (
    -- Both bounds are parameters, so other partitions are not even opened.
    select * from events
    where position > $1 and position <= $1 + $2::bigint
      and ($3::text is null or aggregate_type = $3)
      and ($4::text is null or type = $4)
      and ($5::text is null or metadata ->> 'actor' = $5)
      and ($7::timestamptz is null or (metadata ->> 'occurred_at')::timestamptz >= $7)
      and ($8::timestamptz is null or (metadata ->> 'occurred_at')::timestamptz < $8)
      and ($9::text is null or metadata ->> 'correlation_id' = $9)
      and ($10::text is null or metadata ->> 'causation_id' = $10)
    order by position
    limit $6
) e on true
order by e.position
