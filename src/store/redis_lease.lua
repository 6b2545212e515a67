-- Hold what a name stands for, unless another holder has it.
-- KEYS lease   ARGV holder ms (0: give it back)   -> 1 (held) | 0
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
	return 0
end
if ARGV[2] == '0' then
	redis.call('DEL', KEYS[1])
	return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
