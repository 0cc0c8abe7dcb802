#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs a redis server in the foreground with the arguments given: the reference for the key-value
# example's replies and for `make bench-net`. Debian's redis-tools carries the very program as
# redis-check-rdb (it looks at its own name), so the daemon's package is not needed.

if command -v redis-server >/dev/null; then
	exec redis-server "$@"
fi
program=$(command -v redis-check-rdb) || {
	echo "redis-server.sh: neither redis-server nor redis-tools is installed" >&2
	exit 127
}
exec -a redis-server "$program" "$@"
