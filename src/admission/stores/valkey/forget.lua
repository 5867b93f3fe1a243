-- A machine is gone for good: of budgets it holds only what it has spent and reserved. To be run until the cursor is 0.
--
-- KEYS: {P}:epoch, {P}:members
-- ARGV: machine, cursor, pattern of budgets' keys, lease in ms
-- Returns: next cursor, how many budgets it has given up something of; `alive` where a gateway of the machine is there
local machine, cursor, pattern, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
clear(KEYS[2], 'hash')
local now = clock(redis.call('HGET', epoch, 'now'))

local processes = {}
local all = redis.call('HGETALL', KEYS[2])
for at = 1, #all, 2 do
  if string.match(all[at], '^[^.]*') == machine then
    local entry, seen = memberOf(all[at + 1], now)
    if entry and not entry.left and now - seen <= lease then return { 'alive' } end
    processes[#processes + 1] = all[at]
  end
end

local field = 'm:' .. machine
local changed = 0
local found = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 200, 'TYPE', 'hash')
for _, key in ipairs(found[2]) do
  local packed = redis.call('HGET', key, field)
  if packed and #packed <= 512 then
    -- Number, end of the lease, when the next use leaves, then allotted and used in each dimension (exchange.lua).
    local values = {}
    for each in string.gmatch(packed, '%S+') do values[#values + 1] = each end
    local lowers = false
    for at = 4, #values, 2 do
      local held, used = whole(values[at]), whole(values[at + 1])
      if held and used and held > used then
        values[at] = values[at + 1]
        lowers = true
      end
    end
    if lowers then
      redis.call('HSET', key, field, table.concat(values, ' '))
      changed = changed + 1
    end
  end
end
if found[1] == '0' then
  for _, process in ipairs(processes) do redis.call('HDEL', KEYS[2], process) end
end
return { found[1], changed }
