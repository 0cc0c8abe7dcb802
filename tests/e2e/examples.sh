#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The examples that are programs of their own run to their end and say what they promise.

set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build/release}
status=0

# expect NAME PATTERN COMMAND...: it exits with 0 and a line of its output matches
expect()
{
	local name=$1 pattern=$2 said
	shift 2
	if said=$(timeout 30 "$@" 2>&1) && grep -qE "$pattern" <<<"$said"; then
		echo "ok - $name"
	else
		echo "not ok - $name: $(paste -sd ' ' <<<"$said")"
		status=1
	fi
}

expect "01_ring reads all that was written, in order" \
	'^100000 readings in [0-9]+ batches, 0 out of order' "$O/examples/01_ring" 100000
expect "03_zero_copy passes pictures, and every buffer comes back" \
	'^256 buffers, 256 of them free in the end' "$O/examples/03_zero_copy" 2000
expect "03_zero_copy is refused what it gives back twice" \
	'^2000 handles were given back twice, and refused' "$O/examples/03_zero_copy" 2000
expect "05_pipeline hands over what three producers sent, and comes to its end" \
	'^60000 orders from 3 producers, 0 out of order' "$O/examples/05_pipeline" 20000
expect "06_channels handles in batches what three workers sent, and comes to its end" \
	'^3000 orders in [0-9]+ batches' "$O/examples/06_channels"
# M10: the loop in other people's programs, and theirs in it.
expect "07_host_epoll hosts a set that its handler does not drain" \
	'^8000 words of 8000 echoed' "$O/examples/07_host_epoll"
expect "08_embed_uring leaves the application's completions alone" \
	'^20 ticks, 20 polled; .*: 20 reads, [1-9][0-9]* timeouts, 0 strange' \
	"$O/examples/08_embed_uring"
if [ -x "$O/examples/09_embed_libuv" ]; then
	expect "09_embed_libuv runs our loop and its own timers and pipes" \
		"^20 ticks, 20 polled, 20 works; libuv's: 20 ticks, 20 read" \
		"$O/examples/09_embed_libuv"
else
	echo "skip - 09_embed_libuv: <uv.h> is not installed (libuv1-dev)"
fi
# B187: what one process makes, another reads; 20,000 words are no whole number of pages.
expect "11_fd_pass hands memory to another process, which reads it" \
	'^read 20000 words, 20000 of them right' "$O/examples/11_fd_pass" 20000
# A29: bounded, and to the end also where real time is refused, which it then says.
expect "10_rt_frame runs every frame and tells how late they began" \
	'^100 frames of 1000 us: [0-9]+ began a period late' "$O/examples/10_rt_frame" 100 1000
expect "10_rt_frame says what it runs as" \
	'^real time( is refused: real-time level 10 is not permitted|: SCHED_FIFO, level 10)' \
	"$O/examples/10_rt_frame" 10 1000
# refused PATTERN COMMAND...: it exits with 2, says why, and does nothing else
refused()
{
	local pattern=$1 said
	shift
	said=$(timeout 10 "$@" 2>&1)
	if [ $? = 2 ] && grep -qxE "$pattern" <<<"$said"; then
		echo "ok - ${1##*/} ${*:2} is refused"
	else
		echo "not ok - ${1##*/} ${*:2} is refused: $(paste -sd ' ' <<<"$said")"
		status=1
	fi
}
for arguments in -5 abc 0 --help 100001 '10 abc' '10 0' '10 1000001'; do
	# shellcheck disable=SC2086
	refused "10_rt_frame: ${arguments#* } is not possible: .* 1 to 100000, .* 1 to 1000000" \
		"$O/examples/10_rt_frame" $arguments
done
refused "kv: --cores 99999 is not possible \(1 to 1024\); .*" "$O/examples/kv/kv" --cores 99999
refused "kv: --front beside --memory is not possible \(.*" \
	"$O/examples/kv/kv" --front none --memory 1g
refused "kv: --front beside --bulk is not possible \(.*" "$O/examples/kv/kv" --bulk 1m --front none
refused "kv: --back beside --port is not possible \(.*" "$O/examples/kv/kv" --back none --port 1
refused "kv: --back beside --bind is not possible \(.*" "$O/examples/kv/kv" --bind ::1 --back none
for arguments in abc -5 '10 abc' 10x; do
	# shellcheck disable=SC2086
	refused "08_shared_writer: ${arguments#* } is no number: .*" \
		"$O/examples/08_shared_writer" $arguments
done
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	# By name still root, so that it may read its program wherever the tree lies.
	nobody="setpriv --bounding-set -all --inh-caps -all bash -c"
	# shellcheck disable=SC2016,SC2086
	expect "10_rt_frame runs without any right, and says so" \
		'^real time is refused: .*CAP_SYS_NICE' \
		$nobody 'ulimit -r 0; ulimit -l 0; "$0" 10 1000' "$O/examples/10_rt_frame"
	# shellcheck disable=SC2016,SC2086
	expect "10_rt_frame names memory that is not locked" '^memory: .* not locked' \
		$nobody 'ulimit -r 0; ulimit -l 0; "$0" 10 1000' "$O/examples/10_rt_frame"
else
	echo "skip - 10_rt_frame without any right: only root can give its rights up"
fi
expect "kv tells which core runs on which cpu, and why" \
	'^loop 0: cpu [0-9]+ of node [0-9]+, a core of its own' \
	timeout --preserve-status -s TERM 2 "$O/examples/kv/kv" --port 0 --plan --spread
exit $status
