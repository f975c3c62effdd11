insert into wanted_reservations (scope, key_hash, owner, count)
select * from unnest($1::text[], $2::bytea[], $3::uuid[], $4::bigint[])
