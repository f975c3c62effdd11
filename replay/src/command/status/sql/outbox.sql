select destination, epoch, position, coalesce(lease_until > clock_timestamp(), false) as "leased!", problem
from outbox
order by destination
