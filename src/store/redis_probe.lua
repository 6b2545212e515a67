-- Append to a room of this instance's own, which is made if need be and soon forgotten.
-- KEYS head log   ARGV ttl channel name payload   -> id
local last = redis.call('HGET', KEYS[1], 'l') or new_id()
local id = append(KEYS[1], KEYS[2], last, true, 1, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return id
