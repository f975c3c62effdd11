insert into outbox as o (destination, epoch, position, lease_owner, lease_until)
values ($1, $2, $3, $4::uuid, clock_timestamp() + make_interval(secs => $5::float8))
on conflict (destination) do update
set epoch = excluded.epoch,
    -- A new epoch's stream begins elsewhere; within an epoch the cursor never goes back.
    position = case when o.epoch < excluded.epoch then excluded.position else o.position end,
    lease_owner = excluded.lease_owner,
    lease_until = excluded.lease_until
where o.epoch < excluded.epoch
   or (o.epoch = excluded.epoch
       and (o.lease_owner is null or o.lease_owner = excluded.lease_owner
            or o.lease_until < clock_timestamp()))
returning position
