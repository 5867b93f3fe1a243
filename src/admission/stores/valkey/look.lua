-- Who shares the limits, and what the gateways say of some scopes. Changes nothing.
--
-- KEYS: {P}:epoch, {P}:members, then scopes
-- Returns: now (ms), the fields of the members' hash, then those of each scope's: names and values in turn
local time = redis.call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call('HGET', KEYS[1], 'now') or 0))
local reply = { now }
for at = 2, #KEYS do reply[#reply + 1] = redis.call('HGETALL', KEYS[at]) end
return reply
