#!/bin/bash
# SPDX-License-Identifier: MIT
#
# net.sh - what a request costs: quoit's examples against their peers, side by side.
#
#	[ROUNDS=5] [KV_BASE=PROGRAM] tests/bench/net.sh [build/release]		(or: make bench-net)
#
# Every measurement starts a fresh server on one cpu and loads it from another. What counts is the
# server's own cost, in cycles (user and kernel, perf) divided by the requests served, because that
# stays put while requests per second follow the neighbours and the load. The servers of a cell
# take turns (A B C A B C ...), and a ratio is the median of the ratios within a round: whatever
# slows the machine for a minute slows all of them.
#
# Where perf has no hardware counters (most virtual machines) the cost is the CPU time of the
# server's threads instead, and every figure says so. Nothing here judges: it exits non-zero only if
# a server or a load failed, a wrong byte in an echo included.
#
# Needs taskset and setpriv (util-linux); for the kv cells redis-tools.

set -u -o pipefail
export LC_ALL=C

here=$(dirname "$0")
O=${1:-build/release}
ROUNDS=${ROUNDS:-5}
ECHO=${ECHO:-$O/examples/02_echo} # ours; may be set to try another program in its place
KV=${KV:-$O/examples/kv/kv}
KV_BASE=${KV_BASE:-} # the same as of another commit; none unless it is asked for
bench=$O/tests/bench
echo_seconds=2
connections=50
value_bytes=64
keys=100000

work=$(mktemp -d) || exit 1
server_pid="" load_pid=""

stop() # PID: end a process that we started, gently first
{
	local tries=0
	[ -n "$1" ] && kill "$1" 2>/dev/null || return 0
	while kill -0 "$1" 2>/dev/null && [ $((tries++)) -lt 150 ]; do sleep 0.02; done
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

cleanup()
{
	stop "$load_pid"
	stop "$server_pid"
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() # what went wrong, and what the server said
{
	echo "bench-net: $*" >&2
	tail -n 5 "$work/server.out" "$work/load.err" 2>/dev/null | sed 's/^/	/' >&2
	exit 1
}

# -- The machine: two cpus that we may use, and what can be counted. --

expand() # 0,2-4 -> 0 2 3 4
{
	tr , '\n' | awk -F- '{ for (i = $1; i <= (NF > 1 ? $2 : $1); i++) print i }'
}

mapfile -t cpus < <(taskset -cp $$ | sed 's/.*: //' | expand)
server_cpu=${cpus[0]}
load_cpu=${cpus[1]:-${cpus[0]}}

unit=cpu_ns
unit_text="ns of CPU time"
counted=$(perf stat -x, -e cycles -e instructions true 2>&1 >/dev/null | cut -d, -f1,3)
case $counted in
*[0-9],cycles:u*) why="perf may count user mode only here (see kernel.perf_event_paranoid)" ;;
*[0-9],cycles*) unit=cycles unit_text=cycles why="" ;;
*"not supported"*) why="this machine offers no hardware counters" ;;
*) why="perf is not installed, or may not be used (Debian: linux-perf)" ;;
esac

cpu_ns() # PID: CPU time of all its threads so far
{
	if [ -r "/proc/$1/schedstat" ]; then
		cat /proc/"$1"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f\n", n }'
	else
		sed 's/.*) //' "/proc/$1/stat" |
			awk -v hz="$(getconf CLK_TCK)" '{ printf "%.0f\n", ($12 + $13) / hz * 1e9 }'
	fi
}

# -- Servers: sets server_pid and port. --

spawn() # COMMAND...: on the server's cpu, ending with this script whatever happens
{
	: >"$work/server.out" # the background job truncates it late on a busy machine
	setpriv --pdeathsig KILL taskset -c "$server_cpu" "$@" >"$work/server.out" 2>&1 &
	server_pid=$!
}

spawn_telling() # COMMAND...: a server that says where it listens
{
	local tries=0
	spawn "$@"
	until port=$(sed -n 's/^listening on 127\.0\.0\.1:\([0-9][0-9]*\)$/\1/p' \
		"$work/server.out") && [ -n "$port" ]; do
		kill -0 "$server_pid" 2>/dev/null || fail "$1 ended at once"
		[ $((tries++)) -lt 250 ] || fail "$1 did not say where it listens"
		sleep 0.02
	done
}

spawn_resp() # kv | redis: a server that is told where to listen
{
	local tries
	for _ in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 10000)) tries=0
		case $1 in
		ours) spawn "$KV" --port $port --cores 1 ;;
		base) spawn "$KV_BASE" --port $port --cores 1 ;;
		redis) spawn "$here/../support/redis-server.sh" --port $port --bind 127.0.0.1 \
			--save "" --appendonly no --dir "$work" ;;
		esac
		while kill -0 "$server_pid" 2>/dev/null && [ $((tries++)) -lt 250 ]; do
			sleep 0.02
			# a stranger on the port answers too: ours must still be there afterwards
			[ "$(redis-cli -p $port ping 2>/dev/null)" = PONG ] && sleep 0.05 &&
				kill -0 "$server_pid" 2>/dev/null && return
		done
		stop "$server_pid"
	done
	fail "$1 does not answer"
}

# -- Loads: each leaves "requests requests/s p50_us p99_us" in $work/load. --

load() # COMMAND...: run it, keep its output
{
	timeout 60 "$@" >"$work/load.out" 2>"$work/load.err" &
	load_pid=$!
	wait $load_pid
	local rc=$?
	load_pid=""
	return $rc
}

counted_load() # COMMAND...: as load, counting what the server spends in exactly that time
{
	local perf=()
	[ $unit = cycles ] && perf=(perf stat -x, -o "$work/perf" -e cycles -e instructions
		-p "$server_pid" --)
	local cpu_before=$(cpu_ns "$server_pid") began=$(date +%s%N)
	load "${perf[@]}" "$@" || fail "the load failed: $*"
	kill -0 "$server_pid" 2>/dev/null || fail "the server ended under load"
	spent_ns=$(($(cpu_ns "$server_pid") - cpu_before))
	wall_ns=$(($(date +%s%N) - began))
	spent=$spent_ns instructions=0
	[ $unit = cycles ] || return 0
	spent=$(awk -F, '$3 ~ /^cycles/ { print $1 }' "$work/perf")
	instructions=$(awk -F, '$3 ~ /^instructions/ { print $1 }' "$work/perf")
	case $spent$instructions in
	*[!0-9]* | "") fail "perf did not count: $(tr '\n' ' ' <"$work/perf")" ;;
	esac
}

record() # CELL SERVER ROUND REQUESTS RPS P50 P99
{
	awk -v OFS='\t' -v cell="$1" -v server="$2" -v round="$3" -v n="$4" -v rps="$5" \
		-v p50="$6" -v p99="$7" -v spent="$spent" -v ins="$instructions" \
		-v cpu="$spent_ns" -v wall="$wall_ns" 'BEGIN {
		print cell, server, round, spent / n, ins / n, cpu / n / 1e3, rps, cpu / wall,
			p50, p99 }' >>"$work/results"
	[ -t 2 ] && printf '\r\033[K%s: %s, round %s of %s' "$1" "$2" "$3" "$ROUNDS" >&2
	return 0
}

measure_echo() # SERVER ROUND BYTES DEPTH
{
	local args=("$connections" "$3" "$4")
	case $1 in
	ours) spawn_telling "$ECHO" 127.0.0.1:0 ;;
	raw) spawn_telling "$bench/echo_raw" "$server_cpu" ;;
	epoll) spawn_telling "$bench/echo_epoll" "$server_cpu" ;;
	esac
	load "$bench/echo_load" "$load_cpu" "$port" "${args[@]}" -n 20000 ||
		fail "$1: the warm-up failed"
	counted_load "$bench/echo_load" "$load_cpu" "$port" "${args[@]}" -s $echo_seconds
	stop "$server_pid"
	server_pid=""
	set -- "$1" "$2" "$3" "$4" $(sed 's/[a-z0-9_]*=//g' "$work/load.out")
	record "echo-$3-$connections-$4" "$1" "$2" "$5" \
		"$(awk -v n="$5" -v s="$6" 'BEGIN { print n / s }')" "$7" "$8"
}

resp_load() # COMMAND REQUESTS DEPTH: the command line
{
	echo taskset -c "$load_cpu" redis-benchmark -p "$port" -t "$1" -n "$2" -P "$3" \
		-c "$connections" -r "$keys" -d "$value_bytes" --csv
}

measure_kv() # SERVER ROUND COMMAND DEPTH
{
	local requests=$(($4 > 1 ? 1000000 : 100000))
	spawn_resp "$1"
	load $(resp_load set $((2 * keys)) 16) || fail "$1: filling it failed"
	counted_load $(resp_load "$3" $requests "$4")
	stop "$server_pid"
	server_pid=""
	# "GET","84033.61","0.327","0.104","0.319","0.447","0.543","1.207"
	local fields=$(tail -n 1 "$work/load.out" | tr -d '"' |
		awk -F, '$2 > 0 { print $2, $5 * 1e3, $7 * 1e3 }')
	[ -n "$fields" ] || fail "$1: no figures from redis-benchmark"
	record "$3-$value_bytes-$connections-$4" "$1" "$2" $requests $fields
}

# -- The run. --

rounds() # MEASURE SERVERS ARGS...: the servers take turns
{
	local measure=$1 servers=$2 round server
	shift 2
	for round in $(seq "$ROUNDS"); do
		for server in $servers; do $measure "$server" "$round" "$@"; done
	done
}

skip() # CELL REASON
{
	echo "SKIP name=bench-net cell=$1 reason=\"$2\"" >>"$work/skipped"
}

case $ROUNDS in
*[!0-9]* | "" | 0) fail "ROUNDS=$ROUNDS is not a count" ;;
esac
for program in taskset setpriv "$bench/echo_raw" "$bench/echo_epoll" "$bench/echo_load"; do
	command -v "$program" >/dev/null || fail "$program is missing"
done

echo "bench-net: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r);" \
	"server on cpu $server_cpu, load on cpu $load_cpu, $ROUNDS rounds"
[ "$server_cpu" != "$load_cpu" ] || echo "NOTE: only one cpu may be used: server and load share it"
[ -z "$why" ] || echo "NOTE: NOT CYCLES. $why: the cost below is $unit_text per request"

touch "$work/results" "$work/skipped"
echo_servers="raw epoll"
if [ -x "$ECHO" ]; then
	echo_servers="ours raw epoll"
else
	skip "echo-64-$connections-1" "$ECHO is not there"
fi
rounds measure_echo "$echo_servers" 64 1
for cell in "get 1" "set 1" "get 16" "set 16"; do
	set -- $cell
	if ! [ -x "$KV" ]; then
		skip "$1-$value_bytes-$connections-$2" "$KV is not there"
	elif ! command -v redis-benchmark >/dev/null || ! command -v redis-cli >/dev/null; then
		skip "$1-$value_bytes-$connections-$2" "redis-tools is not installed"
	else
		rounds measure_kv "ours ${KV_BASE:+base }redis" "$1" "$2"
	fi
done
[ -t 2 ] && printf '\r\033[K' >&2
awk -v unit=$unit -v unit_text="$unit_text" -f "$here/net.awk" "$work/results"
cat "$work/skipped"
