-- A gateway ends cleanly: it holds nothing any more but what it says it has used.
--
-- KEYS: {P}:epoch, {P}:members
-- ARGV: member (MACHINE.PROCESS), JSON of host and version
local time = redis.call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call('HGET', KEYS[1], 'now') or 0))
local entry = cjson.decode(ARGV[2])
entry.seen = now
entry.left = now
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(entry))
redis.call('PEXPIRE', KEYS[2], 172800000)
return now
