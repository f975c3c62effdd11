select projection, generation, epoch, position, event_count, digest,
       state as "state: GenerationState", schema_name, shape,
       case when pinned_until > clock_timestamp() then pinned_at end as pinned_at,
       parked_revision, problem, updated_at, retired_at
from projection_checkpoints
order by projection, generation
