-- A gateway ends cleanly: it holds nothing any more but what it says it has used.
--
-- KEYS: {P}:epoch, {P}:members
-- ARGV: member (MACHINE.PROCESS), JSON of host and version
clear(KEYS[2], 'hash')
local now = clock(redis.call('HGET', epoch, 'now'))
local entry = cjson.decode(ARGV[2])
local known = memberOf(redis.call('HGET', KEYS[2], ARGV[1]) or '', now)
entry.since = known and whole(known.since, now)
entry.seen = now
entry.left = now
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(entry))
redis.call('PEXPIRE', KEYS[2], keepMs)

-- After the last one, a later start is no surprise (epoch.lua).
local alive = false
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local other, seen = memberOf(all[i + 1], now)
  if other and not other.left and now - seen < 60000 then alive = true end
end
if not alive and redis.call('EXISTS', epoch) == 1 then redis.call('HSET', epoch, 'alive_until', 0) end
return now
