-- How many public nodes each cell of a coarser resolution holds: all finer digits are shifted out.
-- From the index alone.
select c.position as "position!", c.epoch as "epoch!", n.prefix as "prefix?", n.nodes as "nodes?"
from read.node_map_checkpoint c
left join lateral (
    select m.cell >> $1::integer as prefix, count(*) as nodes
    from read.node_map m
    where m.search_visibility = 'public' and m.cell is not null
    group by 1
) n on true
