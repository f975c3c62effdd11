select job, due_at, began_at, succeeded_at, seconds, runs, failures, failing, said,
       (held_until is not null and held_until > clock_timestamp()) as "running!",
       extract(epoch from period)::float8 as "period_seconds!",
       greatest(extract(epoch from clock_timestamp() - due_at), 0)::float8 as "overdue_seconds!"
from scheduled_jobs
order by job
