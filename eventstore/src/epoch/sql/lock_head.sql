select h.epoch, h.position,
       (h.system_identifier = c.system_identifier and h.timeline = current_timeline()) as "same_server!"
from log_head h, pg_control_system() c
for no key update of h
