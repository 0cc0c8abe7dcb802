#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Serves the key-value example on every core this process may use, loads it and checks the answers.
#
#   examples/demo.sh BUILD_DIR          DEMO_S=3 shortens the ten seconds
#
# The last line is RESULT name=demo ..., and the exit code 0 only if no reply was lost or wrong, and
# the server ended by itself with 0 when it was told to. What the server has to say, for example why
# io_uring is refused, it says itself.

set -u
export LC_ALL=C

build=${1:?usage: demo.sh BUILD_DIR}
kv=$build/examples/kv/kv
load=$build/examples/load/load
patience_s=${DEMO_PATIENCE_S:-15} # for the server to listen, and to drain and end

fail()
{
	echo "demo: $1" >&2
	exit "${2:-1}"
}

server=
scratch=$(mktemp -d) || exit 1
clean_up()
{
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null
	rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# How a process ended, from its exit status.
ending()
{
	if [ "$1" -gt 128 ]; then
		echo "was killed by SIG$(kill -l $(($1 - 128)))"
	else
		echo "ended with exit code $1"
	fi
}

is_running()
{
	kill -0 "$server" 2>/dev/null
}

# Collect a server that has ended; its exit status is in `status`.
collect()
{
	wait "$server" 2>/dev/null
	status=$?
	server=
}

# Start the server; the port it chose is in `port`.
serve()
{
	local tenths
	: >"$scratch/said"
	"$kv" --port 0 --plan >"$scratch/said" &
	server=$!
	for ((tenths = 0; tenths < patience_s * 10; tenths++)); do
		port=$(sed -n '1s/^listening on .*:\([0-9]\{1,5\}\)$/\1/p' "$scratch/said")
		[ -z "$port" ] || return 0
		if ! is_running; then
			collect
			[ "$status" != 0 ] || fail "the server ended before it listened"
			fail "the server could not start: it $(ending "$status")" "$status"
		fi
		sleep 0.1
	done
	fail "the server did not listen within $patience_s s"
}

# Ask the server to end; its exit status is in `status`.
stop()
{
	local tenths
	kill -TERM "$server" 2>/dev/null
	for ((tenths = 0; tenths < patience_s * 10; tenths++)); do
		if ! is_running; then
			collect
			return 0
		fi
		sleep 0.1
	done
	fail "the server did not end within $patience_s s of SIGTERM"
}

for program in "$kv" "$load"; do
	[ -x "$program" ] || fail "$program is missing: run make demo"
done

serve
sed 1d "$scratch/said" # which core runs where, and why
live=()
[ ! -t 1 ] || live=(--live)
"$load" --port "$port" --seconds "${DEMO_S:-10}" "${live[@]}" --result "$scratch/result"
loaded=$?

[ "$loaded" != 2 ] || fail "there was nothing to load" 2
stop
[ ! -s "$scratch/result" ] || [ "$loaded$status" = 00 ] || cat "$scratch/result"
# A server that died is the reason, not the replies that it could not give.
[ "$status" = 0 ] || fail "the server was to end with 0 after SIGTERM, but $(ending "$status")"
[ "$loaded" = 0 ] || fail "the load found a fault, see above" "$loaded"
grep -q ' elided=[0-9]*$' "$scratch/result" || fail "the server told nothing about its bells"
cat "$scratch/result"
