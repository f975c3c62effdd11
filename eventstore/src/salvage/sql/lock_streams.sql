select aggregate_id, aggregate_type, version
from streams
where aggregate_id = any ($1)
order by aggregate_id
for no key update
