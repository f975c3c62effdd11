-- Where each message was posted.
select s.aggregate_id as "id!", e.payload ->> 'conversation_id' as "conversation"
from unnest($1::uuid[]) as i (id)
join streams s on s.aggregate_id = i.id and s.aggregate_type = 'message'
join events e on e.aggregate_id = s.aggregate_id and e.version = 1 and e.position = s.first_position
