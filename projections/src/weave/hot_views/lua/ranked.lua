-- Conversations by score over some buckets, and their live threads.
-- KEYS: checkpoint. ARGV: prefix, start, stop, milliseconds before which threads have faded, then
-- the buckets. Answers {position, {conversation, score, threads, …}}; nothing when the generation
-- is gone.
local prefix = ARGV[1]
local position = redis.call('HGET', KEYS[1], 'position')
if not position then return false end
local sum = prefix .. 'sum'
local union = {'ZUNIONSTORE', sum, #ARGV - 4}
for i = 5, #ARGV do union[#union + 1] = prefix .. ARGV[i] end
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
