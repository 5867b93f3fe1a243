-- Takes a piece of an answer.
--
-- KEYS: {P}:epoch, {P}:ask:ID, {P}:answer:ID
-- ARGV: 1 where no more is waited for: the question and what was answered is removed
-- Returns: the piece; nothing where none waits
if ARGV[1] == '1' then
  redis.call('DEL', KEYS[2], KEYS[3])
  return false
end
clear(KEYS[3], 'list')
local piece = redis.call('LPOP', KEYS[3])
-- No gateway sends longer ones.
return piece and #piece <= 131072 and piece or piece and ''
