#!/bin/bash
# SPDX-License-Identifier: MIT
#
# examples/08_shared_writer and 08_shared_reader, two programs at one ring, as they come and go:
# whoever is killed, nothing is lost of what was committed, and nothing is out of order.

set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/support/cases.sh
O=${O:-build/release}
scratch=$(mktemp -d) || exit 2
path=$scratch/ring
readers=100 # that were started
trap 'kill -9 $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT

# Each reader says into a file of its own: what a killed one has said ends anywhere.
start_reader() # [WRITERS]
{
	readers=$((readers + 1))
	"$O/examples/08_shared_reader" "${1:-0}" "$path" \
		>"$scratch/$readers.out" 2>>"$scratch/reader.err" &
	reader=$!
}

start_writer() # NAME COUNT FIRST
{
	"$O/examples/08_shared_writer" "$2" "$3" "$path" >"$scratch/$1.said" 2>&1 &
	writer=$!
}

kill_hard() # PID
{
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# What has been read so far, without the lines in which readers were killed. A third word says where
# a reader began.
all_read()
{
	local out
	for out in "$scratch"/*.out; do
		head -n "$(wc -l <"$out")" "$out" | sed '1s/$/ began/'
	done
}

count_lines() { cat "$scratch"/*.out 2>/dev/null | wc -l; }

wait_for_lines() # COUNT: so many more than there are now
{
	local until=$(($(count_lines) + $1))
	for ((i = 0; i < 1000; i++)); do
		[ "$(count_lines)" -lt "$until" ] || return 0
		sleep 0.01
	done
}

# From FIRST to LAST each number follows the one before. Only a new reader may say again what the
# one before it was killed over: a run of at most 256 that it had said and not given back.
is_complete() # FIRST LAST
{
	all_read | awk -v first="$1" -v last="$2" '
		BEGIN { expected = first + 0 }
		$3 == "began" { again = 256 }
		$2 < first + 0 || $2 > last + 0 { next }
		$2 > expected || $2 < expected - again { bad++ }
		{ expected = $2 + 1; again = 0 }
		END { exit bad || expected != last + 1 }'
}

fresh()
{
	kill_hard "$reader"
	rm -f "$scratch"/*.out "$scratch"/*.said "$scratch"/*.err "$path"
}

exits_with_0() # PID
{
	wait "$1"
}

start_reader 2
if ! sleep 0.2 || ! kill -0 "$reader" 2>/dev/null; then
	wait "$reader"
	if [ $? = 77 ]; then
		echo "skip - shared rings in a loop: $(cat "$scratch/reader.err")"
		exit 0
	fi
fi
says_that_it_waits()
{
	timeout 1 "$O/examples/08_shared_writer" 1 0 "$path.none" 2>&1 |
		grep -q "^waiting for a reader at $path.none: ."
}
case_is "a writer that has no reader says so at once" says_that_it_waits
start_writer a 20000 0
case_is "a writer ends when all it sent is read" exits_with_0 "$writer"
start_writer b 20000 20000
case_is "and the next one goes on" exits_with_0 "$writer"
case_is "a reader ends when as many writers have closed as it was told" exits_with_0 "$reader"
once_in_order() { all_read | awk '$2 != NR - 1 { bad++ } END { exit bad || NR != 40000 }'; }
case_is "each item was read once and in order" once_in_order
case_is "nothing is left of the socket" test ! -e "$path"
fresh

start_reader
start_writer a 5000000 0
wait_for_lines 20000
kill_hard "$writer"
committed=$(awk '/^committed/ { n = $2 } END { print n - 1 }' "$scratch/a.said")
start_writer b 20000 9000000
case_is "after a writer was killed the next one is served" exits_with_0 "$writer"
case_is "the killed one was in the middle of it" test "$committed" -gt 10000
case_is "what the killed one had committed is read, without a gap" is_complete 0 "$committed"
case_is "and all of the next one's" is_complete 9000000 9019999
case_is "the reader was told of the death" grep -q "the writer died" "$scratch/reader.err"
fresh

start_reader
start_writer a 2000000 0
for ((round = 1; round <= 5; round++)); do
	wait_for_lines 20000
	kill_hard "$reader"
	start_reader
done
case_is "a writer whose readers are killed ends when all is read" exits_with_0 "$writer"
case_is "and nothing of it was lost" is_complete 0 1999999
case_is "it went on in the same ring" test \
	"$(grep -c 'generation 1$' "$scratch/a.said")" -ge 2
fresh

# They take turns: one at a time is served, and the other waits for its turn.
start_reader 3
start_writer a 5000 0
first=$writer
start_writer b 5000 10000
second=$writer
start_writer c 5000 20000
case_is "of several writers each is served in the end" exits_with_0 "$first"
case_is "the second" exits_with_0 "$second"
case_is "and the third" exits_with_0 "$writer"
case_is "with the reader at its end" exits_with_0 "$reader"
whole() { is_complete 0 4999 && is_complete 10000 14999 && is_complete 20000 24999; }
case_is "and nothing mixed up" whole
exit $status
