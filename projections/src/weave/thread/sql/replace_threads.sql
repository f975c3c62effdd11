insert into thread (id, account_id, type, conversation_id, started_at)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[])
on conflict (id) do update set started_at = excluded.started_at
