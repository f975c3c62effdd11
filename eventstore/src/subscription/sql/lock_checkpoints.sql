select c.projection, c.generation, c.epoch, c.position, c.state as "state: GenerationState",
       case when c.pinned_until > clock_timestamp() then c.pinned_at end as pinned_at,
       c.parked_revision
from projection_checkpoints c
where (c.projection, c.generation)
      in (select * from unnest($1::text[], $2::integer[]) as m (projection, generation))
order by c.projection, c.generation
for no key update
