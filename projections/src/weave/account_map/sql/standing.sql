-- The generation that the views show; the views say less of it.
select position, epoch, generation, parked_revision
from projection_checkpoints
where projection = 'account_page' and state = 'live'
