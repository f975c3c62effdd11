-- Always one row once all three read models are built, so that a missing account has a position,
-- too. Who left has neither threads nor activity any more.
select least(c.position, tc.position, vc.position) as "position!", c.epoch as "epoch!",
       a.id as "id?", a.role, a.status, a.map_state, a.radius_m, a.title as "title?: Json<Sealed>",
       a.summary as "summary?: Json<Sealed>", a.tags as "tags?: Json<Sealed>",
       a.address as "address?: Json<Sealed>",
       a.public_position as "public_position?: Json<Sealed>",
       a.joined_at, a.updated_at, a.version,
       n.nodes as "nodes!: Json<Vec<NodeLine>>", v.activity as "activity!: Json<Vec<ActivityLine>>"
from read.account_page_checkpoint c
cross join read.thread_checkpoint tc
cross join read.activity_checkpoint vc
left join read.account_page a on a.id = $1
cross join lateral (
    select coalesce(
        jsonb_agg(jsonb_build_object('id', t.node_id, 'title', o.title, 'started_at', t.started_at)
                  order by t.started_at desc, t.node_id),
        '[]') as nodes
    from (
        select e.conversation_id, e.node_id, max(t.started_at) as started_at
        from read.thread t
        join read.thread_node e on e.conversation_id = t.conversation_id and not e.removed
        where t.account_id = a.id and a.status <> 'left' and t.started_at > $2
          and not exists (select from read.thread_left g where g.account_id = t.account_id)
        group by e.conversation_id, e.node_id
        order by max(t.started_at) desc, e.node_id
        limit $3
    ) t
    left join read.activity_node o on o.conversation_id = t.conversation_id
) n
cross join lateral (
    select coalesce(
        jsonb_agg(jsonb_build_object('position', y.position, 'at', y.last_at, 'activity_type', y.type,
                                     'count', y.count, 'account_id', y.account_id,
                                     'conversation_id', y.conversation_id, 'day', y.day,
                                     'node_id', o.node_id, 'node_title', o.title)
                  order by y.position desc),
        '[]') as activity
    from (
        select *
        from read.activity y
        where y.account_id = a.id and a.status <> 'left'
        order by y.position desc
        limit $4
    ) y
    left join read.activity_node o on o.conversation_id = y.conversation_id
) v
