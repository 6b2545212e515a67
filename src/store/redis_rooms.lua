-- In front of the scripts that apply operations: what each of them does.  They set these two first.
local room_expiry, may_create

-- How many keys and arguments each kind of operation has.
-- J and L are j and l with an entry for a queue; Q is q for a queue that may be full; P is p with a user; i is r with ids.
-- u, which is in orders only, has two of each besides for each session that it goes to.
local KEYS_OF = {d = 2, r = 4, i = 4, j = 4, l = 4, s = 0, p = 0, P = 1, x = 0, c = 0, q = 1, Q = 1, t = 2, u = 0, J = 5, L = 5}
local ARGS_OF = {d = 4, r = 5, i = 7, j = 6, l = 4, s = 3, p = 2, P = 4, x = 1, c = 3, q = 4, Q = 4, t = 6, u = 4, J = 9,
	L = 7}

-- Rooms in which somebody's data may have to be told: name -> its first key and its channel.
local room_keys = {}

-- The keys of users whose sessions may have to be known: name -> its key.
local user_keys = {}

-- A session as it is in Redis, with the rooms that it is in; away, data and user as they are in its hash.
local function make_session(key, id, channel, away, rooms_text, data, user)
	local session = {key = key, id = id, channel = channel, flag = away and 'w' or '-', data = data or '', user = user, joined = {}, order = {}}
	for since, name, title in string.gmatch(rooms_text or '', '(%S+) (%S+) ([^\n]*)\n') do
		session.joined[name] = {since = since, title = title}
		session.order[#session.order + 1] = name
	end
	return session
end

-- Who watches the session is told that it is changed, once, and before what is appended from here on.
local function tell_changed(session)
	if not session.told then
		redis.call('PUBLISH', session.channel, session.id .. ' !')
		session.told = true
	end
end

-- Write which rooms it is in now.
local function save_rooms(session)
	local lines = {}
	for i, name in ipairs(session.order) do
		lines[i] = session.joined[name].since .. ' ' .. name .. ' ' .. session.joined[name].title .. '\n'
	end
	if #lines > 0 then
		redis.call('HSET', session.key, 'g', table.concat(lines))
	else
		redis.call('HDEL', session.key, 'g')
	end
end

local function append_room(head, log, last, fresh, channel, name, payload)
	return append(head, log, last, fresh, ROOM_MAX, ROOM_TTL, channel, name, payload)
end

local function make_room(head, log, members, title)
	local last = new_id()
	redis.call('HSET', head, 'l', last, 't', title)
	redis.call('UNLINK', log, members)
	return last
end

local function keep_room(head, members, catalogue, name)
	redis.call('PEXPIRE', head, ROOM_TTL)
	redis.call('PEXPIRE', members, ROOM_TTL)
	redis.call('ZADD', catalogue, room_expiry, name)
end

local function send_room(k, channel, name, title, payload)
	local head, log, members = KEYS[k], KEYS[k + 1], KEYS[k + 2]
	local fields = redis.call('HMGET', head, 'l', 's')
	local last, said = fields[1], fields[2]
	local made = not last
	if made then
		if not may_create then
			return 'R'
		end
		last = make_room(head, log, members, title)
	end
	if not said then
		redis.call('HSET', head, 's', '1')
	end
	local entry = append_room(head, log, last, made, channel, name, payload)
	-- Not at each message, as in append.
	if made or string.sub(entry, 1, DIGITS) ~= string.sub(last, 1, DIGITS) then
		keep_room(head, members, KEYS[k + 3], name)
	end
	return entry
end

-- Payload with the ids of the last n of some results behind `at` bytes.
local function with_ids(payload, at, results, n)
	local ids = {}
	for i = #results - n + 1, #results do
		ids[#ids + 1] = (string.match(results[i], '^%d+%-%d+$') or '0-0') .. ','
	end
	return string.sub(payload, 1, at) .. table.concat(ids) .. string.sub(payload, at + 1)
end

-- Members that are away do not count: whoever lost its session by a crash may come in anew.
local function is_full(members, max)
	if redis.call('HLEN', members) < max then
		return false
	end
	local present = 0
	for _, member in ipairs(redis.call('HVALS', members)) do
		if string.sub(member, 1, 1) == '-' then
			present = present + 1
		end
	end
	return present >= max
end

local function join(session, k, channel, name, title, payload, max)
	local head, log, members = KEYS[k], KEYS[k + 1], KEYS[k + 2]
	local room, last = session.joined[name], redis.call('HGET', head, 'l')
	local member = last and redis.call('HEXISTS', members, session.id) == 1
	room_keys[name] = {k, channel}
	if room and member then
		return 'e' .. room.since
	end
	if not room and #session.order >= ROOMS_PER_SESSION then
		return 'J'
	end
	if not member and max > 0 and last and is_full(members, max) then
		return 'f'
	end
	if not last then
		if not may_create then
			return 'R'
		end
		last = make_room(head, log, members, title)
	end
	redis.call('HSET', members, session.id, session.flag .. session.data)
	local since = last
	if payload ~= '' then
		since = append_room(head, log, last, true, channel, name, payload .. session.data)
	end
	keep_room(head, members, KEYS[k + 3], name)
	session.changed = true
	tell_changed(session)
	if room then -- The store had lost it.  Reading goes on from where it was, and so finds the gap.
		return 'e' .. room.since
	end
	session.order[#session.order + 1] = name
	session.joined[name] = {since = since, title = title}
	return since
end

local function leave(session, k, channel, name, payload)
	if not session.joined[name] then
		return 'n'
	end
	leave_room(KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], channel, name, session.id, payload .. session.data)
	session.joined[name] = nil
	for i = 1, #session.order do
		if session.order[i] == name then
			table.remove(session.order, i)
			break
		end
	end
	session.changed = true
	tell_changed(session)
	return 'd'
end

local function set(session, payload, data)
	session.data = data
	if data == '' then
		redis.call('HDEL', session.key, 'u')
	else
		redis.call('HSET', session.key, 'u', data)
	end
	for _, name in ipairs(session.order) do
		local k, channel = room_keys[name][1], room_keys[name][2]
		local head, log, members = KEYS[k], KEYS[k + 1], KEYS[k + 2]
		local last = redis.call('HGET', head, 'l')
		if last then
			redis.call('HSET', members, session.id, session.flag .. data)
			append_room(head, log, last, false, channel, name, payload .. data)
		end
	end
	return 'd'
end

-- The session is no longer one of its user's.
local function leave_user(session)
	if session.user then
		redis.call('ZREM', user_keys[session.user], session.id)
		session.user = false
	end
end

-- It is one of this user's from now on.  -> whether it may
local function enter_user(session, key, user, now)
	redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
	if not redis.call('ZSCORE', key, session.id) and redis.call('ZCARD', key) >= USER_SESSIONS_MAX then
		return false
	end
	user_keys[user] = key
	if session.user ~= user then
		leave_user(session)
		session.user = user
		redis.call('HSET', session.key, 'o', user)
	end
	redis.call('ZADD', key, string.format('%.0f', now + SESSION_TTL), session.id)
	redis.call('PEXPIRE', key, SESSION_TTL)
	return true
end

-- key, user and now: if it is a user's.
local function grant(session, grants, key, user, now)
	if user and not enter_user(session, key, user, tonumber(now)) then
		return 'U'
	elseif not user and session.user then
		leave_user(session)
		redis.call('HDEL', session.key, 'o')
	end
	if grants == '' then
		redis.call('HDEL', session.key, 'p')
	else
		redis.call('HSET', session.key, 'p', grants)
	end
	tell_changed(session)
	return 'd'
end

local function queue(k, channel, name, payload)
	if redis.call('XLEN', KEYS[k]) >= QUEUE_MAX then
		return 'Q'
	end
	return append_queue(KEYS[k], channel, name, payload)
end

-- With events: the room's keys are in front of the queue's, and so are the arguments.
local function join_queued(session, k, a)
	local name, full = ARGV[a + 2], redis.call('XLEN', KEYS[k + 4]) >= QUEUE_MAX
	local known = session.joined[name]
	if full and not known then
		return 'Q'
	end
	local result = join(session, k, ARGV[a + 1], name, ARGV[a + 3], ARGV[a + 4], tonumber(ARGV[a + 5]))
	if session.joined[name] and not known then
		append_queue(KEYS[k + 4], ARGV[a + 6], ARGV[a + 7], ARGV[a + 8])
	end
	return result
end

local function leave_queued(session, k, a)
	local result = leave(session, k, ARGV[a + 1], ARGV[a + 2], ARGV[a + 3])
	if result == 'd' then
		append_queue(KEYS[k + 4], ARGV[a + 4], ARGV[a + 5], ARGV[a + 6])
	end
	return result
end

-- Tell what became of the operation before, the result of which is given.
local function tell(k, a, before)
	local id, payload = string.match(before, '^e?(%d+%-%d+)$'), ARGV[a + 3]
	if not id and not string.match(before, '^[db#]') then
		payload = ARGV[a + 5]
	elseif payload ~= '' then
		payload = payload .. (id or '') .. ARGV[a + 4]
	end
	if payload == '' then
		return 'd'
	end
	return append_mailbox(KEYS[k], KEYS[k + 1], ARGV[a + 1], ARGV[a + 2], payload) or 't'
end

-- Apply the operation whose arguments begin at a and whose keys at k; session: whose it is, if it is anybody's; results: those of
-- the operations before.  -> its result
local function apply_op(session, k, a, results)
	local kind, b, c, d, e = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
	if kind == 'd' then
		return append_mailbox(KEYS[k], KEYS[k + 1], b, c, d) or 't'
	elseif kind == 'r' then
		return send_room(k, b, c, d, e)
	elseif kind == 'i' then
		return send_room(k, b, c, d, with_ids(e, tonumber(ARGV[a + 6]), results, tonumber(ARGV[a + 5])))
	elseif kind == 'j' then
		return join(session, k, b, c, d, e, tonumber(ARGV[a + 5]))
	elseif kind == 'l' then
		return leave(session, k, b, c, d)
	elseif kind == 'q' then
		return queue(k, b, c, d)
	elseif kind == 'Q' then
		return append_queue(KEYS[k], b, c, d)
	elseif kind == 'J' then
		return join_queued(session, k, a)
	elseif kind == 'L' then
		return leave_queued(session, k, a)
	elseif kind == 't' then
		return tell(k, a, results[#results])
	elseif kind == 'p' then
		return grant(session, b)
	elseif kind == 'P' then
		return grant(session, b, KEYS[k], c, d)
	elseif kind == 'x' then
		return 'x'
	end
	return set(session, b, c)
end
