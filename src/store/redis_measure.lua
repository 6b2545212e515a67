-- What is known of a session, and how many entries more its mailbox takes before one is forgotten that is neither acknowledged nor
-- was handed to its client (field h).
-- KEYS session mailbox   ARGV enough   -> {l, w, u, a, s, g, p, space (at most enough), 1 if one was forgotten already}
local session = redis.call('HMGET', KEYS[1], 'l', 'w', 'u', 'a', 's', 'g', 'p', 'h')
local last, had, handed = session[1], session[4], session[8]
if had and handed and is_after(handed, had) then
	had = handed
end
local max, enough = tonumber(MAILBOX_MAX), tonumber(ARGV[1])
local space, has_lost = math.min(max, enough), 0
if last and had and had ~= last then
	local kept = redis.call('XLEN', KEYS[2])
	local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
	if not first or is_after(first[2][2], had) then
		has_lost = 1
	end
	-- Those that its client has are forgotten first.  There are no more of them than it takes to know whether there is enough.
	local wanted = kept - max + enough
	if wanted > 0 then
		space = math.max(max - kept + #redis.call('XRANGE', KEYS[2], '-', had, 'COUNT', wanted), 0)
	end
end
session[8], session[9] = space, has_lost
return session
