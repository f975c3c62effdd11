-- Shows a generation in place of another one. KEYS: pointer. ARGV: the present one (empty when
-- there should be none), the next one. Answers 1 when it was so.
local present = redis.call('GET', KEYS[1]) or ''
if present ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
