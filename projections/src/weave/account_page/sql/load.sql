select id, role, status, map_state, radius_m, title as "title: Json<Sealed>",
       summary as "summary: Json<Sealed>", tags as "tags: Json<Sealed>",
       address as "address: Json<Sealed>", public_position as "public_position: Json<Sealed>",
       joined_at, updated_at, version
from account_page
where id = any ($1)
