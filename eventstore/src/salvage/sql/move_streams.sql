update streams t
set version = s.version, last_position = s.last
from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as s (id, version, last)
where t.aggregate_id = s.id
