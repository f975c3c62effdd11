with the_table as (
    select c.oid, i.indkey::smallint[] as key
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_index i on i.indrelid = c.oid and i.indisprimary
    where n.nspname = $1 and c.relname = $2
)
select quote_ident(a.attname) as "column!"
from the_table t
join pg_attribute a on a.attrelid = t.oid
where a.attnum > 0 and not a.attisdropped and (t.key is null or a.attnum = any (t.key))
order by array_position(t.key, a.attnum), a.attnum
