select destination, epoch, position, coalesce(lease_until > clock_timestamp(), false) as "leased!"
from outbox
order by destination
