#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The pools under BeOS's names from C++17 and C11, with each compiler there is: realtime_alloc.cc
# must build without a warning and pass, in C the header alone.

set -u
export LC_ALL=C
O=${O:-build/release}
here=$(dirname "$0")
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
failed=0

flags="-Wall -Wextra -Wpedantic -Wshadow -Werror -O2 -pthread -I$O/include"

# one LABEL COMMAND...
one()
{
	local label=$1
	shift
	if ! command -v "$1" >/dev/null; then
		echo "skip - $label: $1 is not installed"
		return
	fi
	# Several words. shellcheck disable=SC2086
	if "$@" $flags -o "$scratch/program" "$source" "$O/libquoit.a" >"$scratch/errors" 2>&1 &&
		"$scratch/program" >"$scratch/says"; then
		echo "ok - $label"
	else
		sed 's/^/    /' "$scratch/errors"
		echo "not ok - $label"
		failed=1
	fi
}

source=$here/realtime_alloc.cc
one "BeOS's names from C++17, by g++" g++ -std=c++17
one "BeOS's names from C++17, by clang++" clang++ -std=c++17

source=$scratch/program.c
cat >"$source" <<'END'
#include <quoit/numa/realtime_alloc.h>
int main(void)
{
	rtm_pool *pool;
	return rtm_create_pool(&pool, 100, 0) != B_OK || rtm_delete_pool(pool) != B_OK;
}
END
one "BeOS's names from C11, by gcc" gcc -std=c11
one "BeOS's names from C11, by clang" clang -std=c11
exit $failed
