-- A process reads keys only for a sixth of its lease after its row was last touched, and uses them
-- for a lease: a quarter more than a lease after that, a silent one holds nothing.
with gone as (
    delete from keys.readers where seen_at < clock_timestamp() - interval '1 hour'
)
select count(*) as "count!"
from keys.readers r
where r.acknowledged < (
        select coalesce(max(c.generation), 0) from keys.subject_classes c where c.subject = $1
    )
  and r.seen_at + r.lease_ms * interval '1.25 milliseconds' > clock_timestamp()
