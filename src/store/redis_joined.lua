-- What sessions have that scripts must know before, and the sessions that users have.
-- KEYS session ... user ...   ARGV count (of the sessions) now
-- -> for each session {its field g, its field o}, for each user {id of a session ...}
local reply = {}
for i = 1, #KEYS do
	if i <= tonumber(ARGV[1]) then
		reply[i] = redis.call('HMGET', KEYS[i], 'g', 'o')
	else
		reply[i] = redis.call('ZRANGEBYSCORE', KEYS[i], '(' .. ARGV[2], '+inf')
	end
end
return reply
