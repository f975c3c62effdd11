-- What the events of some nodes up to a position say about place, visibility and owner. A node
-- that was revised a thousand times costs a thousand small rows: only what changes any of the
-- three is read, and only those three.
select e.aggregate_id as "id!", e.type as "event_type!",
       case when e.type in ('NodeTied', 'NodeRevised') then e.payload -> 'location' end as "location",
       case e.type
           when 'NodeTied' then e.payload ->> 'search_visibility'
           when 'NodeVisibilityChanged' then e.payload ->> 'to'
       end as "visibility",
       case when e.type = 'NodeTied' then e.payload ->> 'created_by' end as "owner"
from unnest($1::uuid[]) as i (id)
join streams s on s.aggregate_id = i.id and s.aggregate_type = 'node'
cross join lateral (
    -- The bounds keep this to the partitions that hold the stream.
    select * from events
    where aggregate_id = s.aggregate_id and position between s.first_position and least(s.last_position, $2)
) e
where e.type in ('NodeTied', 'NodeVisibilityChanged', 'NodeCreatorUnbound')
   or (e.type = 'NodeRevised' and e.payload ? 'location')
order by e.aggregate_id, e.version
