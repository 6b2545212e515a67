-- A session falls silent (lapse), comes back (back) or ends (close): tell each of its rooms, once.
-- KEYS session mailbox deadlines queue, the user it was assumed to have, if any, then for each room: head log members catalogue
-- ARGV lapse|back|close id channel now active_deadline away_deadline away_or_back_payload leave_payload
--      queue_channel queue_name assumed_rooms assumed_user (or empty), then for each room: channel name
-- -> NONE | AWAY | BACK | CLOSED | GONE (there was no such session) | RETRY (others than assumed: nothing done), as a status
local action, id, now = ARGV[1], ARGV[2], tonumber(ARGV[4])
local session, mailbox, deadlines = KEYS[1], KEYS[2], KEYS[3]
local fields = redis.call('HMGET', session, 'l', 'w', 'g', 'u', 'e', 'o', 'f')
local away, data, user, ended = fields[2], fields[4] or '', fields[6], fields[7]

if not fields[1] then
	redis.call('ZREM', deadlines, id)
	return redis.status_reply('GONE')
end
if action == 'lapse' then
	local deadline = tonumber(redis.call('ZSCORE', deadlines, id) or 0)
	-- One below zero is claimed and was not touched since: see redis_sweep.lua.
	if deadline > now then
		return redis.status_reply('NONE')
	end
elseif action == 'back' and not away then
	return redis.status_reply('NONE')
end
if (fields[3] or '') ~= ARGV[11] or (user or '') ~= ARGV[12] then
	return redis.status_reply('RETRY')
end

local result, flag, payload
if action == 'back' then
	result, flag, payload = 'BACK', '-', ARGV[7]
elseif action == 'lapse' and not away and not ended then
	result, flag, payload = 'AWAY', 'w', ARGV[7]
else
	result, payload = 'CLOSED', ARGV[8]
end

if result == 'CLOSED' then
	redis.call('UNLINK', session, mailbox)
	redis.call('ZREM', deadlines, id)
	redis.call('PUBLISH', ARGV[3], id .. ' -')
	if user then
		redis.call('ZREM', KEYS[5], id)
	end
	if fields[5] then
		append_queue(KEYS[4], ARGV[9], ARGV[10], fields[5] .. data)
	end
elseif result == 'AWAY' then
	redis.call('HSET', session, 'w', '1')
	redis.call('ZADD', deadlines, ARGV[6], id)
	redis.call('PEXPIRE', session, SESSION_TTL)
	redis.call('PUBLISH', ARGV[3], id .. ' !')
else
	redis.call('HDEL', session, 'w')
	redis.call('ZADD', deadlines, ARGV[5], id)
	redis.call('PEXPIRE', session, SESSION_TTL)
end
if user and result ~= 'CLOSED' then
	redis.call('ZADD', KEYS[5], string.format('%.0f', now + SESSION_TTL), id)
	redis.call('PEXPIRE', KEYS[5], SESSION_TTL)
end
local k = user and 6 or 5
for a = 13, #ARGV, 2 do
	local head, log, members, channel, name = KEYS[k], KEYS[k + 1], KEYS[k + 2], ARGV[a], ARGV[a + 1]
	local last = flag and redis.call('HGET', head, 'l')
	if last then
		redis.call('HSET', members, id, flag .. data)
		append(head, log, last, false, ROOM_MAX, ROOM_TTL, channel, name, payload .. data)
	elseif not flag then
		leave_room(head, log, members, KEYS[k + 3], channel, name, id, payload .. data)
	end
	k = k + 4
end
return redis.status_reply(result)
