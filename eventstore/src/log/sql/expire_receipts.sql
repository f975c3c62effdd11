delete from command_receipts
where key_hash = any (array(
    select key_hash from command_receipts
    where created_at < clock_timestamp() - make_interval(hours => $1::float8::integer)
    limit $2
))
