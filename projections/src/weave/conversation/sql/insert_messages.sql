-- Most writes are these: nothing to look up, nothing to compare.
insert into message (id, conversation_id, author_id, content, created_at, edited_at, tombstoned,
                     version, position)
select *
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[],
            $7::boolean[], $8::bigint[], $9::bigint[])
