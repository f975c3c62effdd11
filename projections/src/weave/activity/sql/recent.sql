-- Always one row once both read models are built, so that an empty page has a position, too.
-- Who left has no activity of its own any more: what remains at the nodes is nobody's.
select least(vc.position, ac.position) as "position!", vc.epoch as "epoch!",
       v.position as "act_position?", v.type as "activity_type?", v.last_at as "last_at?",
       v.count as "count?", v.account_id as "account_id?", v.conversation_id as "conversation_id?",
       v.day as "day?", n.node_id as "node_id?", n.title as "node_title?",
       a.id as "account?", a.title as "account_title?: Json<Sealed>"
from read.activity_checkpoint vc
cross join read.account_page_checkpoint ac
left join lateral (
    select *
    from read.activity v
    where ($1::uuid is null
           or (v.account_id = $1
               and exists (select from read.account_page a where a.id = $1 and a.status <> 'left')))
      and ($2::uuid is null or v.conversation_id = $2)
      and v.position < $3
    order by v.position desc
    limit $4
) v on true
left join read.activity_node n on n.conversation_id = v.conversation_id
left join read.account_page a on a.id = v.account_id and a.status <> 'left'
order by v.position desc
