select projection, generation, epoch, position
from projection_checkpoints
order by projection, generation
for no key update
