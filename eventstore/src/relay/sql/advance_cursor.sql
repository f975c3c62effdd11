update outbox
set position = $3,
    problem = null,
    lease_until = case when lease_owner = $4
                       then clock_timestamp() + make_interval(secs => $5::float8)
                       else lease_until end
where destination = $1 and epoch = $2 and position < $3
