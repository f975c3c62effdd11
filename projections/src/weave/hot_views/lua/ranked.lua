-- Conversations by score over some buckets, and their live threads.
-- KEYS: checkpoint. ARGV: prefix, start, stop, milliseconds before which threads have faded, shape,
-- then the buckets. Answers {position, {conversation, score, threads, …}}; nothing when the
-- generation is gone or of another shape.
local prefix = ARGV[1]
local found = redis.call('HMGET', KEYS[1], 'position', 'shape')
local position = found[1]
if not position or found[2] ~= ARGV[5] then return false end
local sum = prefix .. 'sum'
local union = {'ZUNIONSTORE', sum, #ARGV - 5}
for i = 6, #ARGV do union[#union + 1] = prefix .. ARGV[i] end
redis.call(unpack(union))
local ranked = redis.call('ZREVRANGE', sum, ARGV[2], ARGV[3], 'WITHSCORES')
redis.call('UNLINK', sum)
local answer = {}
for i = 1, #ranked, 2 do
    local threads = redis.call('ZCOUNT', prefix .. 't:' .. ranked[i], '(' .. ARGV[4], '+inf')
    answer[#answer + 1] = ranked[i]
    answer[#answer + 1] = ranked[i + 1]
    answer[#answer + 1] = tostring(threads)
end
return {tonumber(position), answer}
