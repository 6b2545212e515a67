-- Hold what a name stands for, unless another holder has it; that one is told a number then.  The lease is "HOLDER" or "HOLDER NUMBER".
-- KEYS lease   ARGV holder ms (0: give it back) number (-1: nothing is told)
-- -> -2 (not held) | -1 (held, and nothing was told) | the smallest number that others told
local holder, told = string.match(redis.call('GET', KEYS[1]) or '', '^(%S*) ?(%d*)$')
told = tonumber(told) or -1
if holder ~= '' and holder ~= ARGV[1] then
	local number = tonumber(ARGV[3])
	if number >= 0 and (told < 0 or number < told) then
		redis.call('SET', KEYS[1], holder .. ' ' .. ARGV[3], 'KEEPTTL')
	end
	return -2
end
if ARGV[2] == '0' then
	redis.call('DEL', KEYS[1])
	return -2
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return told
