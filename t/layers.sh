#!/bin/sh
# The folders of src/ are layers, and includes go one way.  Which folder may include which is the data below.
cd "${POLLGATE_TEST_SRC:-$(dirname "$0")/..}" || exit 1

# FOLDER: what its files may include besides their own folder.
layers='
base:
codec: base
net: base
store: base codec net
core: base codec store
transport: base codec net core
hook: base codec net store core
front: base codec net store core transport hook
pollcat: base codec
ctl: base codec pollcat
'

# FOLDER HEADER: what a folder must not include, a prefix: no library but libc in base, no I/O in codec, no HTTP in the
# store, evhttp and bufferevents in net alone.
banned='
base event2/
base hiredis
base jansson
base curl/
base openssl/
codec event2/
codec hiredis
codec curl/
store net/http
store event2/http
store event2/bufferevent
core event2/http
core event2/bufferevent
core hiredis
transport event2/http
transport event2/bufferevent
transport hiredis
front event2/http
front event2/bufferevent
front hiredis
pollcat event2/
pollcat hiredis
ctl event2/
ctl hiredis
'

run=0
failed=0

# report WHAT OFFENDERS: ok if there are none.
report() {
	run=$((run + 1))
	if [ -z "$2" ]; then
		echo "ok $run - $1"
	else
		failed=$((failed + 1))
		echo "not ok $run - $1"
		echo "$2" | sed 's/^/# /'
	fi
}

# includes FOLDER: "file: header" for each include in it.
includes() {
	grep -H '^ *# *include' "src/$1"/*.c "src/$1"/*.h 2>/dev/null | sed -n 's/^\([^:]*\): *# *include *[<"]\([^>"]*\)[>"].*/\1: \2/p'
}

check_folder() {
	folder=$1
	shift
	own=$(includes "$folder" | awk -v allowed=" $folder $* " '
		$2 ~ "^(base|codec|net|store|core|transport|front|pollcat|ctl)/" && !index(allowed, " " substr($2, 1, index($2, "/") - 1) " ")')
	report "$folder includes only${*:+ $*,} itself and libraries" "$own"
}

while IFS=: read -r folder allowed; do
	# shellcheck disable=SC2086 # a list of words
	[ -z "$folder" ] || check_folder "$folder" $allowed
done <<END
$layers
END

while read -r folder header; do
	[ -z "$folder" ] || report "$folder does not include $header" "$(includes "$folder" | awk -v h="$header" 'index($2, h) == 1')"
done <<END
$banned
END

known=$(echo "$layers" | sed -n 's/:.*//p')
report "every folder of src is a layer" "$(for d in src/*/; do
	d=$(basename "$d")
	echo "$known" | grep -qx "$d" || echo "$d"
done)"
report "nothing includes main.c" "$(grep -rl 'include.*main\.c' src)"
report "includes name their folder" "$(grep -rnE '^ *# *include *"[^/"]*"' src)"

echo "1..$run"
[ $failed = 0 ]
