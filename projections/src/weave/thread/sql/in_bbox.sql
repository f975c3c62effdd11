-- Nodes with a recent act are found by themselves when they are few ($13 is what still counts as
-- few), and by walking the map in its order (see nodes_in_bbox) when they are many: the walk
-- ends when the page is full, and without live threads it would see the whole box. Each range
-- begins at (lo, after), inclusive: of the node at which the page before ended, more threads may
-- follow.
with recent as materialized (
    select n.conversation_id, n.cell, n.node_id, n.lat, n.lon
    from read.thread_node n
    where n.last_act_at > $5
    order by n.last_act_at desc
    limit $13::bigint + 1
)
select least(tc.position, ac.position) as "position!", tc.epoch as "epoch!",
       t.cell as "cell?", t.conversation_id as "conversation_id?",
       t.id as "id?", t.account_id as "account_id?", t.node_id as "node_id?", t.type as "thread_type?",
       t.started_at as "started_at?", t.lat as "lat?", t.lon as "lon?",
       a.public_position as "public_position?: Json<Sealed>"
from read.thread_checkpoint tc
cross join read.account_page_checkpoint ac
left join lateral (
    (
        select n.cell, n.node_id, n.lat, n.lon, t.*
        from recent n
        join unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::bigint[]) as r (lo, after, thread, hi)
          on (n.cell, n.conversation_id) >= (r.lo, r.after) and n.cell < r.hi
        cross join lateral (
            select t.*
            from read.thread t
            where t.conversation_id = n.conversation_id and t.started_at > $5
              and not exists (select from read.thread_left l where l.account_id = t.account_id)
              and (n.cell, t.conversation_id, t.id) > (r.lo, r.after, r.thread)
            order by t.id
        ) t
        where (select count(*) from recent) <= $13::bigint
          and n.lat between $6 and $7
          and (n.lon between $8 and $9 or n.lon between $10 and $11 or abs(n.lat) = 90)
        order by n.cell, t.conversation_id, t.id
        limit $12
    )
    union all
    (
        select p.*
        from (
            select *
            from unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::bigint[]) as u (lo, after, thread, hi)
            where (select count(*) from recent) > $13::bigint
            order by u.lo
        ) r
        cross join lateral (
            select n.cell, n.node_id, n.lat, n.lon, t.*
            from read.thread_node n
            cross join lateral (
                select t.*
                from read.thread t
                where t.conversation_id = n.conversation_id and t.started_at > $5
                  and not exists (select from read.thread_left l where l.account_id = t.account_id)
                  and (n.cell, t.conversation_id, t.id) > (r.lo, r.after, r.thread)
                order by t.id
            ) t
            where (n.cell, n.conversation_id) >= (r.lo, r.after) and n.cell < r.hi
              and case
                      when n.last_act_at <= $5 then false
                      when n.lat not between $6 and $7 then false
                      -- At a pole every longitude is the same place.
                      else n.lon between $8 and $9 or n.lon between $10 and $11 or abs(n.lat) = 90
                  end
            order by n.cell, n.conversation_id, t.id
            limit $12
        ) p
        order by r.lo, p.cell, p.conversation_id, p.id
        limit $12
    )
) t on true
left join read.account_page a on a.id = t.account_id and a.map_state <> 'not_on_map'
order by t.cell, t.conversation_id, t.id
