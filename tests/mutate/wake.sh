#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Takes the wake-up protocol apart, one piece at a time, and looks whether a test notices.
#
#   wake.sh [BUILD_DIRECTORY]
#
# Every mutant is a copy of the sources in BUILD_DIRECTORY/mutate, with one edit, and is built and
# tested there with the smallest test that must fail: the tree itself is never touched. An edit
# names the function it is made in and must match exactly one line of it. The test must pass on an
# unchanged copy first. Ends with `RESULT name=mutate-wake mutants=N killed=N survived=N`.

set -u
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL VARIANT O STRESS_COUNT
export CMOCKA_TEST_ABORT=1

cd "$(dirname "$0")/../.." || exit 2
base=${1:-build/release}
work=${base%/*}/mutate
mutants=0 killed=0 survived=0

stop()
{
	echo "wake.sh: $*" >&2
	exit 2
}

# build COPY TEST: gives the program's path in $program. Tests of the rings need no more than them.
build()
{
	local out=build/all floors='numa rings io runtime'
	case $2 in
	rings/* | stress/wake) out=build/rings floors='numa rings' ;;
	esac
	program=$1/$out/tests/$2
	if ! make -s -C "$1" -j"$(nproc)" CC="${CC:-gcc}" WERROR=0 O=$out FLOORS="$floors" \
		"$out/tests/$2" >"$1/build.log" 2>&1; then
		tail -n 20 "$1/build.log" >&2
		stop "$1 does not build"
	fi
}

# run COPY TEST [ARGUMENT]
run()
{
	local argument=${3:-}
	build "$1" "$2"
	# shellcheck disable=SC2086
	# In a shell of its own, which keeps "Aborted" off the terminal.
	(
		timeout --kill-after=5 60 "$program" $argument </dev/null >"$1/test.log" 2>&1
		exit $?
	) 2>/dev/null
}

# edit FILE FUNCTION OLD NEW: in that function, replace OLD, a basic regular expression that must
# match exactly one line.
edit()
{
	local file=$work/mutant/$1 range="/^[A-Za-z].*[ *]$2(/,/^}/" matches
	matches=$(sed -n "$range{/$3/p;}" "$file" | wc -l)
	[ "$matches" = 1 ] ||
		stop "$matches lines of $2() in $1 match '$3'; the mutant must be written anew"
	sed -i "$range{s/$3/$4/;}" "$file"
}

# begin NAME: a fresh copy, for edits to come.
begin()
{
	name=$1
	rm -rf "$work/mutant"
	cp -a "$work/original" "$work/mutant" || exit 2
}

# judge TEST [ARGUMENT]: the edited copy must fail it. A stress test ends with the first failure, so
# it may look long for one: on a busy machine two threads seldom run at the same moment.
judge()
{
	local started=$SECONDS
	export STRESS_ROUNDS=100000000 STRESS_SECONDS=30
	mutants=$((mutants + 1))
	if run "$work/mutant" "$1" "${2:-}"; then
		survived=$((survived + 1))
		echo "not ok - SURVIVED: $name (${1/test_/})"
		return
	fi
	killed=$((killed + 1))
	echo "ok - killed: $name (${1/test_/}, $((SECONDS - started)) s)"
}

original()
{
	local test
	export STRESS_ROUNDS=100000 STRESS_SECONDS=5
	rm -rf "$work"
	mkdir -p "$work/original" || exit 2
	cp -a numa rings io runtime tests Makefile config.mk "$work/original" || exit 2
	for test in rings/test_notify runtime/test_loop_sleep runtime/test_credit \
		stress/wake stress/mesh; do
		if ! run "$work/original" $test; then
			tail -n 20 "$work/original/test.log" >&2
			stop "$test fails on the unchanged sources"
		fi
		if grep -aq '^skip' "$work/original/test.log"; then
			echo "skip - mutants of the wake-up protocol: $test is skipped here," \
				"$(grep -a '^skip' "$work/original/test.log" | head -n 1)"
			exit 77
		fi
	done
}

fences()
{
	begin "the publisher's fence"
	edit rings/notify.h quoit__notify_begin 'quoit_wake_fence();' ''
	judge stress/wake item

	begin "the publisher's fence before the tail store instead of after it"
	edit rings/notify.h quoit__notify_begin 'quoit_wake_fence();' ''
	edit rings/spsc.h quoit_spsc_flush 'quoit_spsc_publish(ring);' 'quoit_wake_fence(); &'
	judge stress/wake item

	begin "the reader's fence"
	edit rings/notify.h quoit_wake_arm 'quoit_fence_full();' ''
	judge stress/wake item

	begin "the closer's fence, and the update before it, which is one on some machines"
	edit rings/notify.h quoit__notify_enter '(void)quoit_add(callers, 1);' \
		'quoit_store(callers, 1);'
	edit rings/notify.h quoit__notify_enter 'quoit_wake_fence();' ''
	judge stress/wake close

	begin "the fence at the end of a turn"
	edit runtime/mail.c flush 'quoit_wake_fence();' ''
	judge stress/mesh
}

bells()
{
	begin "whoever looks rings, not who wins the exchange"
	edit rings/notify.h quoit_wake_owed 'return \(quoit_exchange(.*)\) != 0;' \
		'(void)\1; return true;'
	judge stress/wake flag

	begin "the bell of close"
	edit rings/notify.h quoit__notify_tell '(void)quoit__notify_wake(attached);' ';'
	judge rings/test_notify

	begin "a look before sleep through the cached tail"
	edit rings/spsc.h quoit_spsc_has_news 'quoit__spsc_arrived(ring) != 0' \
		'ring->tail_seen != ring->head_own'
	judge rings/test_notify

	begin "the bell for room in a full lane"
	edit runtime/mail.c ring_for_space 'quoit_loop_ring(mail->loop, from);' ';'
	judge runtime/test_credit
}

sleeping()
{
	begin "the look between arming and sleeping"
	edit runtime/rest.c quoit_loop_rest 'if (quoit_loop_has_news(loop) || stop_goes_on(loop))' \
		'if (false)'
	judge runtime/test_loop_sleep

	begin "the arming"
	edit runtime/rest.c quoit_loop_rest 'quoit_wake_arm(&loop->wake);' ''
	judge runtime/test_loop_sleep

	begin "the arming after the look instead of before it"
	edit runtime/rest.c quoit_loop_rest 'quoit_wake_arm(&loop->wake);' ''
	edit runtime/rest.c quoit_loop_rest 'if (quoit_loop_has_news(loop) || stop_goes_on(loop))' \
		'if (quoit_loop_has_news(loop) || (quoit_wake_arm(\&loop->wake), false))'
	judge runtime/test_loop_sleep

	begin "polling the bell again before sleeping"
	edit runtime/rest.c quoit_loop_has_work 'quoit_bell_is_deaf(loop) ||' ''
	judge runtime/test_loop_sleep
}

if [ "$(nproc)" -lt 2 ]; then
	echo "skip - mutants of the wake-up protocol: one cpu alone does not reorder"
	exit 77
fi
original
fences
bells
sleeping
rm -rf "$work"
echo "RESULT name=mutate-wake mutants=$mutants killed=$killed survived=$survived"
[ "$survived" = 0 ]
