# Turn Lua scripts into C strings: redis_send.lua becomes lua_redis_send.  Comments and indentation stay behind.
FNR == 1 {
	if (NR > 1)
		print ";"
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.lua$/, "", name)
	print "static const char lua_" name "[] ="
}
{
	sub(/^[ \t]+/, "")
	if ($0 == "" || /^--/)
		next
	gsub(/\\/, "&&")
	gsub(/"/, "\\\\&")
	print "\t\"" $0 "\\n\""
}
END {
	print ";"
}
