select h.position as "head!", coalesce(p.name, '') as "name!", coalesce(p.position, 0) as "position!"
from log_head h
left join (
    select projection || ' generation ' || generation as name, position from projection_checkpoints
    union all
    select 'reactor ' || reactor, position from reactor_checkpoints
    union all
    select 'outbox ' || destination, position from outbox
) p on true
