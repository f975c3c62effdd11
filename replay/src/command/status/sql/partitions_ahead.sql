select count(*) as "ahead!" from log_partitions p, log_head h where p.from_position > h.position + 1
