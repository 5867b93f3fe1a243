-- Stands before each script of this folder: what they agree on, their clock, and whether what the server holds can be relied on.
--
-- KEYS[1] is the epoch, a hash: `schema`; `now`, the latest time seen; `grace_until`; `alive_until`, until when some gateway's
-- allotments are valid, 0 once the last one has left. All times are the server's, in milliseconds.
--
-- Whoever has the URL can write here. What none of the scripts writes is taken for nothing, so that it neither fails them nor stays.

local epoch = KEYS[1]
local day = 86400000
-- What gateways say of themselves is kept so long after the last one of them was there.
local keepMs = 2 * day
-- Up to here, numbers have neighbours.
local latest = 2 ^ 52
-- A lease: what is granted is valid no longer. A longer one is another schema.
local aheadMs = 3000

-- Numbers up to 2^53 keep their digits, which tostring would round to 14.
local function text(number)
  return string.format('%.0f', number)
end

-- The whole number from 0 to `most` that a value is; nil if it is none.
local function whole(value, most)
  local number = tonumber(value)
  if number and number >= 0 and number <= (most or latest) and number == math.floor(number) then return number end
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
clear(epoch, 'hash')

-- The time, and the latest one that was seen before. A clock that is set back by a moment goes on with that; by more than a lease, time
-- begins anew, and there is no time before: nobody knows how long the clock of a server, or whoever has written here, would stand still.
-- @param stored the epoch's `now`.
local function clock(stored)
  local time = redis.call('TIME')
  local real = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = whole(stored, real + aheadMs)
  return math.max(real, last or 0), last
end

-- The time, which does not go back within an epoch, and whether there is grace: after a loss of state (a flush, a failover to a replica
-- that lagged behind, a restart), a jump of the clock or a new beginning of time, nothing new is granted until each gateway that
-- lives has had the time to state what it holds. Returns an error reply instead where the state is of a later version.
local function begin(schema, leaseMs)
  local known = redis.call('HMGET', epoch, 'schema', 'now', 'grace_until', 'alive_until')
  local refusal = refuseLater(known[1], schema)
  if refusal then return nil, nil, refusal end
  local now, last = clock(known[2])
  local aliveUntil = whole(known[4]) or latest
  -- No grace lasts longer than a lease; of what is no time, one does.
  local graceUntil = whole(known[3], now + leaseMs) or now + leaseMs
  if not known[1] or not last then
    graceUntil, aliveUntil = now + leaseMs, 0
  elseif now - last > leaseMs and aliveUntil > last then
    graceUntil = now + leaseMs
  end
  redis.call('HSET', epoch, 'schema', schema, 'now', text(now), 'grace_until', text(graceUntil), 'alive_until', text(aliveUntil))
  redis.call('PEXPIRE', epoch, keepMs)
  return now, now < graceUntil
end

-- What a gateway has said of itself, and when; nil if it is nothing that one says, or of a time that has not come.
local function memberOf(packed, now)
  if #packed > 4096 then return nil end
  local isRead, entry = pcall(cjson.decode, packed)
  local seen = isRead and type(entry) == 'table' and whole(entry.seen, now)
  if seen then return entry, seen end
end

-- The list of clients' keys that is here: generation, size and digest; 0, 0 and nothing where there is none.
local function listOf(about, list)
  clear(about, 'hash')
  clear(list, 'string')
  local stored = redis.call('HMGET', about, 'generation', 'size', 'digest')
  local generation, size, digest = whole(stored[1]) or 0, whole(stored[2]) or 0, stored[3] or ''
  if generation == 0 or size == 0 or #digest > 256 or redis.call('STRLEN', list) ~= size then return 0, 0, '' end
  return generation, size, digest
end
