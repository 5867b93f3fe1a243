-- What is asked: a gateway has heard that there is a question.
--
-- KEYS: {P}:epoch, {P}:ask:ID
-- Returns: the question; nothing once nobody waits for an answer
return redis.call('GET', KEYS[2])
