-- Ranges are walked in order and the walk ends when the page is full: ordered by r.lo first, so
-- that only the rows of one range are ever sorted. Each range begins after (lo, after), its only
-- lower bound: of two, the index would start at the lesser.
select c.position as "position!", c.epoch as "epoch!", n.cell, n.id, n.kind, n.title, n.summary,
       n.info, n.tags, n.address, n.lat, n.lon, n.search_visibility, n.created_by,
       n.conversation_id, n.created_at, n.updated_at, n.version, n.redacted
from read.node_map_checkpoint c
left join lateral (
    select p.*
    from (
        select * from unnest($1::bigint[], $2::uuid[], $3::bigint[]) as u (lo, after, hi) order by u.lo
    ) r
    cross join lateral (
        select m.*
        from read.node_map m
        where (m.cell, m.id) > (r.lo, r.after) and m.cell < r.hi
          -- A case has no statistics: taken one by one, latitudes and longitudes of a city look
          -- so rare that fetching and sorting them all would seem cheaper than walking.
          and case
                  when m.lat not between $4 and $5 then false
                  -- At a pole every longitude is the same place.
                  else m.lon between $6 and $7 or m.lon between $8 and $9 or abs(m.lat) = 90
              end
        order by m.cell, m.id
        limit $10
    ) p
    order by r.lo, p.cell, p.id
    limit $10
) n on true
order by n.cell, n.id
