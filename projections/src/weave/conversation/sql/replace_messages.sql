insert into message (id, conversation_id, author_id, content, created_at, edited_at, tombstoned,
                     version, position)
select *
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[],
            $7::boolean[], $8::bigint[], $9::bigint[])
on conflict (id) do update set
    conversation_id = excluded.conversation_id,
    author_id = excluded.author_id,
    content = excluded.content,
    created_at = excluded.created_at,
    edited_at = excluded.edited_at,
    tombstoned = excluded.tombstoned,
    version = excluded.version,
    position = excluded.position
