update log_head h
set epoch = h.epoch + 1, system_identifier = c.system_identifier, timeline = current_timeline()
from pg_control_system() c
returning h.epoch
