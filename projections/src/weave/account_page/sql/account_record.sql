-- Always one row once the read model is built, so that a missing account has a position, too.
select c.position as "position!", c.epoch as "epoch!", a.id as "id?", a.role, a.status,
       a.map_state, a.radius_m, a.title as "title?: Json<Sealed>",
       a.summary as "summary?: Json<Sealed>", a.tags as "tags?: Json<Sealed>",
       a.address as "address?: Json<Sealed>",
       a.public_position as "public_position?: Json<Sealed>",
       a.joined_at, a.updated_at, a.version
from read.account_page_checkpoint c
left join read.account_page a on a.id = $1
