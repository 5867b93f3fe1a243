-- A gateway ends cleanly: it holds nothing any more but what it says it has used.
--
-- KEYS: {P}:epoch, {P}:members
-- ARGV: member (MACHINE.PROCESS), JSON of host and version
local time = redis.call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call('HGET', KEYS[1], 'now') or 0))
local entry = cjson.decode(ARGV[2])
local known = redis.call('HGET', KEYS[2], ARGV[1])
local isRead, before = pcall(cjson.decode, known or '')
if isRead and type(before) == 'table' then entry.since = before.since end
entry.seen = now
entry.left = now
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(entry))
redis.call('PEXPIRE', KEYS[2], 172800000)

-- After the last one, a later start is no surprise (epoch.lua).
local alive = false
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local ok, other = pcall(cjson.decode, all[i + 1])
  if ok and type(other) == 'table' and not other.left and now - (tonumber(other.seen) or 0) < 60000 then alive = true end
end
if not alive then redis.call('HSET', KEYS[1], 'alive_until', 0) end
return now
