insert into activity (id, account_id, type, conversation_id, day, count, first_at, last_at, position)
select *
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::date[], $6::bigint[],
            $7::timestamptz[], $8::timestamptz[], $9::bigint[])
on conflict (id) do update set
    count = excluded.count,
    first_at = excluded.first_at,
    last_at = excluded.last_at,
    position = excluded.position
