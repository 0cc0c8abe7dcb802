#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Loops and channels from C++17, with each compiler there is: loops.cc must build without a warning
# and pass. One that is not installed is a skip; CXX adds another.

set -u
export LC_ALL=C
O=${O:-build/release}
here=$(dirname "$0")
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
failed=0

if ! nm "$O/libquoit.a" 2>/dev/null | grep -q ' T quoit__channel_attach$'; then
	echo "skip - loops: the library was built without the upper floors"
	exit 0
fi
uring=$(pkg-config --cflags --libs liburing 2>/dev/null || echo -luring)

# -O2 and -O0: with and without forced inlining.
one()
{
	local compiler=$1 optimise=$2 label
	label="$compiler $optimise"
	if ! command -v "$compiler" >/dev/null; then
		echo "skip - $label: $compiler is not installed"
		return
	fi
	# Several words, or none. shellcheck disable=SC2086
	if ! "$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Werror "$optimise" \
		-pthread -I"$O/include" -o "$scratch/loops" "$here/loops.cc" "$O/libquoit.a" \
		$uring >"$scratch/errors" 2>&1; then
		sed 's/^/    /' "$scratch/errors"
		echo "not ok - $label: it builds without a warning"
		failed=1
		return
	fi
	echo "ok - $label: it builds without a warning"
	"$scratch/loops" >"$scratch/says" 2>&1 || failed=1
	sed -E "s/^(not )?(ok|skip) - /&$label: /" "$scratch/says"
	if ! grep -qE '^(ok - work|skip)' "$scratch/says"; then
		echo "not ok - $label: it runs to its end"
		failed=1
	fi
}

for compiler in g++ clang++ ${CXX:-}; do
	one "$compiler" -O2
	one "$compiler" -O0
done
exit $failed
