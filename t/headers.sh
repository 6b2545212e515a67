#!/bin/sh
# Each header compiles alone, so that whoever includes it need not know what it needs.
cd "${POLLGATE_TEST_SRC:-$(dirname "$0")/..}" || exit 1
: "${CC:=cc}"
: "${POLLGATE_CFLAGS=$(pkg-config --cflags libevent hiredis jansson libcurl libcrypto)}"

run=0
failed=0
for header in src/*/*.h; do
	run=$((run + 1))
	# shellcheck disable=SC2086 # lists of words
	if said=$(echo "#include \"${header#src/}\"" |
		$CC -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Isrc $POLLGATE_CFLAGS -fsyntax-only -x c - 2>&1); then
		echo "ok $run - ${header#src/} compiles alone"
	else
		failed=$((failed + 1))
		echo "not ok $run - ${header#src/} compiles alone"
		echo "$said" | sed 's/^/# /'
	fi
done
echo "1..$run"
[ $failed = 0 ]
