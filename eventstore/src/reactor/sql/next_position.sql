-- The first position of one of these types in a range that a scan gets through at once, and how
-- far the scan got.
select h.position as "head!",
       (select e.position from events e
        where e.position > $1 and e.position <= $1 + $3 and e.type = any ($2)
        order by e.position limit 1) as "found?"
from log_head h
