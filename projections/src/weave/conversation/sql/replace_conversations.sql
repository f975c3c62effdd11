insert into conversation (id, kind, subject_id, state, message_count, last_message_position,
                          last_message_at)
select *
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[],
            $7::timestamptz[])
on conflict (id) do update set
    kind = excluded.kind,
    subject_id = excluded.subject_id,
    state = excluded.state,
    message_count = excluded.message_count,
    last_message_position = excluded.last_message_position,
    last_message_at = excluded.last_message_at
