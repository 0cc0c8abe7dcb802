#!/bin/bash
# SPDX-License-Identifier: MIT
#
# SIGTERM for the key-value example under load, at any moment: it ends in order, and whatever it has
# answered is right and whole. redis-benchmark adds its load where it is installed.

set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/support/kv-server.sh
O=${O:-build/release}
scratch=$(mktemp -d) || exit 2
server=
status=0
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf "$scratch"' EXIT

not_ok() # NAME FILE...
{
	echo "not ok - $1"
	shift
	cat "$@" | sed 's/^/#   /' | tail -n 20
	status=1
}

for cores in 1 2 4; do
	for tenths in 1 3; do
		name="SIGTERM under load, $cores cores, after 0.$tenths s"
		if ! start_kv "$scratch/kv" "$O/examples/kv/kv" --cores "$cores"; then
			not_ok "$name" "$scratch/kv.err"
			break
		fi
		"$O/tests/e2e/last_replies" "$port" >"$scratch/load" 2>&1 &
		load=$!
		if command -v redis-benchmark >/dev/null; then
			redis-benchmark -p "$port" -c 20 -n 100000000 -P 8 -t set,get \
				>/dev/null 2>&1 &
		fi
		sleep "0.$tenths"
		kill -TERM "$server"
		wait "$server"
		rc=$?
		server=
		wait "$load"
		load_rc=$?
		wait
		echo "exit code $rc" >"$scratch/said"
		if [ $rc = 0 ] && [ $load_rc = 0 ] && [ ! -s "$scratch/kv.err" ]; then
			echo "ok - $name: $(cat "$scratch/load")"
		else
			not_ok "$name" "$scratch/said" "$scratch/kv.err" "$scratch/load"
		fi
	done
done
exit $status
