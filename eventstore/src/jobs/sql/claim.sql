insert into scheduled_jobs as j (job, job_group, period, holder, held_until, run, began_at)
select $1, $2, make_interval(secs => $3::float8), $4::uuid,
       clock_timestamp() + make_interval(secs => $5::float8), 1, clock_timestamp()
where not exists (
    select from scheduled_jobs o
    where o.job_group = $2 and o.job <> $1 and o.held_until > clock_timestamp()
)
on conflict (job) do update
set job_group = excluded.job_group,
    period = excluded.period,
    holder = excluded.holder,
    held_until = excluded.held_until,
    run = j.run + 1,
    began_at = excluded.began_at
where (j.due_at <= clock_timestamp() or $6::boolean)
  and (j.held_until is null or j.held_until <= clock_timestamp())
returning run
