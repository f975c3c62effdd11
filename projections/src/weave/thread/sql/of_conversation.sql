-- Always one row once both read models are built, so that an empty page has a position, too.
select least(tc.position, ac.position) as "position!", tc.epoch as "epoch!",
       t.id as "id?", t.account_id as "account_id?", t.node_id as "node_id?", t.type as "thread_type?",
       t.started_at as "started_at?", t.lat as "lat?", t.lon as "lon?",
       a.public_position as "public_position?: Json<Sealed>"
from read.thread_checkpoint tc
cross join read.account_page_checkpoint ac
left join lateral (
    select t.*, n.node_id, n.lat, n.lon
    from read.thread t
    join read.thread_node n on n.conversation_id = t.conversation_id and not n.removed
    where t.conversation_id = $1 and t.started_at > $2
      and (t.started_at, t.id) < ($3, $4)
      and not exists (select from read.thread_left l where l.account_id = t.account_id)
    order by t.started_at desc, t.id desc
    limit $5
) t on true
left join read.account_page a on a.id = t.account_id and a.map_state <> 'not_on_map'
order by t.started_at desc, t.id desc
