-- What lists tell of rooms and sessions.
-- KEYS head members ...   ARGV r   -> for each room: {last id, title, how many members}, nothing if it is gone
-- KEYS session ...        ARGV s   -> for each session: {last id, away, data}, the same
-- KEYS session ...        ARGV s user   -> the same, also nothing if it is not the user's
local reply = {}
for i = 1, #KEYS, ARGV[1] == 'r' and 2 or 1 do
	local told
	if ARGV[1] == 'r' then
		told = redis.call('HMGET', KEYS[i], 'l', 't')
		told[3] = redis.call('HLEN', KEYS[i + 1])
	else
		told = redis.call('HMGET', KEYS[i], 'l', 'w', 'u')
	end
	if ARGV[2] and redis.call('HGET', KEYS[i], 'o') ~= ARGV[2] then
		told = {}
	end
	reply[#reply + 1] = told[1] and told or {}
end
return reply
