with gone as materialized (
    select aggregate_id::text as account from events where type = 'AccountLeft'
),
works as materialized (
    select w.aggregate_id
    from events w
    where (w.type = 'NodeTied' and w.payload ->> 'created_by' in (select account from gone))
       or (w.type = 'MessagePosted' and w.payload ->> 'author_id' in (select account from gone))
),
unbound as materialized (
    select aggregate_id, count(*) as times
    from events
    where type in ('NodeCreatorUnbound', 'MessageAuthorUnbound')
    group by aggregate_id
)
select (select count(*) from gone) as "left!",
       (select count(*) from unbound) as "unbound!",
       (select count(*) from works w where not exists (select from unbound u where u.aggregate_id = w.aggregate_id))
           as "forgotten!",
       (select count(*) from unbound where times > 1) as "twice!"
