# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# command.sh - what the checker tells of sources that it is asked for, by whatever path, and that it
# writes nowhere but into its folder. Read by run.sh, whose `rtcheck` it uses.

tmp=$(realpath "$(mktemp -d)") || exit 2
trap 'rm -rf "$tmp"' EXIT
work=$tmp/1/2/3/4/5/6/7/8/9/work # so deep that what leaves it upwards stays in $tmp
wrong=0

verdict() { # WHAT: of the command before
	if [ $? = 0 ]; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		wrong=1
	fi
}

tells() { # WORDS ARGUMENT...: it fails, and tells so among other things
	local words=$1 out
	shift
	! out=$(rtcheck --work "$work" "$@" 2>&1) && [[ $out == *"$words"* ]]
	verdict "it tells: $words"
}

cat >"$tmp/mine.c" <<'C'
#include <quoit/numa/realtime.h>
#include <stdlib.h>

typedef QUOIT_RT_FN void (*handler_fn)(void *data);

void elsewhere(void *data);

QUOIT_RT static void *take(void)
{
	return malloc(64);
}

QUOIT_RT void tick(handler_fn fn)
{
	fn(NULL);
}

QUOIT_RT int good(int n)
{
	return n + 1;
}

QUOIT_RT void tock(void)
{
	elsewhere(take());
}
C
echo 'int nothing(void) { return 1; }' >"$tmp/plain.c"
touch "$tmp/other.cc" "$tmp/with blank.c"
files=$(find "$tmp" -type f -exec sha1sum {} + | sort)

# Three spellings of one file outside of the tree.
rtcheck --work "$work" "$tmp/mine.c" >"$tmp/absolute"
rtcheck --work "$work" "$(realpath --relative-to=. "$tmp")/mine.c" >"$tmp/relative"
rtcheck --work "$work" "../../../../../../../../../../$tmp/mine.c" >"$tmp/root"
[ -s "$tmp/absolute" ] && cmp -s "$tmp/absolute" "$tmp/relative" &&
	cmp -s "$tmp/absolute" "$tmp/root"
verdict "a file outside of the tree is told of alike by each path to it"
grep -q '^not ok - 3 of 4 functions break their promises$' "$tmp/absolute"
verdict "it tells how many functions break their promises"
grep -q 'its mark does not name: mark it QUOIT_RT_UNLESS(armed)$' "$tmp/absolute"
verdict "it tells the mark that a call through a pointer needs"
grep -q 'it can reach elsewhere: name its source in F, too, or vouch for it' "$tmp/absolute"
verdict "it tells what helps with a function that is not there"
rm "$tmp/absolute" "$tmp/relative" "$tmp/root"
[ "$(find "$tmp" -type f -not -path "$work/*" -exec sha1sum {} + | sort)" = "$files" ] &&
	[ "$(find "$work/emit" "$work/O0" "$work/O3" -path '*/mine.*i' | wc -l)" = 2 ] &&
	[ "$(find "$work/emit" -name mine.c | wc -l)" = 1 ]
verdict "nothing is written but in the folder of the checker"

tells "/none.c: no such file" "$tmp/none.c"
tells "with blank.c: a path with a blank" "$tmp/with blank.c"
tells "other.cc: C only" "$tmp/other.cc"
tells "plain.c marks no function; put QUOIT_RT before one" "$tmp/plain.c"

printf '%s\n' '#include <quoit/numa/realtime.h>' 'void elsewhere(void *data);' \
	'QUOIT_RT void tick(void *data) { elsewhere(data); }' >"$tmp/one.c"
echo 'void elsewhere(void *data) { (void)data; }' >"$tmp/elsewhere.c"
rtcheck --work "$work" "$tmp/one.c" "$tmp/elsewhere.c" |
	grep -q '^ok - 1 function keeps its promises$'
verdict "a function of another source is looked at if that is named, too"

# A header with a mark, in the source of its function with one more, and in a third file's eyes.
printf '%s\n' '#include <quoit/numa/realtime.h>' 'QUOIT_RT void both(void *data);' >"$tmp/both.h"
printf '%s\n' '#include <stdlib.h>' '#include "both.h"' 'void *last;' \
	'QUOIT_NO_ALLOC void both(void *data) { last = data ? data : malloc(8); }' >"$tmp/both.c"
printf '%s\n' '#include "both.h"' 'QUOIT_RT void third(void) { both(0); }' >"$tmp/third.c"
tells "1 of 1 functions break their promises" "$tmp/both.c"
tells "2 of 2 functions break their promises" "$tmp/third.c" "$tmp/both.c"
tells "mark: both (rt): it has no code that could be looked at: name its source" "$tmp/third.c"

# A weak function gives way to another, whichever of the two is named first.
printf '%s\n' '#include <quoit/numa/realtime.h>' \
	'__attribute__((weak)) void hook(void) {}' 'QUOIT_RT void tick(void) { hook(); }' \
	>"$tmp/weak.c"
printf '%s\n' '#include <stdlib.h>' 'void *last;' 'void hook(void) { last = malloc(8); }' \
	>"$tmp/strong.c"
tells "alloc: tick (rt): it can reach malloc" "$tmp/weak.c" "$tmp/strong.c"
tells "alloc: tick (rt): it can reach malloc" "$tmp/strong.c" "$tmp/weak.c"
exit $wrong
