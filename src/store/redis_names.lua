-- The members of sorted sets that are walked one behind the other: about max of them, from a place on.
-- KEYS set ...   ARGV cursor (in the first of them) max   -> {sets that are done, cursor in the next, member ...}
local max, done, cursor, reply = tonumber(ARGV[2]), 0, ARGV[1], {0, '0'}
repeat
	local page = redis.call('ZSCAN', KEYS[done + 1], cursor, 'COUNT', max)
	cursor = page[1]
	for i = 1, #page[2], 2 do
		reply[#reply + 1] = page[2][i]
	end
	if cursor == '0' then
		done = done + 1
	end
until done == #KEYS or #reply - 2 >= max
reply[1], reply[2] = done, cursor
return reply
