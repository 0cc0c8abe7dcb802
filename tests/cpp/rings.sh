#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The typed rings from C++17, with each compiler there is: rings.cc must build without a warning
# and pass. One that is not installed is a skip; CXX adds another.

set -u
export LC_ALL=C
O=${O:-build/release}
here=$(dirname "$0")
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
failed=0

# -O2 and -O0: with and without forced inlining.
one()
{
	local compiler=$1 optimise=$2 label
	label="$compiler $optimise"
	if ! command -v "$compiler" >/dev/null; then
		echo "skip - $label: $compiler is not installed"
		return
	fi
	if ! "$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Werror "$optimise" \
		-pthread -I"$O/include" -o "$scratch/rings" "$here/rings.cc" "$O/libquoit.a" \
		>"$scratch/errors" 2>&1; then
		sed 's/^/    /' "$scratch/errors"
		echo "not ok - $label: it builds without a warning"
		failed=1
		return
	fi
	echo "ok - $label: it builds without a warning"
	"$scratch/rings" >"$scratch/says" 2>&1 || failed=1
	sed -E "s/^(not )?ok - /&$label: /" "$scratch/says"
	if ! grep -q '^ok - MPMC' "$scratch/says"; then
		echo "not ok - $label: it runs to its end"
		failed=1
	fi
}

parses() # COMPILER ITEM
{
	"$1" -std=c++17 -fsyntax-only -I"$O/include" -DITEM="$2" "$scratch/item.cc" \
		>"$scratch/errors" 2>&1
}

# What owns something cannot be handed on byte by byte: each macro says so.
refused()
{
	local compiler=$1 use missed=
	command -v "$compiler" >/dev/null || return
	for use in 'QUOIT_SPSC(q, ITEM)' 'QUOIT_MPSC(q, ITEM)' 'QUOIT_SPMC(q, ITEM)' \
		'QUOIT_MPMC(q, ITEM)' 'QUOIT_FIXED_POOL(q, ITEM, 8)' \
		'QUOIT_SHARED_POOL(q, ITEM, 8)' 'QUOIT_SHRING(q, ITEM)'; do
		printf '#include <%s>\n' string quoit/rings/{typed,typed_mpsc}.h \
			quoit/rings/{typed_shared,fixed_pool,shared_pool,typed_shring}.h \
			>"$scratch/item.cc"
		echo "$use;" >>"$scratch/item.cc"
		if ! parses "$compiler" int || parses "$compiler" std::string ||
			! grep -q 'byte by byte' "$scratch/errors"; then
			missed+="$use "
		fi
	done
	if [ -n "$missed" ]; then
		echo "not ok - $compiler: a type that owns something is no item: $missed"
		failed=1
	else
		echo "ok - $compiler: a type that owns something is no item"
	fi
}

for compiler in g++ clang++ ${CXX:-}; do
	one "$compiler" -O2
	one "$compiler" -O0
	refused "$compiler"
done
exit $failed
