select e.event_id, e.type as event_type, e.aggregate_type, e.aggregate_id, e.version, e.position
from streams s
cross join lateral (
    select position from events
    where aggregate_id = s.aggregate_id and version = $2
      and position between s.first_position and s.last_position
) first
cross join lateral (
    select * from events
    where position >= first.position and position < first.position + $3
    order by position
) e
where s.aggregate_id = $1
order by e.position
