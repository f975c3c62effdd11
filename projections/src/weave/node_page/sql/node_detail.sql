-- Always one row once all four read models are built, so that a missing node has a position, too.
select least(pc.position, ac.position, kc.position, tc.position) as "position!", pc.epoch as "epoch!",
       n.id as "id?", n.kind, n.title, n.summary, n.info, n.tags, n.address, n.lat, n.lon,
       n.search_visibility, n.created_by, n.conversation_id, n.created_at, n.updated_at,
       n.version, n.redacted,
       a.id as "creator?", a.title as "creator_title?: Json<Sealed>",
       h.history as "history!: Json<Vec<HistoryEntry>>",
       k.id as "conversation?", k.state as "conversation_state?", k.message_count as "message_count?",
       k.last_message_at as "last_message_at?",
       l.threads as "threads!: Json<Vec<ThreadLine>>"
from read.node_page_checkpoint pc
cross join read.account_page_checkpoint ac
cross join read.conversation_checkpoint kc
cross join read.thread_checkpoint tc
left join read.node_page n on n.id = $1 and n.removed_at is null
left join read.account_page a on a.id = n.created_by and a.status <> 'left'
left join read.conversation k on k.id = n.conversation_id
cross join lateral (
    select coalesce(
        jsonb_agg(jsonb_build_object('type', e.type, 'at', e.at, 'position', e.position,
                                     'version', e.version, 'actor', e.actor) order by e.version),
        '[]') as history
    from (
        select * from read.node_history
        where node_id = n.id
        order by version desc
        limit $2
    ) e
) h
cross join lateral (
    select coalesce(
        jsonb_agg(jsonb_build_object('id', t.id, 'account_id', t.account_id, 'node_id', t.node_id,
                                     'thread_type', t.type, 'started_at', t.started_at,
                                     'lat', t.lat, 'lon', t.lon, 'public_position', f.public_position)
                  order by t.started_at desc, t.id desc),
        '[]') as threads
    from (
        select t.*, e.node_id, e.lat, e.lon
        from read.thread t
        join read.thread_node e on e.conversation_id = t.conversation_id and not e.removed
        where t.conversation_id = n.conversation_id and t.started_at > $3
          and not exists (select from read.thread_left g where g.account_id = t.account_id)
        order by t.started_at desc, t.id desc
        limit $4
    ) t
    left join read.account_page f on f.id = t.account_id and f.map_state <> 'not_on_map'
) l
