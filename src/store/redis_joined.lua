-- The rooms that sessions are in.
-- KEYS session ...   -> for each its field g, empty for none
local reply = {}
for i = 1, #KEYS do
	reply[i] = redis.call('HGET', KEYS[i], 'g') or ''
end
return reply
