select position
from events
where position <= $1 and event_digest(event_id) = $2
order by position
limit 1
