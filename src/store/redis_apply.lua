-- Apply a session's operations, all or none.
--
-- KEYS session, then for each operation: d, t: recipient mailbox; r, i: head log members catalogue; j: the same;
--      l: the same; q: queue; J, L: as j and l, and a queue; P: its user; s, p, x: none;
--      then, if there is an s, p or P: the user it was assumed to have, if any, and for each room it may have to tell: the same
-- ARGV before last count id channel expiry may_create expected number state
--      (before, last: numbers as text, both empty if not numbered; expected, number, state: empty if it is not a swap)
--      then for each operation: d channel name payload; r channel name title payload; i as r, and then ids ids_at;
--      j channel name title payload max;
--      l channel name payload; q and Q channel name payload; J and L as j and l, and then as q;
--      t channel name payload data refused; s payload data; p grants; P grants user now; x;
--      then, if there is an s, p or P: the rooms and the user (or empty) that were assumed, and for each room: channel name
-- -> nil (no such session) | next number (a hole: nothing applied) | status RETRY (others than assumed: nothing applied)
--    | {state} (another one than expected: nothing applied) | results
--    | {results, away, repeated, next number if all was repeated}
-- Results are words: an id (e in front: was a member before), d done, b done before, t no target, f room full, n not joined,
-- R too many rooms, J too many joined, Q queue full, U the user has too many sessions,
-- x refused by somebody else, # and a number: sent to so many.  Those of the last call are kept for its repeat: with a number in the field r, of a swap
-- in the field s, which is: the state's number, the results of the swap that made it, its text, with line ends between them.
local session_key, own_channel, count = KEYS[1], ARGV[5], tonumber(ARGV[3])
room_expiry, may_create = ARGV[6], ARGV[7] == '1'

local fields = redis.call('HMGET', session_key, 'l', 'q', 'r', 'w', 'g', 'u', 'o')
if not fields[1] then
	return false
end
local away, rooms_text = fields[4], fields[5] or ''

-- Is the state what was expected?
local expected, number = ARGV[8], ARGV[9]
if number ~= '' then
	local state = redis.call('HGET', session_key, 's') or '0\n\n'
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

-- The rooms it is in, and the keys of those that may have to be told; the same of its user.
local session = make_session(session_key, ARGV[4], own_channel, away, rooms_text, fields[6], fields[7])
do
	local k, a, tells = 2, 11, false
	for _ = 1, count do
		local kind = ARGV[a]
		tells = tells or kind == 's' or kind == 'p' or kind == 'P'
		k, a = k + KEYS_OF[kind], a + ARGS_OF[kind]
	end
	if tells then
		if ARGV[a] ~= rooms_text or ARGV[a + 1] ~= (session.user or '') then
			return redis.status_reply('RETRY')
		end
		if session.user then
			user_keys[session.user] = KEYS[k]
			k = k + 1
		end
		for b = a + 2, #ARGV, 2 do
			room_keys[ARGV[b + 1]] = {k, ARGV[b]}
			k = k + 4
		end
	end
end

local k, a = 2, 11
for i = 1, count do
	local kind = ARGV[a]
	if i > skip then
		results[i] = apply_op(session, k, a, results)
	end
	k, a = k + KEYS_OF[kind], a + ARGS_OF[kind]
end

if session.changed then
	save_rooms(session)
end
if number ~= '' then
	tell_changed(session)
end
local words = table.concat(results, ' ')
if number ~= '' then
	redis.call('HSET', session_key, 's', number .. '\n' .. words .. '\n' .. ARGV[10])
end
if ARGV[1] ~= '' and count > 0 then
	redis.call('HSET', session_key, 'q', ARGV[2], 'r', words)
end
if away or skip > 0 then
	return {words, away and 1 or 0, skip, 0}
end
return words
