-- A gateway ends cleanly: it holds nothing any more but what it says it has used.
--
-- KEYS: {P}:epoch, {P}:members
-- ARGV: member (MACHINE.PROCESS), JSON of host and version
local now = clock(redis.call('HGET', epoch, 'now'))
local entry = cjson.decode(ARGV[2])
local alive = false
for _, member in ipairs(membersIn(KEYS[2], now)) do
  if member.id ~= ARGV[1] then
    alive = alive or isHere(member, now, 60000)
  elseif member.entry then
    entry.since = whole(member.entry.since, now)
  end
end
entry.seen = now
entry.left = now
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(entry))
redis.call('PEXPIRE', KEYS[2], keepMs)

-- After the last one, a later start is no surprise (epoch.lua).
if not alive and redis.call('EXISTS', epoch) == 1 then redis.call('HSET', epoch, 'alive_until', 0) end
return now
