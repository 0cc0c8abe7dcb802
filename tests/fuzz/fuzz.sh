#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Feeds the topology loader, the list parser, the reader of control data and rings from other
# processes what no kernel and no decent peer writes, for FUZZ_S seconds in all.
#
#   fuzz.sh            (make fuzz FUZZ_S=600)
#
# The programs are clang's libFuzzer with address and undefined-behaviour sanitizers. They begin
# with the machines of the unit tests; what they learn stays in build/fuzz/corpus, and an input that
# breaks something in build/fuzz/findings, where `build/fuzz/tests/fuzz/topology FILE` repeats it.
# Ends with RESULT name=fuzz seconds=N executions=N findings=N. Without clang it is a skip.

set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 2
seconds=${FUZZ_S:-60}
place=build/fuzz
# Of ten parts of the time: a root has many files, a list and a message are short.
shares="topology=6 idset=1 control=1 shring=2"

skip()
{
	echo "skip - fuzz: $1"
	echo "RESULT name=fuzz seconds=0 executions=0 findings=0 skipped=1"
	exit 0
}

if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
	echo "fuzz: FUZZ_S=$seconds is no number of seconds" >&2
	exit 2
fi
clang=$(command -v clang-14 || command -v clang) || skip "clang is not here: apt install clang"
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d == 0 && n; }' |
	"$clang" -fsanitize=fuzzer,address,undefined -x c - -o "$scratch/try" 2>"$scratch/why" ||
	skip "clang has no libFuzzer: $(head -n 1 "$scratch/why")"

${MAKE:-make} --no-print-directory VARIANT=fuzz O=$place CC="$clang" fuzz-programs || exit 1

rm -rf "$place/seeds" "$place/findings"
mkdir -p "$place/findings" "$scratch/log"
for share in $shares; do
	mkdir -p "$place/seeds/${share%=*}" "$place/corpus/${share%=*}"
done
"$place/tests/fuzz/seeds" "$place/seeds" || exit 1

executions=0
status=0
started=$SECONDS
for share in $shares; do
	name=${share%=*}
	time=$((seconds * ${share#*=} / 10))
	options=(-max_total_time=$((time > 0 ? time : 1)) -timeout=10 -rss_limit_mb=1024
		-max_len=8192 -print_final_stats=1 -artifact_prefix="$place/findings/$name-")
	[ ! -f "tests/fuzz/$name.dict" ] || options+=(-dict="tests/fuzz/$name.dict")
	if ! "$place/tests/fuzz/$name" "${options[@]}" "$place/corpus/$name" "$place/seeds/$name" \
		>"$scratch/log/$name" 2>&1; then
		tail -n 60 "$scratch/log/$name"
		status=1
	fi
	ran=$(sed -n 's/^stat::number_of_executed_units: //p' "$scratch/log/$name")
	kept=$(find "$place/corpus/$name" -type f | wc -l)
	echo "$name: ${ran:-0} executions, $kept inputs kept"
	executions=$((executions + ${ran:-0}))
done
findings=$(find "$place/findings" -type f | wc -l)
[ "$findings" != 0 ] || findings=$status # it ended without leaving an input behind
echo "RESULT name=fuzz seconds=$((SECONDS - started)) executions=$executions findings=$findings"
[ "$findings" = 0 ]
