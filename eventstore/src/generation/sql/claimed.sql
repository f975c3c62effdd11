-- The claim of claim.rs: a lock on one bigint, whose halves are classid and objid.
select p.name as "name!"
from unnest($1::text[]) p (name)
where exists (
    select from pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
      and l.database = (select oid from pg_database where datname = current_database())
      and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('weltgewebe.generation.' || p.name, 0)
)
