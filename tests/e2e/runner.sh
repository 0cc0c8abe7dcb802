#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Does the runner notice what it must? Each case is a program that misbehaves in one way, and the
# closing line expected for it. A runner that overlooks a failure would hide all others.

set -u
cd "$(dirname "$0")/../.." || exit 2
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
status=0

# expect NAME "P passed, F failed, S skipped" [VARIABLE=VALUE] <PROGRAM
expect()
{
	local name=$1 want=$2 got rc want_rc=1
	shift 2
	cat >"$scratch/program.sh"
	got=$(env REQUIRE_IO_URING=0 TEST_LOGS="$scratch/logs" "$@" tests/support/run-tests.sh \
		1:"$scratch/program.sh")
	rc=$?
	got=$(tail -n 2 <<<"$got" | head -n 1)
	[[ $want != *", 0 failed,"* ]] || want_rc=0
	if [ "$got" = "$want" ] && [ $rc = $want_rc ]; then
		echo "ok - $name"
	else
		echo "not ok - $name: wanted \"$want\", got \"$got\", exit code $rc"
		status=1
	fi
}

expect "a program that says nothing and exits with 0 is one passed case" \
	"1 passed, 0 failed, 0 skipped" <<<'exit 0'
expect "one that exits with 1 is one failed case" "0 passed, 1 failed, 0 skipped" <<<'exit 1'
expect "lines are counted" "2 passed, 0 failed, 1 skipped" <<'END'
echo "ok - one"
echo "skip - two: io_uring is refused here"
echo "ok - three"
END
expect "a failing line counts although the exit code is 0" "1 passed, 1 failed, 0 skipped" <<'END'
echo "ok - one"
echo "not ok - two"
END
expect "an exit code counts although every line passed" "1 passed, 1 failed, 0 skipped" <<'END'
echo "ok - one"
exit 66
END
expect "a program that is killed has failed" "1 passed, 1 failed, 0 skipped" <<'END'
echo "ok - one"
kill -SEGV $$
END
expect "a program that does not end has failed" "1 passed, 1 failed, 0 skipped" <<'END'
echo "ok - one"
exec sleep 20
END
expect "a skip for want of io_uring fails where it is required" "1 passed, 1 failed, 1 skipped" \
	REQUIRE_IO_URING=1 <<'END'
echo "ok - one"
echo "skip - two: io_uring is refused here"
echo "skip - three: one cpu only"
END
expect "cmocka's cases are counted once, not again in its summary" "1 passed, 1 failed, 1 skipped" \
	<<'END'
echo "[ RUN      ] it_holds"
echo "text without an end of line[       OK ] it_holds"
echo "[ RUN      ] it_breaks"
echo "[  FAILED  ] it_breaks"
echo "[ RUN      ] it_cannot"
echo "skip: one cpu only"
echo "[  SKIPPED ] it_cannot"
echo "[  FAILED  ] it_breaks"
exit 1
END
expect "a cmocka case that never ends has failed" "1 passed, 1 failed, 0 skipped" <<'END'
echo "[ RUN      ] it_holds"
echo "[       OK ] it_holds"
echo "[ RUN      ] it_exits"
END
expect "a group whose setup fails has failed" "0 passed, 1 failed, 0 skipped" <<'END'
echo "[  FAILED  ] GROUP SETUP"
exit 1
END
expect "exit code 77 is a skip, and a run without a case has failed" \
	"0 passed, 1 failed, 1 skipped" <<<'exit 77'
exit $status
