update log_head
set position = $3, recorded_at = greatest(recorded_at, $4)
where the_one and epoch = $1 and position = $2
