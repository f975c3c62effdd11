insert into streams (aggregate_id, aggregate_type, version, first_position, last_position)
select s.id, s.type, s.version, s.first, s.last
from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    as s (id, type, version, first, last)
order by s.id
