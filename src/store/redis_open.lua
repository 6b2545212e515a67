-- Make a session, unless it is there.
-- KEYS session mailbox deadlines   ARGV id deadline may_create data end (empty: its queue is not told)   -> nil (refused) | {position, created}
local fields = redis.call('HMGET', KEYS[1], 'l', 'a')
if fields[1] then
	return {fields[2] or fields[1], 0}
end
if ARGV[3] == '0' then
	return false
end
local base = new_id()
-- First what needs memory: without it nothing happens at all.
if ARGV[4] == '' then
	redis.call('HSET', KEYS[1], 'l', base)
else
	redis.call('HSET', KEYS[1], 'l', base, 'u', ARGV[4])
end
if ARGV[5] ~= '' then
	redis.call('HSET', KEYS[1], 'e', ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], SESSION_TTL)
redis.call('UNLINK', KEYS[2])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
return {base, 1}
