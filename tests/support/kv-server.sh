# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The key-value example as a server, for the scripts that use it: to be sourced.

# start_kv STEM KV ARGUMENT...: KV in the background, which says into STEM.out and STEM.err; sets
# $server. Waits until it listens, and sets $port; false if it does not.
start_kv()
{
	local stem=$1
	shift
	rm -f "$stem.out" "$stem.err" # an earlier server's port
	"$@" --port 0 >"$stem.out" 2>"$stem.err" &
	server=$!
	for _ in $(seq 200); do
		port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$stem.out")
		[ -z "$port" ] || return 0
		kill -0 "$server" 2>/dev/null || break
		sleep 0.05
	done
	return 1
}
