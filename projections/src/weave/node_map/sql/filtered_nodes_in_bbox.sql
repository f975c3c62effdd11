-- A rare filter is answered from its own index, a common one by walking the map in its order
-- (see nodes_in_bbox): either alone reads the whole table for some filter. $13 is what still
-- counts as rare.
with rare as materialized (
    select m.id
    from read.node_map m
    where (cardinality($11::text[]) = 0 or m.kind = any ($11::text[]))
      and (cardinality($12::text[]) = 0 or m.tags && $12::text[])
    limit $13::bigint + 1
)
select c.position as "position!", c.epoch as "epoch!", n.cell, n.id, n.kind, n.title, n.summary,
       n.info, n.tags, n.address, n.lat, n.lon, n.search_visibility, n.created_by,
       n.conversation_id, n.created_at, n.updated_at, n.version, n.redacted
from read.node_map_checkpoint c
left join lateral (
    (
        select m.*
        from rare
        join read.node_map m on m.id = rare.id
        where (select count(*) from rare) <= $13::bigint
          and exists (
              select from unnest($1::bigint[], $2::uuid[], $3::bigint[]) as r (lo, after, hi)
              where (m.cell, m.id) > (r.lo, r.after) and m.cell < r.hi
          )
          and m.lat between $4 and $5
          and (m.lon between $6 and $7 or m.lon between $8 and $9 or abs(m.lat) = 90)
        order by m.cell, m.id
        limit $10
    )
    union all
    (
        select p.*
        from (
            select * from unnest($1::bigint[], $2::uuid[], $3::bigint[]) as u (lo, after, hi)
            where (select count(*) from rare) > $13::bigint
            order by u.lo
        ) r
        cross join lateral (
            select m.*
            from read.node_map m
            where (m.cell, m.id) > (r.lo, r.after) and m.cell < r.hi
              and case
                      when m.lat not between $4 and $5 then false
                      when cardinality($11::text[]) > 0 and m.kind <> all ($11::text[]) then false
                      when cardinality($12::text[]) > 0 and not m.tags && $12::text[] then false
                      else m.lon between $6 and $7 or m.lon between $8 and $9 or abs(m.lat) = 90
                  end
            order by m.cell, m.id
            limit $10
        ) p
        order by r.lo, p.cell, p.id
        limit $10
    )
) n on true
order by n.cell, n.id
