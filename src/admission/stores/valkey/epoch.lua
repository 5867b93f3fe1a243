-- Stands before each script of this folder: what they agree on, their clock, and whether what the server holds can be relied on.
--
-- KEYS[1] is the epoch, a hash: `schema`; `now`, the latest time seen; `grace_until`; `alive_until`, until when some gateway's
-- allotments are valid, 0 once the last one has left. All times are the server's, in milliseconds.

local epoch = KEYS[1]

-- Numbers up to 2^53 keep their digits, which tostring would round to 14.
local function text(number)
  return string.format('%.0f', number)
end

-- An error reply where the state is of a later version than this gateway knows.
-- @param found the epoch's schema, if it has one.
local function refuseLater(found, schema)
  found = tonumber(found or 0) or 0
  if found > schema then
    return redis.error_reply('OUTDATED the store is used with the schema ' .. found .. ', and this gateway knows ' .. schema)
  end
end

-- Of another type, a key is none of ours, and would make every command fail.
local function clear(key, wanted)
  local type = redis.call('TYPE', key).ok
  if type ~= wanted and type ~= 'none' then redis.call('DEL', key) end
end

-- The time, which never goes back, and whether there is grace: after a loss of state (a flush, a failover to a replica that
-- lagged behind, a restart) or a jump of the clock, nothing new is granted until each gateway that lives has had the time to
-- state what it holds. Returns an error reply instead where the state is of a later version.
local function begin(schema, leaseMs)
  local time = redis.call('TIME')
  local real = time[1] * 1000 + math.floor(time[2] / 1000)
  local known = redis.call('HMGET', epoch, 'schema', 'now', 'grace_until', 'alive_until')
  if not known[1] then
    redis.call('HSET', epoch, 'schema', schema, 'now', text(real), 'grace_until', text(real + leaseMs), 'alive_until', 0)
    redis.call('PEXPIRE', epoch, 7 * 24 * 3600 * 1000)
    return real, true
  end
  local refusal = refuseLater(known[1], schema)
  if refusal then return nil, nil, refusal end
  local last = tonumber(known[2])
  local now = math.max(real, last)
  local graceUntil = tonumber(known[3])
  if now - last > leaseMs and tonumber(known[4]) > last then
    graceUntil = now + leaseMs
  end
  redis.call('HSET', epoch, 'schema', schema, 'now', text(now), 'grace_until', text(graceUntil))
  redis.call('PEXPIRE', epoch, 7 * 24 * 3600 * 1000)
  return now, now < graceUntil
end
