#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs test programs one after the other and counts what they say.
#
#   run-tests.sh [--name NAME] [SECONDS:]PROGRAM ...
#
# A cmocka program counts by its test cases. A script or a program without cmocka counts by lines
# `ok - name`, `not ok - name` and `skip - name: reason`; one that prints none of them is a single
# case, passed when it exits with 0. A crash, a timeout (60 s unless given), a sanitizer's report
# and an exit code that contradicts the lines are a failed case each. The last two lines are for
# people and for programs:
#
#   12 passed, 0 failed, 1 skipped
#   RESULT name=test passed=12 failed=0 skipped=1
#
# REQUIRE_IO_URING=1 makes a failure of each skip whose reason speaks of io_uring. A cmocka test
# gives its reason with skip_because() of tests/support/skip.h. A line that begins with `RESULT` or
# `note:` is shown; whatever a program printed is kept in build/test-logs/.

set -u
export LC_ALL=C
unset CMOCKA_XML_FILE CMOCKA_TEST_ABORT MAKEFLAGS MFLAGS MAKELEVEL
export CMOCKA_MESSAGE_OUTPUT=STDOUT
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1}

here=$(dirname "$0")
logs=${TEST_LOGS:-build/test-logs}
name='test'
passed=0 failed=0 skipped=0

# "build/asan/tests/rings/test_spsc" is spoken of as "asan rings/test_spsc".
split_path()
{
	variant=
	label=${1#tests/}
	if [[ $1 == */tests/* ]]; then
		variant=${1%%/tests/*}
		variant=${variant##*/}
		label=${1#*/tests/}
	fi
}

# gcc 12's ThreadSanitizer does not start where the kernel randomises addresses by many bits.
fixed_addresses=
if setarch -R true 2>/dev/null; then
	fixed_addresses="setarch -R"
fi

run_one()
{
	local program=$1 seconds=$2 log=$3 prefix=
	case $program in
	*.sh) prefix=bash ;;
	*/tsan/*) prefix=$fixed_addresses ;;
	esac
	case $program in
	/* | */*) ;;
	*) program=./$program ;;
	esac
	# In a shell of its own, which keeps "Aborted" and the like off the terminal.
	# shellcheck disable=SC2086
	(
		timeout --kill-after=5 "$seconds" $prefix "$program" </dev/null >"$log" 2>&1
		exit $?
	) 2>/dev/null
}

one()
{
	local program=$1 seconds=$2 variant label log rc started tenths counts verdict p f s
	split_path "$program"
	log=$logs/${variant:-script}/${label%.*}.log
	mkdir -p "$(dirname "$log")"
	started=$(date +%s%N)
	run_one "$program" "$seconds" "$log"
	rc=$?
	tenths=$((($(date +%s%N) - started) / 100000000))
	counts=$(awk -f "$here/count-tests.awk" -v rc="$rc" -v seconds="$seconds" \
		-v took=$((tenths / 10)) -v require_io_uring="${REQUIRE_IO_URING:-0}" "$log")
	read -r p f s <<<"${counts%%$'\n'*}"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	[ "$f" = 0 ] && verdict=ok || verdict=FAIL
	printf '%-5s %-8s %-28s %3d passed' $verdict "$variant" "$label" "$p"
	[ "$f" = 0 ] || printf ', %d failed' "$f"
	[ "$s" = 0 ] || printf ', %d skipped' "$s"
	printf ', %d.%d s\n' $((tenths / 10)) $((tenths % 10))
	[[ $counts != *$'\n'* ]] || printf '%s\n' "${counts#*$'\n'}"
	# Figures and hints meant for whoever runs the tests.
	grep -aE '^(RESULT|note:) ?' "$log" | sed 's/^/      /'
	if [ "$f" != 0 ]; then
		echo "      the end of $log:"
		tail -n "${TEST_TAIL:-40}" "$log" | sed 's/^/      | /'
		failures+=("$variant $label")
	fi
}

main()
{
	local item seconds failures=()
	if [ "${1:-}" = --name ]; then
		name=$2
		shift 2
	fi
	for item in "$@"; do
		seconds=60
		if [[ $item =~ ^([0-9]+):(.*)$ ]]; then
			seconds=${BASH_REMATCH[1]}
			item=${BASH_REMATCH[2]}
		fi
		one "$item" "$seconds"
	done
	if [ $((passed + failed)) = 0 ]; then
		echo "FAIL  no test case ran"
		failed=1
	fi
	if [ ${#failures[@]} != 0 ]; then
		echo "failed:"
		printf '  %s\n' "${failures[@]}"
	fi
	echo "$passed passed, $failed failed, $skipped skipped"
	echo "RESULT name=$name passed=$passed failed=$failed skipped=$skipped"
	[ "$failed" = 0 ]
}

main "$@"
