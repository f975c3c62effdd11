insert into thread_node (conversation_id, node_id, cell, lat, lon, removed, last_act_at)
select *
from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::float8[], $5::float8[], $6::boolean[],
            $7::timestamptz[])
on conflict (conversation_id) do update set
    node_id = excluded.node_id,
    cell = excluded.cell,
    lat = excluded.lat,
    lon = excluded.lon,
    removed = excluded.removed,
    last_act_at = excluded.last_act_at
