-- The same for some ranges of cells.
select c.position as "position!", c.epoch as "epoch!", n.prefix as "prefix?", n.nodes as "nodes?"
from read.node_map_checkpoint c
left join lateral (
    select m.cell >> $1::integer as prefix, count(*) as nodes
    from unnest($2::bigint[], $3::bigint[]) as r (lo, hi)
    join read.node_map m on m.cell >= r.lo and m.cell < r.hi
    where m.search_visibility = 'public'
    group by 1
) n on true
