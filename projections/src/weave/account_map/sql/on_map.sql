-- Everybody on the map, page by page.
select a.id as "id!", a.public_position as "public_position: Json<Sealed>"
from read.account_page a
where a.id > $1 and a.status = 'active' and a.map_state in ('exact', 'radius')
order by a.id
limit $2
