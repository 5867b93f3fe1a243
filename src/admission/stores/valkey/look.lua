-- Who shares the limits, and what the gateways say of some scopes. Changes nothing of them.
--
-- KEYS: {P}:epoch, {P}:members, then scopes
-- Returns: now (ms), the fields of the members' hash, then those of each scope's: names and values in turn
local reply = { (clock(redis.call('HGET', epoch, 'now'))) }
-- Of what others have written: 8 MiB, and 200,000 texts.
local bytes, texts = 8388608, 200000
for at = 2, #KEYS do
  clear(KEYS[at], 'hash')
  local fields, shown = redis.call('HGETALL', KEYS[at]), {}
  for field = 1, #fields, 2 do
    local name, value = fields[field], fields[field + 1]
    local isShort = #name <= 256 and #value <= 4096
    if isShort and bytes >= #name + #value and texts >= 2 then
      shown[#shown + 1] = name
      shown[#shown + 1] = value
      bytes, texts = bytes - #name - #value, texts - 2
    end
  end
  reply[at] = shown
end
return reply
