-- In front of every script that appends.  The store's settings (MAILBOX_MAX ...) are local variables in front of this.

-- Is id a after id b?  Both are "ms-seq" in decimal; strings, since a double does not hold a sequence number.
local function is_after(a, b)
	if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then
		return a > b
	end
	local a_ms, a_seq = string.match(a, '(%d+)-(%d+)')
	local b_ms, b_seq = string.match(b, '(%d+)-(%d+)')
	if a_ms == b_ms then
		a_ms, b_ms = a_seq, b_seq
	end
	return #a_ms > #b_ms or (#a_ms == #b_ms and a_ms > b_ms)
end

local function id_behind(id)
	local ms, seq = string.match(id, '(%d+)-(%d+)')
	return ms .. '-' .. string.format('%.0f', seq + 1)
end

-- A new id, greater than those of all calls before, whichever their streams, unless Redis' clock was set back: down to the
-- microsecond, no two calls begin in the same, and counted within the call.
local made, now = 0, nil
local function new_id()
	now = now or redis.call('TIME')
	made = made + 1
	return string.format('%.0f-%.0f', now[1] * 1000 + math.floor(now[2] / 1000), now[2] % 1000 * 1000 + made)
end

-- Append payload to the stream at key `stream`, whose last id, known to the hash at key `head`, is `last`; ring the doorbell.
-- fresh: the stream may not be there yet.  Its time to live is renewed then, and when the first digits of the time have changed:
-- at least four times in its life, for which ttl has a margin, and not at each message.
local function append(head, stream, last, fresh, max, ttl, channel, name, payload)
	local id = new_id()
	if not is_after(id, last) then
		id = id_behind(last)
	end
	redis.call('XADD', stream, 'MAXLEN', '~', max, id, 'p', last, 'd', payload)
	redis.call('HSET', head, 'l', id)
	if fresh or string.sub(id, 1, DIGITS) ~= string.sub(last, 1, DIGITS) then
		redis.call('PEXPIRE', stream, ttl)
	end
	if #payload > INLINE_MAX then
		redis.call('PUBLISH', channel, name .. ' ' .. last .. ' ' .. id)
	else
		redis.call('PUBLISH', channel, name .. ' ' .. last .. ' ' .. id .. ' ' .. payload)
	end
	return id
end

-- The same to the mailbox of a session; nil if there is no such session.  One that was read to its end may have been removed.
local function append_mailbox(session, mailbox, channel, name, payload)
	local fields = redis.call('HMGET', session, 'l', 'a')
	local last, acked = fields[1], fields[2]
	if not last then
		return nil
	end
	local id = append(session, mailbox, last, not acked, MAILBOX_MAX, MAILBOX_TTL, channel, name, payload)
	if not acked then
		redis.call('HSET', session, 'a', last)
	end
	return id
end

-- An entry of a queue: no chain, no end but that somebody finishes it.
local function append_queue(queue, channel, name, payload)
	local id = redis.call('XADD', queue, '*', 'd', payload)
	redis.call('PUBLISH', channel, name .. ' +')
	return id
end

-- Member id leaves a room: payload is appended, or, if nobody is in it now and nothing was ever said there, it is forgotten.
local function leave_room(head, log, members, catalogue, channel, name, id, payload)
	local fields = redis.call('HMGET', head, 'l', 's')
	local last, said = fields[1], fields[2]
	if not last then
		return
	end
	redis.call('HDEL', members, id)
	if not said and redis.call('HLEN', members) == 0 then
		redis.call('UNLINK', head, log, members)
		redis.call('ZREM', catalogue, name)
		return
	end
	append(head, log, last, false, ROOM_MAX, ROOM_TTL, channel, name, payload)
end
