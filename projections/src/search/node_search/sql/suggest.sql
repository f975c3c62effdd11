-- From one title to the next by the index: titles that begin with the prefix, then titles with a
-- later word that does. $1 and $2 are the first and the end of what begins with it. Steps are
-- bounded, because one title may be met at several of its words.
with recursive whole as (
    (
        select s.start, s.title, 1 as step
        from read.node_search_start s
        where s.word = 0 and s.start >= $1 and s.start < $2
        order by s.start, s.title
        limit 1
    )
    union all
    select n.start, n.title, w.step + 1
    from whole w
    cross join lateral (
        select s.start, s.title
        from read.node_search_start s
        where s.word = 0 and (s.start, s.title) > (w.start, w.title) and s.start < $2
        order by s.start, s.title
        limit 1
    ) n
    where w.step < $3
),
later as (
    (
        select s.start, s.title, 1 as step
        from read.node_search_start s
        where s.word > 0 and s.start >= $1 and s.start < $2
          and (select count(*) from whole) < $3
        order by s.start, s.title
        limit 1
    )
    union all
    select n.start, n.title, l.step + 1
    from later l
    cross join lateral (
        select s.start, s.title
        from read.node_search_start s
        where s.word > 0 and (s.start, s.title) > (l.start, l.title) and s.start < $2
        order by s.start, s.title
        limit 1
    ) n
    where l.step < 2 * $3
)
select c.position as "position!", f.titles as "titles!"
from read.node_search_checkpoint c
cross join lateral (
    select coalesce(array_agg(d.title order by d.place, d.start, d.title), '{}') as titles
    from (
        select t.title, min(t.place) as place, min(t.start) as start
        from (
            select title, start, 0 as place from whole
            union all
            select title, start, 1 as place from later
        ) t
        group by t.title
        order by place, start, t.title
        limit $3
    ) d
) f
