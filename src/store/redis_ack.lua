-- Remember how far mailboxes have been read; with '1', one that was read to its end gives its memory back (4 KB and more).
-- And how far their entries were handed to clients that may acknowledge later.
-- KEYS for each: session mailbox   ARGV for each: position idle handed (0-0: nothing was acknowledged, or handed)
-- The field a is the position.  There is none while all is read and the mailbox is gone: an idle session's hash stays small.
for i = 1, #KEYS, 2 do
	local n = (i - 1) / 2 * 3
	local position, handed = ARGV[n + 1], ARGV[n + 3]
	local fields = redis.call('HMGET', KEYS[i], 'l', 'a')
	local last, acked = fields[1], fields[2]
	if acked and handed ~= '0-0' and not is_after(handed, last) then
		redis.call('HSET', KEYS[i], 'h', handed)
	end
	if acked and not is_after(position, last) and not is_after(acked, position) then
		if ARGV[n + 2] == '1' and position == last then
			redis.call('UNLINK', KEYS[i + 1])
			redis.call('HDEL', KEYS[i], 'a', 'h')
		elseif position ~= acked then
			redis.call('HSET', KEYS[i], 'a', position)
		end
	end
end
return 0
