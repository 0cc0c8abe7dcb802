#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The real redis-cli and redis-benchmark against the key-value example, on one core and on two; the
# same, with fewer requests, against the build with AddressSanitizer. The server must end in order.

set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/support/kv-server.sh
scratch=$(mktemp -d) || exit 2
server=
status=0
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf "$scratch"' EXIT

ok() { echo "ok - $1"; }
not_ok() # NAME [FILE with what was said]
{
	echo "not ok - $1"
	[ -z "${2:-}" ] || sed 's/^/#   /' "$2" | tail -n 20
	status=1
}

check() # NAME EXPECTED COMMAND...: the command's output is this
{
	local name=$1 expected=$2
	shift 2
	if [ "$(timeout 10 "$@" 2>&1)" = "$expected" ]; then ok "$name"; else
		timeout 10 "$@" >"$scratch/said" 2>&1
		not_ok "$name" "$scratch/said"
	fi
}

stop() # NAME: SIGTERM ends it in order
{
	local rc
	kill -TERM "$server"
	wait "$server"
	rc=$?
	server=
	if [ $rc = 0 ] && [ ! -s "$scratch/kv.err" ]; then ok "$1"; else
		echo "exit code $rc" >>"$scratch/kv.err"
		not_ok "$1" "$scratch/kv.err"
	fi
}

talk() # LABEL: what a person does with redis-cli
{
	local cli="redis-cli -h 127.0.0.1 -p $port"
	check "$1: redis-cli ping" PONG $cli ping
	check "$1: redis-cli set" OK $cli set greeting 'hello world' EX 100
	check "$1: redis-cli get" 'hello world' $cli get greeting
	check "$1: redis-cli mset" OK $cli mset a 1 b 2 c 3 d 4
	check "$1: redis-cli mget" $'1\n2\n3\n4' $cli mget a b c d
	check "$1: redis-cli incr" 5 $cli incr d
	check "$1: redis-cli del" 3 $cli del a b c none
	check "$1: redis-cli says what is wrong" 'ERR value is not an integer or out of range' \
		$cli incr greeting
	check "$1: redis-cli from a pipe" $'OK\nOK\n2' sh -c \
		"printf 'set x 1\nset y 2\nexists x y\n' | $cli"
	check "$1: redis-cli flushall" OK $cli flushall
	check "$1: redis-cli dbsize" 0 $cli dbsize
}

benchmark() # LABEL REQUESTS
{
	if timeout 120 redis-benchmark -h 127.0.0.1 -p "$port" -t ping,set,get,incr,mset -n "$2" \
		-c 50 -P 16 --csv >"$scratch/said" 2>&1 &&
		! grep -qiE '^error|warning' "$scratch/said" &&
		[ "$(grep -c '^"' "$scratch/said")" -ge 6 ]; then
		ok "$1: redis-benchmark -n $2 -c 50 -P 16"
	else
		not_ok "$1: redis-benchmark -n $2 -c 50 -P 16" "$scratch/said"
	fi
}

try() # LABEL KV CORES REQUESTS
{
	if ! start_kv "$scratch/kv" "$2" --cores "$3"; then
		not_ok "$1: starts" "$scratch/kv.err"
		return
	fi
	talk "$1"
	benchmark "$1" "$4"
	stop "$1: ends in order"
}

for cores in 1 2; do
	try "kv on $cores" build/release/examples/kv/kv $cores 200000
	if [ -x build/asan/examples/kv/kv ]; then
		try "kv with ASan on $cores" build/asan/examples/kv/kv $cores 20000
	else
		echo "skip - kv with ASan on $cores: build/asan/examples/kv/kv is not built"
	fi
done
exit $status
