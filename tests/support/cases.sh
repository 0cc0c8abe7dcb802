# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Cases of a script, one line each: to be sourced. What those that fail leave in $scratch/*.err,
# $scratch/said and $scratch/*.said is told. $status is what to exit with.

status=0

case_is() # NAME CONDITION...: the condition is a command
{
	local name=$1
	shift
	if "$@"; then
		echo "ok - $name"
	else
		echo "not ok - $name: $(
			tail -qn 5 "$scratch"/*.err "$scratch"/{,*.}said 2>/dev/null | paste -sd ' '
		)"
		status=1
	fi
}
