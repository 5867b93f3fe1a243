-- A gateway says that it is there: first on each new connection, then every second.
--
-- KEYS: {P}:epoch, {P}:members
-- ARGV: schema, run id of the server, member (MACHINE.PROCESS), JSON of host and version, lease in ms
-- Returns: now (ms), grace_until (ms), schema, machines that are there
--
-- {P}:epoch has run_id besides (epoch.lua). Until grace_until, nothing may be granted but what gateways say they hold already,
-- because what they hold may not be in here: there was no epoch (a first start, FLUSHALL), time has begun anew, it is of another run
-- of a server (a restart, a failover), or time has run on by more than a lease while members were there, each of which joins every
-- second (a jump of the server's clock, or all of them have died).
local schema, lease = tonumber(ARGV[1]), tonumber(ARGV[5])
clear(KEYS[2], 'hash')

local stored = redis.call('HMGET', epoch, 'schema', 'run_id', 'now', 'grace_until')
local refusal = refuseLater(stored[1], schema)
if refusal then return refusal end

local now, before = clock(stored[3])

-- Members, by machine: those that were there when the store was last used, and those that are there now.
local was_used = false
local machines, count = {}, 0
local gone = {}
local since = now
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local known, seen = memberOf(all[i + 1], now)
  -- Processes that start and die in a loop would fill the hash.
  if not known or #all[i] > 256 or now - seen > day or (#all > 512 and now - seen > 60000 + lease) then
    gone[#gone + 1] = all[i]
  elseif not known.left then
    if before and before - seen <= lease then was_used = true end
    local machine = string.match(all[i], '^[^.]*')
    if now - seen <= lease and all[i] ~= ARGV[3] and not machines[machine] then
      machines[machine] = true
      count = count + 1
    end
  end
  if known and all[i] == ARGV[3] then since = whole(known.since, now) or now end
end
if not machines[string.match(ARGV[3], '^[^.]*')] then count = count + 1 end

local grace = whole(stored[4], now + lease) or now + lease
if not before or stored[2] ~= ARGV[2] or (was_used and now > before + lease) then grace = now + lease end

redis.call('HSET', epoch, 'schema', schema, 'run_id', ARGV[2], 'now', text(now), 'grace_until', text(grace), 'alive_until', text(now + lease))
redis.call('PEXPIRE', epoch, keepMs)
for _, member in ipairs(gone) do redis.call('HDEL', KEYS[2], member) end
local entry = cjson.decode(ARGV[4])
entry.seen = now
entry.since = since
redis.call('HSET', KEYS[2], ARGV[3], cjson.encode(entry))
redis.call('PEXPIRE', KEYS[2], keepMs)
return { now, grace, schema, count }
