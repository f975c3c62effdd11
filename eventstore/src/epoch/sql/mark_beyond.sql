update projection_checkpoints
set problem = 'applied events up to position ' || position || ' that a failover took back; rebuild it'
where epoch = $1 and position > $2
