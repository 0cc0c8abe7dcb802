#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Replays the recorded exchanges against the key-value example on one core, on two, and as front and
# back; and against redis-server 7.0 where that is installed, so that the record itself is known to
# be true.

set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build/release}
record=tests/e2e/exchanges.txt
scratch=$(mktemp -d) || exit 2
server=
back=
status=0
trap 'stop; [ -z "$back" ] || kill "$back"; rm -rf "$scratch"' EXIT

stop()
{
	[ -z "$server" ] || kill "$server" 2>/dev/null
	[ -z "$server" ] || wait "$server" 2>/dev/null
	server=
}

# start COMMAND ... with PORT in the place of a free one; sets $port and $server.
start()
{
	local try look
	for try in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		"${@//PORT/$port}" >"$scratch/server.log" 2>&1 &
		server=$!
		for look in $(seq 100); do
			kill -0 $server 2>/dev/null || break
			# Ours, and not that of another who had the port before.
			if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null &&
				sleep 0.2 && kill -0 $server 2>/dev/null; then
				return 0
			fi
			sleep 0.1
		done
		stop
		echo "# try $try: no answer on port $port after $look looks"
	done
	return 1
}

# replay NAME COMMAND ...
replay()
{
	local name=$1
	shift
	if ! start "$@"; then
		echo "not ok - $name: the server does not start"
		sed 's/^/#   /' "$scratch/server.log"
		status=1
		return
	fi
	"$O/tests/e2e/exchange" "$port" $record >"$scratch/replies" || status=1
	sed -E "s/^(ok|not ok) - /&$name: /" "$scratch/replies"
	stop
}

for build in "$O" build/asan; do
	kv=$build/examples/kv/kv
	if [ ! -x "$kv" ]; then
		[ "$build" = build/asan ] || { echo "not ok - kv: $kv is not built"; exit 1; }
		echo "skip - kv with ASan: $kv is not built"
		continue
	fi
	for cores in 1 2; do
		replay "kv ${build##*/} on $cores" "$kv" --port PORT --cores $cores
	done
	"$kv" --back "$scratch/back" --cores 2 >/dev/null &
	back=$!
	replay "kv ${build##*/} front and back" "$kv" --front "$scratch/back" --port PORT --cores 2
	kill "$back"
	wait "$back"
	back=
done

version=$(bash tests/support/redis-server.sh --version 2>/dev/null)
case $version in
*v=7.0.*)
	replay "redis" bash tests/support/redis-server.sh --port PORT --bind 127.0.0.1 --save "" \
		--appendonly no --proto-max-bulk-len 1048576 --dir "$scratch"
	;;
*) echo "skip - redis: no redis-server 7.0 here, but '${version:-none}'" ;;
esac
exit $status
