-- What each conversation is about: its first event says so, and it never changes.
select s.aggregate_id as "id!", e.payload ->> 'kind' as "kind", e.payload ->> 'subject_id' as "subject"
from unnest($1::uuid[]) as i (id)
join streams s on s.aggregate_id = i.id and s.aggregate_type = 'conversation'
join events e on e.aggregate_id = s.aggregate_id and e.version = 1 and e.position = s.first_position
