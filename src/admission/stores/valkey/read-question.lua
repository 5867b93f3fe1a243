-- What is asked: a gateway has heard that there is a question.
--
-- KEYS: {P}:epoch, {P}:ask:ID
-- Returns: the question; nothing once nobody waits for an answer
-- No gateway asks longer ones.
clear(KEYS[2], 'string')
if redis.call('STRLEN', KEYS[2]) > 65536 then return false end
return redis.call('GET', KEYS[2])
