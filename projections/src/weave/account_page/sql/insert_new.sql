-- A rebuild's statement: nothing to look up, nothing to compare.
insert into account_page (id, role, status, map_state, radius_m, title, summary, tags, address,
                          public_position, joined_at, updated_at, version)
select *
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::jsonb[],
            $7::jsonb[], $8::jsonb[], $9::jsonb[], $10::jsonb[], $11::timestamptz[],
            $12::timestamptz[], $13::bigint[])
