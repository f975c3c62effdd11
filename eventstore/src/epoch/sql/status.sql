select h.epoch, h.position, h.recorded_at, h.system_identifier, h.timeline,
       c.system_identifier as "server_system_identifier!",
       -- A standby has no WAL position of its own to read the timeline from.
       case when pg_is_in_recovery() then (select k.timeline_id from pg_control_checkpoint() k)
            else current_timeline() end as "server_timeline!",
       pg_is_in_recovery() as "in_recovery!"
from log_head h, pg_control_system() c
