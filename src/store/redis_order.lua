-- Apply operations that no session asked for, all or none; those of an order with a key once.
--
-- KEYS if it has a key: order, orders; and if it finishes an entry: its queue; then for each session whose operations they are:
--      session mailbox deadlines queue, the user it was assumed to have, if any, and for each
--      of the rooms it was assumed to be in: head log members catalogue; then for each operation: as redis_apply.lua; c: none;
--      u: for each session of the user: session mailbox
-- ARGV key (empty: none) request now ttl max count sessions expiry may_create entry (empty: it finishes none),
--      then for each session: id channel queue_channel queue_name rooms user (that were assumed; - and nothing more if it does
--      not matter), and for each of the rooms: channel name
--      then for each operation: which session's it is (0: nobody's), and as redis_apply.lua; c payload event;
--      u user payload count, and for each session: channel name
-- -> results | {results} (a repeat) | status RETRY (others than assumed: nothing applied) | status OTHER (the key is that of
--    another request: nothing applied) | status FULL (too many keys: nothing applied) | status GONE (no such entry: nothing applied)
local key, request, now, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
room_expiry, may_create = ARGV[8], ARGV[9] == '1'
local k, a = 1, 11
local finished = ARGV[10]

if key ~= '' then
	local known = redis.call('GET', KEYS[1])
	if known then
		local known_request, words = string.match(known, '^([^\n]*)\n(.*)$')
		if known_request ~= request then
			return redis.status_reply('OTHER')
		end
		return {words}
	end
	if redis.call('ZCOUNT', KEYS[2], '(' .. now, '+inf') >= tonumber(ARGV[5]) then
		return redis.status_reply('FULL')
	end
	k = 3
end
local queue = KEYS[k]
if finished ~= '' then
	if #redis.call('XRANGE', queue, finished, finished) == 0 then
		return redis.status_reply('GONE')
	end
	k = k + 1
end

local sessions, own = {}, {}
for i = 1, tonumber(ARGV[7]) do
	local id, channel, rooms = ARGV[a], ARGV[a + 1], ARGV[a + 4]
	local fields = redis.call('HMGET', KEYS[k], 'l', 'w', 'g', 'u', 'e', 'o', 's')
	if rooms ~= '-' and (rooms ~= (fields[3] or '') or ARGV[a + 5] ~= (fields[6] or '')) then
		return redis.status_reply('RETRY')
	end
	own[i] = {channel = channel, mailbox = KEYS[k + 1], deadlines = KEYS[k + 2], ending = fields[5], has_state = fields[7],
		queue = {KEYS[k + 3], ARGV[a + 2], ARGV[a + 3]}}
	sessions[i] = fields[1] and make_session(KEYS[k], id, channel, fields[2], fields[3], fields[4], fields[6])
	k, a = k + 4, a + 5
	if rooms ~= '-' then
		a = a + 1
		if fields[6] then
			user_keys[fields[6]] = KEYS[k]
			k = k + 1
		end
	end
	for _ in string.gmatch(rooms, '\n') do
		room_keys[ARGV[a + 1]] = {k, ARGV[a]}
		k, a = k + 4, a + 2
	end
end

-- As redis_presence.lua does it.
local function close(session, mine, payload, event)
	if mine.has_state and event ~= '' and session.flag ~= 'w' then
		redis.call('HSET', session.key, 'f', '1')
		append_mailbox(session.key, mine.mailbox, mine.channel, session.id, event)
		return 'd', true
	end
	redis.call('UNLINK', session.key, mine.mailbox)
	redis.call('ZREM', mine.deadlines, session.id)
	leave_user(session)
	redis.call('PUBLISH', mine.channel, session.id .. ' -')
	while #session.order > 0 do
		local name = session.order[1]
		leave(session, room_keys[name][1], room_keys[name][2], name, payload)
	end
	if mine.ending then
		append_queue(mine.queue[1], mine.queue[2], mine.queue[3], mine.ending .. session.data)
	end
	return 'd'
end

-- A session that is another one's by now, or nobody's, gets nothing.
local function send_user(k, a)
	local user, payload, sent = ARGV[a + 1], ARGV[a + 2], 0
	for i = 0, ARGV[a + 3] - 1 do
		local session, mailbox = KEYS[k + 2 * i], KEYS[k + 2 * i + 1]
		if redis.call('HGET', session, 'o') == user then
			append_mailbox(session, mailbox, ARGV[a + 4 + 2 * i], ARGV[a + 5 + 2 * i], payload)
			sent = sent + 1
		end
	end
	return string.format('#%d', sent)
end

if finished ~= '' then
	redis.call('XDEL', queue, finished)
end
local results = {}
for i = 1, tonumber(ARGV[6]) do
	local whose, kind = tonumber(ARGV[a]), ARGV[a + 1]
	if whose > 0 and not sessions[whose] then
		results[i] = 't'
	elseif kind == 'c' then
		local is_kept
		results[i], is_kept = close(sessions[whose], own[whose], ARGV[a + 2], ARGV[a + 3])
		sessions[whose] = is_kept and sessions[whose]
	elseif kind == 'u' then
		results[i] = send_user(k, a + 1)
	else
		results[i] = apply_op(sessions[whose], k, a + 1, results)
	end
	local more = kind == 'u' and 2 * ARGV[a + 4] or 0
	k, a = k + KEYS_OF[kind] + more, a + 1 + ARGS_OF[kind] + more
end

for i, session in ipairs(sessions) do
	if session and session.changed then
		save_rooms(session)
	end
end
local words = table.concat(results, ' ')
if key ~= '' then
	redis.call('SET', KEYS[1], request .. '\n' .. words, 'PX', ttl)
	redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
	redis.call('ZADD', KEYS[2], string.format('%.0f', now + ttl), key)
	redis.call('PEXPIRE', KEYS[2], ttl)
end
return words
