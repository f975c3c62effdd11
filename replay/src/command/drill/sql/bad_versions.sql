select count(*) as "bad!"
from (
    select aggregate_id, count(*) as events, min(version) as lowest, max(version) as highest,
           min(position) as first_position, max(position) as last_position
    from events
    group by aggregate_id
) e
full join streams s on s.aggregate_id = e.aggregate_id
where (e.events, e.lowest, e.highest, e.first_position, e.last_position)
      is distinct from (s.version, 1, s.version, s.first_position, s.last_position)
