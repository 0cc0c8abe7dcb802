#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The nodes of this machine, each with each: throughput, round trips and wake-ups by where a ring
# lies, and all cores together; as tables, RESULT lines and a chart.
#
#   numa.sh BUILD            (make bench-numa)
#
# ROUNDS is how often every cell takes its turn, instead of 5. What was printed, the chart and its
# data are left in BUILD/bench-numa/. Exit code 1 if any ring did not lie where it was meant to.

set -u
export LC_ALL=C
here=$(realpath "$(dirname "$0")")
out=$1/bench-numa

# A line for each pair of nodes: its name, and millions of items a second by policy.
cells()
{
	awk '/^RESULT name=bench-numa from=/ {
			for (i = 2; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
			name = value["from"] " to " value["to"]
			if (!(name in seen)) { seen[name] = 1; names[++n] = name }
			mps[name, value["policy"]] = value["mps"]
		}
		END {
			split("consumer producer remote interleave", policies, " ")
			for (i = 1; i <= n; i++) {
				line = names[i]
				for (p = 1; p <= 4; p++)
					line = line "\t" ((names[i], policies[p]) in mps ? \
						mps[names[i], policies[p]] : "-")
				print line
			}
		}' "$1"
}

scaling()
{
	sed -n 's/^RESULT name=bench-numa-scaling cores=\([0-9]*\) mps=\([0-9.]*\).*/\1\t\2/p' "$1"
}

case ${ROUNDS:-5} in
*[!0-9]* | 0)
	echo "bench-numa: ROUNDS=$ROUNDS is not a count" >&2
	exit 2
	;;
esac
mkdir -p "$out" || exit 1
echo "bench-numa: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)," \
	"$(nproc) cpus, nodes $(cat /sys/devices/system/node/online 2>/dev/null || echo 0)"
"$1/tests/bench/numa" "${ROUNDS:-5}" | tee "$out/bench-numa.txt"
status=${PIPESTATUS[0]}
cells "$out/bench-numa.txt" >"$out/cells.data"
scaling "$out/bench-numa.txt" >"$out/scaling.data"
if ! command -v gnuplot >/dev/null; then
	echo "SKIP name=bench-numa chart reason=\"gnuplot is not installed\""
elif [ -s "$out/cells.data" ]; then
	gnuplot -e "cells='$out/cells.data'; scaling='$out/scaling.data'" \
		-e "chart='$out/bench-numa.svg'" "$here/numa.plot" &&
		echo "chart: $out/bench-numa.svg"
fi
exit "$status"
