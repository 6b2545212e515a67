-- Apply a session's operations, all or none.
--
-- KEYS session, then for each operation: d: recipient mailbox; r: head log members catalogue; j: the same;
--      l: the same; s: none; then, if there is an s, for each room it may have to tell: the same
-- ARGV before last count id channel expiry may_create expected number state
--      (before, last: numbers as text, both empty if not numbered; expected, number, state: empty if it is not a swap)
--      then for each operation: d channel name payload; r channel name title payload; j channel name title payload max;
--      l channel name payload; s payload data; then, if there is an s: the rooms that were assumed, and for each: channel name
-- -> nil (no such session) | next number (a hole: nothing applied) | status RETRY (other rooms than assumed: nothing applied)
--    | {state} (another one than expected: nothing applied) | results
--    | {results, away, repeated, next number if all was repeated}
-- Results are words: an id (e in front: was a member before), d done, b done before, t no target, f room full, n not joined,
-- R too many rooms, J too many joined.  Those of the last call are kept for its repeat: with a number in the field r, of a swap
-- in the field s, which is: the state's number, the results of the swap that made it, its text, with line ends between them.
local session, id, own_channel, count = KEYS[1], ARGV[4], ARGV[5], tonumber(ARGV[3])
local expiry, may_create = ARGV[6], ARGV[7] == '1'
local KEYS_OF = {d = 2, r = 4, j = 4, l = 4, s = 0}
local ARGS_OF = {d = 4, r = 5, j = 6, l = 4, s = 3}

local fields = redis.call('HMGET', session, 'l', 'q', 'r', 'w', 'g', 'u')
if not fields[1] then
	return false
end
local away, rooms_text, data = fields[4], fields[5] or '', fields[6] or ''
local flag = away and 'w' or '-'

-- Is the state what was expected?
local expected, number = ARGV[8], ARGV[9]
if number ~= '' then
	local state = redis.call('HGET', session, 's') or '0\n\n'
	local is, words = string.match(state, '^(%d+)\n([^\n]*)\n')
	if is == number then
		return {words, away and 1 or 0, count, 0}
	elseif is ~= expected then
		return {state}
	end
end

-- What was applied before?
local before, done, skip, results = ARGV[1], fields[2] or '0', 0, {}
if before ~= '' and before ~= done then
	before, done = tonumber(before), tonumber(done)
	if before > done then
		return done + 1
	end
	skip = math.min(done - before, count)
	local kept = {}
	for word in string.gmatch(fields[3] or '', '%S+') do
		kept[#kept + 1] = word
	end
	for i = 1, skip do
		results[i] = kept[#kept - done + before + i] or 'b'
	end
	if skip == count then
		return {table.concat(results, ' '), away and 1 or 0, skip, done + 1}
	end
end

-- The rooms it is in, and the keys of those that we were given.
local joined, order, changed, keys = {}, {}, false, {}
for since, name, title in string.gmatch(rooms_text, '(%S+) (%S+) ([^\n]*)\n') do
	joined[name] = {since = since, title = title}
	order[#order + 1] = name
end
do
	local k, a, set = 2, 11, false
	for _ = 1, count do
		local kind = ARGV[a]
		if kind == 'j' then
			keys[ARGV[a + 2]] = {k, ARGV[a + 1]}
		end
		set = set or kind == 's'
		k, a = k + KEYS_OF[kind], a + ARGS_OF[kind]
	end
	if set then
		if ARGV[a] ~= rooms_text then
			return redis.status_reply('RETRY')
		end
		for b = a + 1, #ARGV, 2 do
			keys[ARGV[b + 1]] = {k, ARGV[b]}
			k = k + 4
		end
	end
end

local function append_room(head, log, last, fresh, channel, name, payload)
	return append(head, log, last, fresh, ROOM_MAX, ROOM_TTL, channel, name, payload)
end

-- The greatest last id of the rooms that were forgotten in this call, in which Redis' clock may stand still.
local forgotten

local function make_room(head, log, members, title)
	local last = base_id()
	if forgotten and not is_after(last, forgotten) then
		last = id_behind(forgotten)
	end
	redis.call('HSET', head, 'l', last, 't', title)
	redis.call('UNLINK', log, members)
	return last
end

local function keep_room(head, members, catalogue, name)
	redis.call('PEXPIRE', head, ROOM_TTL)
	redis.call('PEXPIRE', members, ROOM_TTL)
	redis.call('ZADD', catalogue, expiry, name)
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

local function join(k, channel, name, title, payload, max)
	local head, log, members = KEYS[k], KEYS[k + 1], KEYS[k + 2]
	local room, last = joined[name], redis.call('HGET', head, 'l')
	local member = last and redis.call('HEXISTS', members, id) == 1
	if room and member then
		return 'e' .. room.since
	end
	if not room and #order >= ROOMS_PER_SESSION then
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
	redis.call('HSET', members, id, flag .. data)
	local since = append_room(head, log, last, true, channel, name, payload .. data)
	keep_room(head, members, KEYS[k + 3], name)
	changed = true
	if room then -- The store had lost it.  Reading goes on from where it was, and so finds the gap.
		return 'e' .. room.since
	end
	order[#order + 1] = name
	joined[name] = {since = since, title = title}
	return since
end

local function leave(k, channel, name, payload)
	if not joined[name] then
		return 'n'
	end
	local last = leave_room(KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], channel, name, id, payload .. data)
	if last and (not forgotten or is_after(last, forgotten)) then
		forgotten = last
	end
	joined[name] = nil
	for i = 1, #order do
		if order[i] == name then
			table.remove(order, i)
			break
		end
	end
	changed = true
	return 'd'
end

local function set(payload, new_data)
	data = new_data
	if data == '' then
		redis.call('HDEL', session, 'u')
	else
		redis.call('HSET', session, 'u', data)
	end
	for _, name in ipairs(order) do
		local k, channel = keys[name][1], keys[name][2]
		local head, log, members = KEYS[k], KEYS[k + 1], KEYS[k + 2]
		local last = redis.call('HGET', head, 'l')
		if last then
			redis.call('HSET', members, id, flag .. data)
			append_room(head, log, last, false, channel, name, payload .. data)
		end
	end
	return 'd'
end

local k, a = 2, 11
for i = 1, count do
	local kind, b, c, d, e = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
	if i > skip then
		if kind == 'd' then
			results[i] = append_mailbox(KEYS[k], KEYS[k + 1], b, c, d) or 't'
		elseif kind == 'r' then
			results[i] = send_room(k, b, c, d, e)
		elseif kind == 'j' then
			results[i] = join(k, b, c, d, e, tonumber(ARGV[a + 5]))
		elseif kind == 'l' then
			results[i] = leave(k, b, c, d)
		else
			results[i] = set(b, c)
		end
	end
	k, a = k + KEYS_OF[kind], a + ARGS_OF[kind]
end

if changed then
	local lines = {}
	for i, name in ipairs(order) do
		lines[i] = joined[name].since .. ' ' .. name .. ' ' .. joined[name].title .. '\n'
	end
	if #lines > 0 then
		redis.call('HSET', session, 'g', table.concat(lines))
	else
		redis.call('HDEL', session, 'g')
	end
end
if changed or number ~= '' then
	redis.call('PUBLISH', own_channel, id .. ' !')
end
local words = table.concat(results, ' ')
if number ~= '' then
	redis.call('HSET', session, 's', number .. '\n' .. words .. '\n' .. ARGV[10])
end
if ARGV[1] ~= '' and count > 0 then
	redis.call('HSET', session, 'q', ARGV[2], 'r', words)
end
if away or skip > 0 then
	return {words, away and 1 or 0, skip, 0}
end
return words
