-- Applies one page of the log to one generation and moves its checkpoint, or does neither.
-- KEYS: checkpoint, pin. ARGV: prefix, from, to, epoch, last event, shape, page (JSON), hours,
-- days and milliseconds that are kept.
-- Answers {1, to} when applied, {0, where it stands} when the page does not follow, {2, where it
-- stands} while a verifier holds it. A page of an earlier epoch than the checkpoint's never follows.
local checkpoint, prefix = KEYS[1], ARGV[1]
local at = redis.call('HGET', checkpoint, 'position') or '0'
local epoch = tonumber(redis.call('HGET', checkpoint, 'epoch') or '0')
if at ~= ARGV[2] or epoch > tonumber(ARGV[4]) then return {0, tonumber(at)} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {2, tonumber(at)} end

local page = cjson.decode(ARGV[7])
local newest = math.max(tonumber(redis.call('HGET', checkpoint, 'newest') or '0'), page.newest)
local newest_hour = math.floor(newest / 3600000)
local hour_floor = newest_hour - tonumber(ARGV[8])
local day_floor = math.floor(newest_hour / 24) - tonumber(ARGV[9])
local faded = newest - tonumber(ARGV[10])
local function text(number) return string.format('%.0f', number) end

-- A thread stands in three places: by conversation to be counted, by account to be discarded
-- when the person leaves, by time to be dropped when it has faded.
local function discard(conversation, account, kind)
    redis.call('ZREM', prefix .. 't:' .. conversation, account .. '/' .. kind)
    redis.call('SREM', prefix .. 'a:' .. account, conversation .. '/' .. kind)
    redis.call('ZREM', prefix .. 'threads', conversation .. '/' .. account .. '/' .. kind)
end
for _, conversation in ipairs(page.removed) do
    for _, member in ipairs(redis.call('ZRANGE', prefix .. 't:' .. conversation, 0, -1)) do
        local account, kind = string.match(member, '^(.*)/(.*)$')
        discard(conversation, account, kind)
    end
end
for _, account in ipairs(page.left) do
    for _, member in ipairs(redis.call('SMEMBERS', prefix .. 'a:' .. account)) do
        local conversation, kind = string.match(member, '^(.*)/(.*)$')
        discard(conversation, account, kind)
    end
end

local known = {}
local function bucket(index, letter, number, conversation, more)
    local name = text(number)
    redis.call('ZINCRBY', prefix .. letter .. name, more, conversation)
    if not known[letter .. name] then
        known[letter .. name] = true
        redis.call('ZADD', prefix .. index, number, name)
    end
end
for _, score in ipairs(page.scores) do
    local hour, day, conversation, more = score[1], score[2], score[3], score[4]
    if hour > hour_floor then bucket('hours', 'h:', hour, conversation, more) end
    if day > day_floor then bucket('days', 'd:', day, conversation, more) end
end
for _, thread in ipairs(page.threads) do
    local conversation, account, kind, ms = thread[1], thread[2], thread[3], thread[4]
    if ms > faded then
        redis.call('ZADD', prefix .. 't:' .. conversation, 'GT', text(ms), account .. '/' .. kind)
        redis.call('SADD', prefix .. 'a:' .. account, conversation .. '/' .. kind)
        redis.call('ZADD', prefix .. 'threads', 'GT', text(ms), conversation .. '/' .. account .. '/' .. kind)
    end
end

local function drop(index, bucket, floor)
    for _, old in ipairs(redis.call('ZRANGEBYSCORE', prefix .. index, '-inf', text(floor))) do
        redis.call('UNLINK', prefix .. bucket .. old)
        redis.call('ZREM', prefix .. index, old)
    end
end
drop('hours', 'h:', hour_floor)
drop('days', 'd:', day_floor)
for _, member in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'threads', '-inf', text(faded))) do
    local conversation, account, kind = string.match(member, '^(.*)/(.*)/(.*)$')
    discard(conversation, account, kind)
end

redis.call('HSET', checkpoint, 'position', ARGV[3], 'epoch', ARGV[4], 'event', ARGV[5],
           'shape', ARGV[6], 'newest', text(newest))
redis.call('HINCRBY', checkpoint, 'unreadable', page.unreadable)
return {1, tonumber(ARGV[3])}
