#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The key-value example as two processes, front and back, with a shared ring each way: redis-cli
# sees no difference; a front may be killed, and no key is lost; without a back each answer is an
# error.

set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/support/cases.sh
. tests/support/kv-server.sh
O=${O:-build/release}
scratch=$(mktemp -d) || exit 2
path=$scratch/back
back=
front=
trap 'kill -9 $back $front $load 2>/dev/null; rm -rf "$scratch"' EXIT
load=

command -v redis-cli >/dev/null || {
	echo "skip - kv as front and back: redis-cli is not installed"
	exit 0
}

start_back() # CORES
{
	"$O/examples/kv/kv" --back "$path" --cores "$1" \
		>"$scratch/back.out" 2>>"$scratch/back.err" &
	back=$!
}

start_front() # CORES: sets $port
{
	start_kv "$scratch/front" "$O/examples/kv/kv" --front "$path" --cores "$1"
	front=$server
}

cli() { timeout 20 redis-cli -h 127.0.0.1 -p "$port" "$@" 2>&1; }

says() # EXPECTED COMMAND...
{
	local expected=$1
	shift
	cli "$@" >"$scratch/said"
	[ "$(cat "$scratch/said")" = "$expected" ]
}

# Whatever core of the front the next connection comes to, it has its link.
has_back()
{
	local good=0
	for ((i = 0; i < 200 && good < 10; i++)); do
		if says PONG ping; then good=$((good + 1)); else
			good=0
			sleep 0.05
		fi
	done
	[ $good = 10 ]
}

kill_hard() # PID
{
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

ends_in_order() # PID
{
	kill -TERM "$1"
	wait "$1"
}

# What a person does, and more bytes than the rings have room for.
talk() # LABEL
{
	head -c 900000 /dev/urandom | base64 -w 0 | head -c 1000000 >"$scratch/long"
	case_is "$1: set" says OK set greeting 'hello world' EX 100
	case_is "$1: get" says 'hello world' get greeting
	case_is "$1: mset over all cores" says OK mset a 1 b 2 c 3 d 4
	case_is "$1: mget in its order" says $'1\n2\n3\n4' mget a b c d
	case_is "$1: incr" says 5 incr d
	case_is "$1: an error comes as one" says 'ERR value is not an integer or out of range' \
		incr greeting
	case_is "$1: a command that no back knows" says \
		"ERR unknown command 'nonsense', with args beginning with: 'a' " nonsense a
	set_long() { cli -x set long <"$scratch/long" >/dev/null; }
	get_long() { cli get long | head -c 1000000 | cmp -s - "$scratch/long"; }
	case_is "$1: a value longer than a ring goes in" set_long
	case_is "$1: and comes out" get_long
	many_long() {
		(for ((i = 0; i < 40; i++)); do echo 'get long'; done) | cli |
			sed "s/^$(head -c 40 "$scratch/long" | sed 's/[\/+]/./g').*/good/" |
			grep -c '^good$' | grep -qx 40
	}
	case_is "$1: forty of them, one after the other" many_long
	pipelined() {
		(for ((i = 0; i < 2000; i++)); do echo "SET key$i $i"; done
		for ((i = 0; i < 2000; i++)); do echo "GET key$i"; done
		for ((i = 0; i < 60; i++)); do echo "GET long"; done
		echo QUIT) | timeout 20 bash -c '
			exec 3<>/dev/tcp/127.0.0.1/'"$port"' 4<&0
			cat <&4 >&3 & cat <&3; wait' |
			tr -d '\r' >"$scratch/piped"
		[ "$(grep -c '^+OK$' "$scratch/piped")" = 2001 ] &&
			[ "$(tail -n 1 "$scratch/piped")" = +OK ] &&
			[ "$(wc -c <"$scratch/piped")" -gt 60000000 ] &&
			grep -E '^[0-9]{1,4}$' "$scratch/piped" | awk '$1 != NR - 1 { bad = 1 }
				END { exit bad || NR != 2000 }'
	}
	case_is "$1: pipelined without waiting, each answered in order" pipelined
	protocol() {
		printf 'PING\r\n*1\r\n$x\r\n' | timeout 5 bash -c '
			exec 3<>/dev/tcp/127.0.0.1/'"$port"'; cat >&3; cat <&3' |
			tr -d '\r' | paste -sd ' ' >"$scratch/said"
		grep -qx '+PONG -ERR Protocol error: invalid bulk length' "$scratch/said"
	}
	case_is "$1: what is no command is refused, and the connection ends" protocol
}

bench()
{
	command -v redis-benchmark >/dev/null || return 0
	timeout 60 redis-benchmark -h 127.0.0.1 -p "$port" -t ping,set,get,incr,mset -n 20000 \
		-c 50 -P 16 --csv >"$scratch/said" 2>&1 &&
		! grep -qiE '^error|warning' "$scratch/said"
}

start_back 2
start_front 1
case_is "a front finds its back" has_back
talk "one core before two"
case_is "redis-benchmark" bench
case_is "keys are there" says 3 exists a b c

# The front dies under load, and the next one serves the same keys.
for round in 1 2 3; do
	(while :; do echo "incr counter"; done) | redis-cli -h 127.0.0.1 -p "$port" \
		>"$scratch/load.$round" 2>/dev/null &
	load=$!
	sleep 0.3
	kill_hard "$front"
	kill -9 "$load" 2>/dev/null
	wait "$load" 2>/dev/null
	start_front 2
	case_is "front $round was killed, and the next one finds the back" has_back
	last=$(tail -n 1 "$scratch/load.$round")
	kept() { now=$(cli get counter) && [ "$now" -ge "${last:-0}" ]; }
	case_is "what it had answered is kept" kept
done
case_is "no key is lost" says $'1\n2\n3\n5' mget a b c d
talk "two cores before two"
case_is "redis-benchmark, two cores" bench

# A front is stopped under load: what it says until then is right, and whole.
if [ -x "$O/tests/e2e/last_replies" ]; then
	"$O/tests/e2e/last_replies" "$port" >"$scratch/said" 2>&1 &
	load=$!
	sleep 0.3
	case_is "a front under load ends in order" ends_in_order "$front"
	case_is "all that it said until then is right and whole" wait "$load"
	start_front 2
	case_is "the next one finds the back" has_back
else
	echo "skip - a front under load: $O/tests/e2e/last_replies is not built"
fi

# A back that stands still: clients wait, in bounded memory, and are served when it goes on.
if command -v redis-benchmark >/dev/null; then
	kill -STOP "$back"
	timeout 60 redis-benchmark -h 127.0.0.1 -p "$port" -t set -d 20000 -n 20000 -c 50 -P 16 \
		--csv >"$scratch/said" 2>&1 &
	load=$!
	sleep 1
	kill -CONT "$back"
	case_is "a back that stood still for a second serves all who waited" wait "$load"
	memory() { awk '/^VmHWM/ { exit $2 > 65536 }' "/proc/$front/status"; }
	case "$O" in
	*asan | *tsan) echo "skip - memory of the front: with a sanitizer it is not its own" ;;
	*) case_is "the front took less than 64 MiB meanwhile" memory ;;
	esac
fi

# Several fronts at one back.
first=$front first_port=$port
start_front 1
case_is "a second front finds the back, too" has_back
case_is "it sees what the first one set" says 1 get a
case_is "a front ends in order" ends_in_order "$front"
front=$first port=$first_port

# Clients that do what they should not, as in adversary.sh.
if [ -x "$O/tests/e2e/adversary" ]; then
	bash tests/e2e/adversary.sh "$O/examples/kv/kv" --front "$path" --port 0 --cores 2 ||
		status=1
else
	echo "skip - bad clients of a front: $O/tests/e2e/adversary is not built"
fi

# The back dies.
kill_hard "$back"
gone() { cli ping >"$scratch/said"; grep -q 'ERR the back' "$scratch/said"; }
case_is "without a back each answer is an error" gone
case_is "again, and at once" gone
start_back 1
case_is "the next back is found" has_back
case_is "it begins empty" says 0 exists a b c
case_is "and is written to" says OK set a 2
case_is "the back ends in order" ends_in_order "$back"
case_is "the front goes on without" gone
case_is "the front ends in order" ends_in_order "$front"
case_is "nothing is left of the socket" test ! -e "$path"
case_is "nobody complained" test ! -s "$scratch/front.err" -a ! -s "$scratch/back.err"
exit $status
