select projection, generation, count(distinct key) as "keys!", count(*) as "events!"
from parked_events
group by projection, generation
