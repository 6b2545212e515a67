-- Claim sessions that are due, forget rooms past their time, count both: in one part of the store.
-- KEYS catalogue deadlines ...   ARGV now claim limit   -> {sessions, rooms, id of a due session ...}
--
-- A claim is a deadline below zero: the moment until which it holds, less CLAIM.  So any touch is above it (ZADD GT), and
-- redis_presence.lua knows one from the other.  Who claimed and died is replaced after that moment.
local now, claim, limit = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local reply = {0, 0}
for i = 2, #KEYS do
	local due = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
	for j = 1, #due, 2 do
		local deadline = tonumber(due[j + 1])
		if deadline >= 0 or deadline + CLAIM <= now then
			redis.call('ZADD', KEYS[i], claim, due[j])
			reply[#reply + 1] = due[j]
		end
	end
	reply[1] = reply[1] + redis.call('ZCARD', KEYS[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
reply[2] = redis.call('ZCARD', KEYS[1])
return reply
