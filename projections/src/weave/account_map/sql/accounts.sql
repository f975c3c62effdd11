-- Those of the candidates that are on the map.
select a.id as "id!", a.role as "role!", a.map_state as "map_state!", a.radius_m as "radius_m!",
       a.title as "title: Json<Sealed>",
       a.public_position as "public_position!: Json<Sealed>"
from read.account_page a
where a.id = any ($1) and a.status = 'active' and a.map_state in ('exact', 'radius')
  and a.public_position is not null
