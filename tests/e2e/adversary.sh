#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Clients that send byte by byte, half-close, reset, flood without reading and come by the thousand,
# against the echo example, the key-value example and an echo server that tells its counters. One
# polite client must be served all the time, memory must stay near what it was, and whatever was
# opened must be closed.
#
#   adversary.sh [PROGRAM ARGUMENT ...]      only that server, which speaks RESP if its name is kv

set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build/release}
scratch=$(mktemp -d) || exit 2
status=0 server='' polite=''
memory_more_kib=65536
trap 'stop_polite; stop; rm -rf "$scratch"' EXIT

# Ends what we started, by its id.
stop()
{
	[ -z "$server" ] || kill -TERM "$server" 2>/dev/null
	[ -z "$server" ] || wait "$server"
	local rc=$?
	server=
	return $rc
}

say()
{
	local rc=$1 name=$2 more=${3:-}
	if [ "$rc" = 0 ]; then
		echo "ok - $label: $name"
	else
		echo "not ok - $label: $name${more:+: $more}"
		status=1
	fi
}

# start COMMAND ... sets $server and $port.
start()
{
	local look
	: >"$scratch/log" # nothing of the server before may be read
	"$@" >"$scratch/log" 2>&1 &
	server=$!
	for look in $(seq 100); do
		port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/log" | head -n 1)
		[ -z "$port" ] || return 0
		kill -0 $server 2>/dev/null || break
		sleep 0.05
	done
	return 1
}

adversary()
{
	timeout 60 "$O/tests/e2e/adversary" "$language" "$port" "$@" </dev/null
}

# scenario NAME ARGUMENT ...
scenario()
{
	local name=$1 out
	shift
	out=$(adversary "$@" 2>&1)
	say $? "$name" "$out"
	grep '^#' <<<"$out"
}

# One polite client, until stop_polite; what it said is in $scratch/polite.
start_polite()
{
	rm -f "$scratch/end"
	mkfifo "$scratch/end"
	timeout 120 "$O/tests/e2e/adversary" "$language" "$port" polite \
		<"$scratch/end" >"$scratch/polite" 2>&1 &
	polite=$!
	exec 4>"$scratch/end"
}

stop_polite()
{
	[ -n "$polite" ] || return 0
	echo enough >&4
	wait "$polite"
	local rc=$?
	polite=
	exec 4>&-
	return $rc
}

kib_of()
{
	sed -n "s/^$1:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$server/status"
}

# The sum of one counter over all cores, from the newest lines that begin with WHEN.
counter()
{
	awk -v when="$2" -v key="$1=" '
		$1 == when && $2 == "core=0" { sum = 0 }
		$1 == when {
			for (i = 2; i <= NF; i++)
				if (index($i, key) == 1)
					sum += substr($i, length(key) + 1)
		}
		END { print sum + 0 }' "$scratch/log"
}

# Have the server print its counters, and wait for them.
ask_counters()
{
	local before look
	before=$(grep -c '^now end' "$scratch/log")
	kill -USR1 "$server"
	for look in $(seq 100); do
		[ "$(grep -c '^now end' "$scratch/log")" -le "$before" ] || return 0
		sleep 0.02
	done
	echo "# no counters after $look looks"
}

# What every server must stand.
scenarios()
{
	local idle peak
	adversary many 20 >/dev/null # warm
	idle=$(kib_of VmRSS)
	start_polite
	scenario "byte by byte is answered" bytes
	scenario "a half-close is answered and then ended" half 200
	scenario "resets in the middle of messages do no harm" reset 1000
	if [ "$(ulimit -n)" -ge 4096 ]; then
		scenario "two thousand at once are served" many 2000
	else
		echo "skip - $label: two thousand at once: only $(ulimit -n) descriptors"
	fi
	scenario "a flood of clients that do not read is held off" flood 4 400
	stop_polite
	say $? "a polite client was served all the while" "$(cat "$scratch/polite")"
	peak=$(kib_of VmHWM)
	[ $((peak - idle)) -le $memory_more_kib ]
	say $? "memory stayed within 64 MiB of the idle figure" "$idle KiB, then $peak KiB"
	echo "note: $label: $idle KiB idle, at most $peak KiB"
}

end_in_order()
{
	stop
	say $? "it ends in order" "$(tail -n 1 "$scratch/log")"
}

try_server()
{
	label=$(basename "$1") language=echo
	[ "$label" != kv ] || language=kv
	if ! start "$@"; then
		say 1 "it starts" "$(cat "$scratch/log")"
		return
	fi
	scenarios
	end_in_order
}

try_counters()
{
	label="echo with counters" language=echo
	start "$O/tests/e2e/stats_server" 2 || {
		say 1 "it starts" "$(cat "$scratch/log")"
		return
	}
	scenarios
	end_in_order
	[ "$(counter opened last)" -gt 3000 ] &&
		[ "$(counter opened last)" = "$(counter closed last)" ]
	say $? "everything that was opened was closed" "$(grep ^last "$scratch/log")"
	[ "$(counter stale last)" = 0 ]
	say $? "no completion came for an object that had gone"
}

# A server with few descriptors and many more who want one.
try_starving()
{
	local line turns waits starving
	label="256 descriptors" language=echo
	if [ "$(ulimit -n)" -lt 1100 ]; then
		echo "skip - $label: the clients themselves need 1100, $(ulimit -n) are allowed"
		return
	fi
	start bash -c "ulimit -n 256; exec $O/tests/e2e/stats_server 2" || {
		say 1 "it starts" "$(cat "$scratch/log")"
		return
	}
	start_polite
	sleep 0.2
	mkfifo "$scratch/go"
	timeout 60 "$O/tests/e2e/adversary" echo "$port" starve 1000 \
		<"$scratch/go" >"$scratch/starving" 2>&1 &
	starving=$!
	exec 5>"$scratch/go"
	for _ in $(seq 200); do
		grep -q connected "$scratch/starving" && break
		sleep 0.05
	done
	sleep 0.3
	stop_polite
	say $? "who was there before is served while a thousand want to come" \
		"$(cat "$scratch/polite")"
	# Nothing happens now but that accepting fails: that must be rare.
	ask_counters
	turns=$(counter turns now) waits=$(counter accept_waits now)
	[ "$waits" -gt 0 ]
	say $? "accepting found no descriptor and waits"
	sleep 1
	ask_counters
	turns=$(($(counter turns now) - turns)) waits=$(($(counter accept_waits now) - waits))
	[ "$turns" -le 400 ] && [ "$waits" -le 200 ]
	say $? "nobody spins meanwhile" "$turns turns, $waits tries"
	echo "note: $label: $turns turns and $waits tries of two cores in a second"
	echo go >&5
	wait $starving
	say $? "all thousand are served as descriptors come back" "$(cat "$scratch/starving")"
	exec 5>&-
	end_in_order
	line=$(grep ^last "$scratch/log")
	[ "$(counter opened last)" -gt 1000 ] &&
		[ "$(counter opened last)" = "$(counter closed last)" ]
	say $? "everything that was opened was closed" "$line"
}

ulimit -n "$(ulimit -Hn)"
if [ $# -gt 0 ]; then
	try_server "$@"
	exit $status
fi
try_counters
try_starving
try_server "$O/examples/02_echo" 127.0.0.1:0
[ ! -x "$O/examples/kv/kv" ] || try_server "$O/examples/kv/kv" --port 0
exit $status
