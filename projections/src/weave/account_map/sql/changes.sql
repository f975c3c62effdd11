-- Accounts with events after $1, as their rows are now, and how far that is: $2 positions at
-- most, and never beyond what the read model has seen. One row without an account when nothing
-- happened.
select c.upto as "upto!", c.epoch, c.generation, c.parked_revision, e.aggregate_id as "id?",
       a.public_position as "public_position?: Json<Sealed>"
from (
    select p.epoch, p.generation, p.parked_revision, least(p.position, $1::bigint + $2::bigint) as upto
    from projection_checkpoints p
    where p.projection = 'account_page' and p.state = 'live'
) c
left join lateral (
    select distinct l.aggregate_id
    from events l
    where l.position > $1 and l.position <= c.upto and l.aggregate_type = 'account'
) e on true
left join read.account_page a
       on a.id = e.aggregate_id and a.status = 'active' and a.map_state in ('exact', 'radius')
