-- A piece of a gateway's answer. What waits to be collected is bounded, and nothing is kept for who does not wait any more.
--
-- KEYS: {P}:epoch, {P}:ask:ID, {P}:answer:ID
-- ARGV: the piece, how long it is kept (ms), how many pieces may wait, channel, id of the question
-- Returns: `ok`, `full` (to be tried again) or `over`
if redis.call('EXISTS', KEYS[2]) == 0 then return 'over' end
clear(KEYS[3], 'list')
if redis.call('LLEN', KEYS[3]) >= tonumber(ARGV[3]) then return 'full' end
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
redis.call('PUBLISH', ARGV[4], 'answered ' .. ARGV[5])
return 'ok'
