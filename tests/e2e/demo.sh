#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `make demo` in short, and whether it fails as it should: with servers that do not start, die, stay
# or end badly. Those are played by a script, with redis to answer the load where there is one.

set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build/release}
scratch=$(mktemp -d) || exit 2
status=0

kill_redis()
{
	if [ -s "$scratch/redis.pid" ]; then
		kill -KILL "$(<"$scratch/redis.pid")" 2>/dev/null
		rm -f "$scratch/redis.pid"
	fi
}
trap 'kill_redis; rm -rf "$scratch"' EXIT

verdict()
{
	if [ "$1" = ok ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		printf '  exit code %s\n' "$rc"
		sed 's/^/  /' "$scratch/out" "$scratch/err"
		status=1
	fi
}

run_demo()
{
	DEMO_S=1 DEMO_PATIENCE_S=5 bash examples/demo.sh "$1" >"$scratch/out" 2>"$scratch/err"
	rc=$?
}

# A build directory whose server is the script on stdin.
fake_build()
{
	rm -rf "$scratch/build"
	mkdir -p "$scratch/build/examples/kv" "$scratch/build/examples/load"
	ln -s "$(realpath "$O/examples/load/load")" "$scratch/build/examples/load/load"
	{
		printf '#!/bin/bash\nscratch=%q\necho $$ >"$scratch/kv.pid"\n' "$scratch"
		cat
	} >"$scratch/build/examples/kv/kv"
	chmod +x "$scratch/build/examples/kv/kv"
}

# has_ended PID: it has, or does so soon; what is killed may take its time to be reaped.
has_ended()
{
	local state
	for _ in {1..50}; do
		read -r _ _ state _ 2>/dev/null </proc/"$1"/stat || return 0
		[ "$state" != Z ] || return 0
		sleep 0.1
	done
	return 1
}

# expect_failure NAME EXIT_CODE REGEX: the demo of the server on stdin fails with that reason, and
# the server is gone afterwards.
expect_failure()
{
	local good=ok
	fake_build
	run_demo "$scratch/build"
	[ "$rc" = "$2" ] || good=
	grep -qE "$3" "$scratch/err" || good=
	has_ended "$(<"$scratch/kv.pid")" || good=
	verdict "$good" "$1"
	kill_redis
}

# The start of a server that is redis behind a script; what follows it makes the fault.
redis_begins()
{
	cat <<'SCRIPT'
for try in 1 2 3 4 5; do
	port=$((20000 + RANDOM % 12000))
	tests/support/redis-server.sh --port $port --bind 127.0.0.1 --save '' --dir "$scratch" \
		>/dev/null 2>&1 &
	redis=$!
	echo $redis >"$scratch/redis.pid"
	for tenths in {1..30}; do
		kill -0 $redis 2>/dev/null || break
		if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then
			break 2
		fi
		sleep 0.1
	done
done
echo "listening on 127.0.0.1:$port"
SCRIPT
}

real_demo()
{
	local good=ok last form
	if [ ! -x "$O/examples/kv/kv" ]; then
		echo "skip - the demo of the real server: there is no $O/examples/kv/kv"
		return
	fi
	run_demo "$O"
	if [ "$rc" = 2 ] && grep -q io_uring "$scratch/err"; then
		echo "skip - the demo of the real server: $(head -n 1 "$scratch/err")"
		return
	fi
	last=$(tail -n 1 "$scratch/out")
	[ "$rc" = 0 ] || good=
	form='^RESULT name=demo requests=[1-9][0-9]* lost=0 wrong=0 forwarded_pct=[0-9]+'
	form+=' bells=[0-9]+ elided=[0-9]+$'
	[[ $last =~ $form ]] || good=
	verdict "$good" "the demo loads the server on every core, and nothing is lost or wrong"
	[ -z "$good" ] || echo "note: $last"
}

real_demo

expect_failure "a server that is refused passes its reason and exit code on" 2 \
	'^kv: io_uring is refused: try this$' <<'SCRIPT'
echo "kv: io_uring is refused: try this" >&2
exit 2
SCRIPT

expect_failure "a server that ends at once is a fault even if it says 0" 1 \
	'before it listened' <<'SCRIPT'
exit 0
SCRIPT

expect_failure "a server that never listens is given up" 1 'did not listen within' <<'SCRIPT'
exec sleep 60
SCRIPT

expect_failure "a port on which nobody listens is a fault" 2 'cannot connect' <<'SCRIPT'
echo "listening on 127.0.0.1:1"
exec sleep 60
SCRIPT

if ! command -v redis-server redis-check-rdb >/dev/null; then
	echo "skip - servers that fail under load: no redis server is installed"
	exit $status
fi

expect_failure "a server that dies under load is named as the reason" 1 'killed by SIGKILL' < <(
	redis_begins
	echo 'sleep 0.5; kill -KILL $redis; kill -KILL $$'
)
grep -q '^RESULT name=demo .* lost=[1-9]' "$scratch/out"
verdict "$([ $? = 0 ] && echo ok)" "what was lost with it is counted"

expect_failure "a server that ends with an error after SIGTERM is a fault" 1 \
	'but ended with exit code 3' < <(
	redis_begins
	echo 'trap "kill $redis; exit 3" TERM; wait $redis'
)

expect_failure "a server that does not end is killed, and a fault" 1 'did not end within' < <(
	redis_begins
	echo 'trap "" TERM; while :; do sleep 1; done'
)

expect_failure "a server that tells nothing about its bells is a fault" 1 \
	'nothing about its bells' < <(
	redis_begins
	echo 'trap "kill $redis; exit 0" TERM; wait $redis'
)

exit $status
