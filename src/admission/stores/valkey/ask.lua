-- Asks all gateways a question, or once more for those that have not heard of it.
--
-- KEYS: {P}:epoch, {P}:ask:ID
-- ARGV: the question, how long it stands (ms), channel, its id
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], 'ask ' .. ARGV[4])
return 1
