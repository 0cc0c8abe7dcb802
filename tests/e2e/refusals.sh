#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A program that cannot start says why in one line on standard error, and exits with 2: io_uring
# refused by a filter, by the machine or by a limit on locked memory, a port in use, and what is no
# address; a soak of no kind or no count, and a benchmark of no cell, before they begin.

set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build/release}
sysctl=/proc/sys/kernel/io_uring_disabled
scratch=$(mktemp -d) || exit 2
chmod 755 "$scratch"
status=0 server='' before=''
trap 'restore; stop; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP

# Whatever happens, io_uring is as it was.
restore()
{
	[ -z "$before" ] || echo "$before" >$sysctl
	before=
}

stop()
{
	[ -z "$server" ] || kill "$server" 2>/dev/null
	[ -z "$server" ] || wait "$server" 2>/dev/null
	server=
}

# judge NAME RC WORDS ...: does what the program left behind look as it must?
judge()
{
	local name=$1 rc=$2 word lines
	shift 2
	lines=$(wc -l <"$scratch/err")
	if [ "$rc" = 77 ]; then
		echo "skip - $name: $(cat "$scratch/out")"
		return
	fi
	for word in "$@"; do
		if ! grep -qF -- "$word" "$scratch/err"; then
			rc="$rc, without '$word'"
		fi
	done
	if [ "$rc" = 2 ] && [ "$lines" = 1 ]; then
		echo "ok - $name"
	else
		echo "not ok - $name: exit code $rc, $lines lines: $(cat "$scratch/err")"
		status=1
	fi
}

# expect NAME WORDS -- COMMAND ...
expect()
{
	local name=$1 words=()
	shift
	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	timeout 10 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
	judge "$name" $? "${words[@]}"
}

# Others on this machine use io_uring too: it is off for as long as one refused start takes.
try_switched_off()
{
	local name="io_uring switched off by the machine" was rc
	was=$(cat $sysctl 2>/dev/null)
	if [ -z "$was" ]; then
		echo "skip - $name: this kernel has no kernel.io_uring_disabled"
		return
	fi
	if ! { echo "$was" >$sysctl; } 2>/dev/null; then
		echo "skip - $name: kernel.io_uring_disabled cannot be set here"
		return
	fi
	before=$was
	echo 2 >$sysctl
	timeout 1 "$copy" 127.0.0.1:0 1 >"$scratch/out" 2>"$scratch/err" </dev/null
	rc=$?
	restore
	judge "$name" $rc "switched off" "kernel.io_uring_disabled=0"
	[ "$(cat $sysctl)" = "$was" ] || {
		echo "not ok - $name: it was $was and is $(cat $sysctl)"
		status=1
	}
}

try_port()
{
	local port look
	"$O/examples/02_echo" 127.0.0.1:0 >"$scratch/log" 2>&1 &
	server=$!
	for look in $(seq 100); do
		port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$scratch/log")
		[ -z "$port" ] || break
		sleep 0.05
	done
	if [ -z "$port" ]; then
		echo "skip - a port in use: io_uring is refused here: $(cat "$scratch/log") ($look)"
		return
	fi
	expect "a port in use" "127.0.0.1:$port" "in use" -- \
		"$O/examples/02_echo" "127.0.0.1:$port"
	stop
}

try_long_runs()
{
	local rings=$scratch/tests/bench/rings/rings soak=$O/tests/soak/soak

	mkdir -p "${rings%/*}"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ "$1" = -l ] && echo spsc4k-u64-1 || echo it ran >&2\n' >"$rings"
	cp "$rings" "$scratch/tests/bench/ring_limits"
	chmod 755 "$rings" "$scratch/tests/bench/ring_limits"
	expect "a benchmark of no cell" "CELLS=foo*: no cell matches" "$rings -l lists them" -- \
		env CELLS='foo*' bash tests/bench/rings.sh "$scratch"
	if [ ! -x "$soak" ]; then
		echo "skip - a soak of no kind or no count: make $soak builds it"
		return
	fi
	expect "a soak of no kind" "SOAK_KIND=foo" "there are spsc" -- env SOAK_KIND=foo "$soak"
	expect "a soak of no count" "SOAK_COUNT=abc" "not a count" -- env SOAK_COUNT=abc "$soak"
}

try_long_runs
if [ "$(cat $sysctl 2>/dev/null || echo 0)" != 0 ]; then
	echo "skip - refusals: io_uring is refused here already, by kernel.io_uring_disabled"
	exit $status
fi

# Somewhere that an unprivileged user may look.
copy=$scratch/02_echo
cp "$O/examples/02_echo" "$copy"
chmod 755 "$copy"
refuse=$O/tests/e2e/refuse

expect "a filter that answers EPERM" seccomp io_uring_setup -- \
	"$refuse" eperm "$copy" 127.0.0.1:0
expect "a filter that answers ENOSYS" "no io_uring" seccomp -- \
	"$refuse" enosys "$copy" 127.0.0.1:0
expect "an unprivileged user who may lock no memory" "0 KiB" "ulimit -l" -- \
	"$refuse" memlock "$copy" 127.0.0.1:0
try_switched_off
try_port
expect "what is no address" "'localhost'" "127.0.0.1:7000" -- "$copy" localhost
exit $status
