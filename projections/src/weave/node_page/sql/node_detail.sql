-- Always one row once both read models are built, so that a missing node has a position, too.
select least(pc.position, ac.position) as "position!", pc.epoch as "epoch!",
       n.id as "id?", n.kind, n.title, n.summary, n.info, n.tags, n.address, n.lat, n.lon,
       n.search_visibility, n.created_by, n.conversation_id, n.created_at, n.updated_at,
       n.version, n.redacted,
       a.id as "creator?", a.title as "creator_title?: Json<Sealed>",
       h.history as "history!: Json<Vec<HistoryEntry>>"
from read.node_page_checkpoint pc
cross join read.account_page_checkpoint ac
left join read.node_page n on n.id = $1 and n.removed_at is null
left join read.account_page a on a.id = n.created_by and a.status <> 'left'
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
