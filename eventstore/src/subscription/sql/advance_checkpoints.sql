update public.projection_checkpoints c
set position = m.position, event_count = c.event_count + m.events, digest = c.digest # m.digest,
    problem = m.problem, updated_at = clock_timestamp()
from unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
         as m (projection, generation, old, position, events, digest, problem),
     public.log_head h
where c.projection = m.projection and c.generation = m.generation
  and c.epoch = $1 and c.position = m.old
  and h.epoch = $1 and h.position >= m.position
