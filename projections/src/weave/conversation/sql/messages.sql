-- Always one row once both read models are built, so that a missing conversation has a position,
-- too. Who left is no author any more; who was disabled is.
select least(cc.position, ac.position) as "position!", cc.epoch as "epoch!",
       c.id as "conversation_id?", c.state as "state?", c.message_count as "message_count?",
       c.last_message_at as "last_message_at?",
       m.id as "id?", m.content as "content?: Json<Sealed>", m.created_at as "created_at?",
       m.edited_at as "edited_at?", m.tombstoned as "tombstoned?", m.version as "version?",
       m.position as "message_position?",
       a.id as "author?", a.title as "author_title?: Json<Sealed>"
from read.conversation_checkpoint cc
cross join read.account_page_checkpoint ac
left join read.conversation c on c.id = $1 and c.state <> 'gone'
left join lateral (
    select *
    from read.message
    where conversation_id = c.id and position < $2
    order by position desc
    limit $3
) m on true
left join read.account_page a on a.id = m.author_id and a.status <> 'left'
order by m.position desc
