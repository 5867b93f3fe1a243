-- Takes a list of clients' keys in pieces, so that no piece holds up other commands, and puts the whole in the place of an older
-- one. Whether it is signed is for its readers to find out.
--
-- KEYS: {P}:epoch, {P}:keys, {P}:keys:list, {P}:keys:new:ID
-- ARGV: schema, generation, digest, size in bytes, offset, piece, digest of a list that it may replace at any generation, channel
-- Returns: 'more', 'stored', 'restart' (the pieces before are gone) or 'newer'; the generation that is here; its digest
local maxBytes = 16777216
local keep = 400 * day
local refusal = refuseLater(redis.call('HGET', epoch, 'schema'), tonumber(ARGV[1]))
if refusal then return refusal end
local generation, digest, size, offset = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if size > maxBytes then
  return redis.error_reply('TOOLARGE the list has ' .. ARGV[4] .. ' bytes; at most ' .. maxBytes .. ' are stored')
end

clear(KEYS[4], 'string')

local here, _, found = listOf(KEYS[2], KEYS[3])
if here > 0 and found == digest then return { 'stored', here, digest } end
if here >= generation and found ~= ARGV[7] then return { 'newer', here, found } end

if offset == 0 then
  redis.call('SET', KEYS[4], ARGV[6], 'PX', 60000)
elseif redis.call('STRLEN', KEYS[4]) ~= offset then
  return { 'restart', here, '' }
else
  redis.call('APPEND', KEYS[4], ARGV[6])
end
local length = offset + #ARGV[6]
if length < size then return { 'more', here, '' } end
if length > size then
  redis.call('DEL', KEYS[4])
  return redis.error_reply('TOOLARGE more pieces than were announced')
end
redis.call('RENAME', KEYS[4], KEYS[3])
redis.call('PEXPIRE', KEYS[3], keep)
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'generation', ARGV[2], 'size', ARGV[4], 'digest', digest)
redis.call('PEXPIRE', KEYS[2], keep)
redis.call('PUBLISH', ARGV[8], 'keys ' .. ARGV[2])
return { 'stored', generation, digest }
