-- One direct message: what redis_apply.lua does for one operation 'd', in less time.  Most calls are this one.
-- KEYS sender recipient mailbox   ARGV before number channel name payload
-- (the operation's number and the one before it, as text: equal strings are compared in no time; both empty: not numbered)
-- -> id | 't' (no recipient), or as redis_apply.lua
local sender = redis.call('HMGET', KEYS[1], 'l', 'q', 'w', 'r')
if not sender[1] then
	return false
end
local before, number = ARGV[1], ARGV[2]
local done = sender[2] or '0'
if before ~= done and before ~= '' then
	if tonumber(before) > tonumber(done) then
		return done + 1
	end
	-- The last request's results end with that of the operation `done`.
	local kept = {}
	for word in string.gmatch(sender[4] or '', '%S+') do
		kept[#kept + 1] = word
	end
	local old = kept[#kept - done + number] or 'b'
	return {old, sender[3] and 1 or 0, 1, done + 1}
end
local result = append_mailbox(KEYS[2], KEYS[3], ARGV[3], ARGV[4], ARGV[5]) or 't'
if number ~= '' then
	redis.call('HSET', KEYS[1], 'q', number, 'r', result)
end
if sender[3] then
	return {result, 1, 0, 0}
end
return result
