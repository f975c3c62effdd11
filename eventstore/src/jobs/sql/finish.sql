update scheduled_jobs
set holder = null,
    held_until = null,
    -- Once per period, from beginning to beginning; after a failure sooner, and then ever later.
    due_at = case when $3::boolean then began_at + period
                  else clock_timestamp() + least(period, interval '1 minute' * 2 ^ least(failing, 10)) end,
    ended_at = clock_timestamp(),
    succeeded_at = case when $3 then clock_timestamp() else succeeded_at end,
    seconds = extract(epoch from clock_timestamp() - began_at),
    runs = runs + 1,
    failures = failures + case when $3 then 0 else 1 end,
    failing = case when $3 then 0 else failing + 1 end,
    said = $4
where job = $1 and run = $2
