-- $1 is today, $2 the first day of the window.
select c.position as "position!", c.epoch as "epoch!",
       coalesce((select sum(d.begun - d.ended) from read.statistics_day d where d.thing = 'nodes'), 0)::bigint as "nodes!",
       coalesce((select sum(d.begun - d.ended) from read.statistics_day d where d.thing = 'accounts'), 0)::bigint as "accounts!",
       coalesce((select sum(d.begun - d.ended) from read.statistics_day d where d.thing = 'messages'), 0)::bigint as "messages!",
       (select count(*) from read.statistics_active a where a.day = $1) as "today!",
       (select count(*) from read.statistics_last l where l.day >= $2) as "window!"
from read.statistics_checkpoint c
