-- A gateway says that it is there: first on each new connection, then every second.
--
-- KEYS: {P}:epoch, {P}:members
-- ARGV: schema, run id of the server, member (MACHINE.PROCESS), JSON of host and version, lease in ms
-- Returns: now (ms), grace_until (ms), schema, machines that are there
--
-- {P}:epoch is a hash: schema, run_id, now (ms, which never goes back), grace_until (ms). Until grace_until, nothing may be
-- granted but what gateways say they hold already, because what they hold may not be in here: there was no epoch (a first
-- start, FLUSHALL), it is of another run of a server (a restart, a failover), or time has run on by more than a lease while
-- members were there, each of which joins every second (a jump of the server's clock, or all of them have died).
local schema, lease = tonumber(ARGV[1]), tonumber(ARGV[5])
local day = 86400000

local stored = redis.call('HMGET', epoch, 'schema', 'run_id', 'now', 'grace_until')
local refusal = refuseLater(stored[1], schema)
if refusal then return refusal end

local time = redis.call('TIME')
local before = tonumber(stored[3] or 0)
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), before)

-- Members, by machine: those that were there when the store was last used, and those that are there now.
local was_used = false
local machines, count = {}, 0
local gone = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local ok, entry = pcall(cjson.decode, all[i + 1])
  local seen = ok and type(entry) == 'table' and tonumber(entry.seen)
  -- Processes that start and die in a loop would fill the hash.
  -- The time never goes back: what was seen later was written by none of us, and would stay for ever.
  if not seen or seen > now or seen ~= seen or now - seen > day or (#all > 512 and now - seen > 60000 + lease) then
    gone[#gone + 1] = all[i]
  elseif not entry.left then
    if before - seen <= lease then was_used = true end
    local machine = string.match(all[i], '^[^.]*')
    if now - seen <= lease and all[i] ~= ARGV[3] and not machines[machine] then
      machines[machine] = true
      count = count + 1
    end
  end
end
if not machines[string.match(ARGV[3], '^[^.]*')] then count = count + 1 end

local grace = tonumber(stored[4] or 0)
if stored[2] ~= ARGV[2] or (was_used and now > before + lease) then grace = now + lease end

redis.call('HSET', KEYS[1], 'schema', schema, 'run_id', ARGV[2], 'now', now, 'grace_until', grace, 'alive_until', now + lease)
redis.call('PEXPIRE', KEYS[1], 2 * day)
for _, member in ipairs(gone) do redis.call('HDEL', KEYS[2], member) end
local entry = cjson.decode(ARGV[4])
entry.seen = now
entry.since = now
for i = 1, #all, 2 do
  local ok, known = pcall(cjson.decode, all[i + 1])
  if all[i] == ARGV[3] and ok and type(known) == 'table' and tonumber(known.since) then entry.since = known.since end
end
redis.call('HSET', KEYS[2], ARGV[3], cjson.encode(entry))
redis.call('PEXPIRE', KEYS[2], 2 * day)
return { now, grace, schema, count }
