insert into account_page (id, role, status, map_state, radius_m, title, summary, tags, address,
                          public_position, joined_at, updated_at, version)
select *
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::jsonb[],
            $7::jsonb[], $8::jsonb[], $9::jsonb[], $10::jsonb[], $11::timestamptz[],
            $12::timestamptz[], $13::bigint[])
on conflict (id) do update set
    role = excluded.role,
    status = excluded.status,
    map_state = excluded.map_state,
    radius_m = excluded.radius_m,
    title = excluded.title,
    summary = excluded.summary,
    tags = excluded.tags,
    address = excluded.address,
    public_position = excluded.public_position,
    joined_at = excluded.joined_at,
    updated_at = excluded.updated_at,
    version = excluded.version
