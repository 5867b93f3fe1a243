-- What list of clients' keys is here, and a piece of it. A machine states with it which generation it has in force.
--
-- KEYS: {P}:epoch, {P}:keys, {P}:keys:list, {P}:keys:held, {P}:members
-- ARGV: schema, machine or nothing, generation that it has in force, digest of the list that a piece is wanted of, offset, length
-- Returns: generation (0: there is no list), its size in bytes, its digest, machines that are there, those of them that have
-- this generation in force, the piece (empty where the list is another one)
--
-- {P}:keys is a hash: generation, size, digest. {P}:keys:held: machine → generation. Both and the list are kept for 400 days
-- after the last gateway was there.
local refusal = refuseLater(redis.call('HGET', epoch, 'schema'), tonumber(ARGV[1]))
if refusal then return refusal end

clear(KEYS[4], 'hash')
clear(KEYS[5], 'hash')

local generation, size, digest = listOf(KEYS[2], KEYS[3])
if generation > 0 and redis.call('PTTL', KEYS[2]) < 399 * day then
  redis.call('PEXPIRE', KEYS[2], 400 * day)
  redis.call('PEXPIRE', KEYS[3], 400 * day)
end

-- Where memory is full, nothing is stated, and the list is read all the same.
if ARGV[2] ~= '' then
  if redis.call('HGET', KEYS[4], ARGV[2]) ~= ARGV[3] then
    if redis.call('HLEN', KEYS[4]) > 512 then redis.call('DEL', KEYS[4]) end
    redis.pcall('HSET', KEYS[4], ARGV[2], ARGV[3])
    redis.call('PEXPIRE', KEYS[4], 400 * day)
  elseif redis.call('PTTL', KEYS[4]) < 399 * day then
    redis.call('PEXPIRE', KEYS[4], 400 * day)
  end
end

local now = clock(redis.call('HGET', epoch, 'now'))
local machines, count, inForce = {}, 0, 0
local all = redis.call('HGETALL', KEYS[5])
for i = 1, #all, 2 do
  local entry, seen = memberOf(all[i + 1], now)
  local machine = string.match(all[i], '^[^.]*')
  if entry and not entry.left and now - seen <= 3000 and not machines[machine] then
    machines[machine] = true
    count = count + 1
    local held = whole(redis.call('HGET', KEYS[4], machine)) or 0
    if generation > 0 and held >= generation then inForce = inForce + 1 end
  end
end

local piece = ''
if digest ~= '' and digest == ARGV[4] then
  local from = tonumber(ARGV[5])
  piece = redis.call('GETRANGE', KEYS[3], from, from + tonumber(ARGV[6]) - 1)
end
return { generation, size, digest, count, inForce, piece }
