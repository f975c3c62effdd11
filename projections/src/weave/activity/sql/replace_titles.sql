insert into activity_node (conversation_id, node_id, title)
select * from unnest($1::uuid[], $2::uuid[], $3::text[])
on conflict (conversation_id) do update set
    node_id = excluded.node_id,
    title = excluded.title
