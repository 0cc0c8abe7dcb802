#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What quoit's rings do beside their peers, and beside what the machine can do at all.
#
#   rings.sh BUILD [BUILD_V2]        (make bench-rings)
#   rings.sh --unpack-dpdk DIR
#
# BUILD is the build for this machine, BUILD_V2 the one for any x86-64; the cells of the second are
# called bench-rings-v2. CELLS is a shell pattern for the names of cells (rings/rings -l lists
# them), ROUNDS how often all contenders of a cell take their turns. Measurements, the chart and its
# data are left in BUILD/bench-rings/.
#
# rte_ring needs headers alone, while the package that has them needs two hundred others: they are
# unpacked into DIR, where apt-get may download and nothing was found installed.

set -u
export LC_ALL=C
here=$(realpath "$(dirname "$0")")
ROUNDS=${ROUNDS:-}
CELLS=${CELLS:-*}

fail()
{
	echo "bench-rings: $*" >&2
	exit 1
}

unpack_dpdk() # DIR
{
	local header
	for header in /usr/include/dpdk/rte_ring.h "$1"/usr/include/dpdk/rte_ring.h; do
		[ ! -e "$header" ] || return 0
	done
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
	mkdir -p "$1" || return 1
	if ! (cd "$1" && apt-get -q download libdpdk-dev && dpkg-deb -x libdpdk-dev*.deb . &&
		rm libdpdk-dev*.deb) >"$1/log" 2>&1; then
		echo "note: rte_ring will be missing, because libdpdk-dev could not be had:" \
			"$(grep -m 1 '^E:' "$1/log")" >&2
	fi
}

# The measurements of one build, and what they say.
measure() # BUILD NAME ROUNDS CELLS
{
	local out=$1/bench-rings
	mkdir -p "$out" || exit 1
	rm -f "$out/$2.data"
	"$1/tests/bench/rings/rings" -r "$3" -c "$4" >"$out/$2.tsv" || fail "$2: it ended early"
	awk -v name="$2" -v data="$out/$2.data" -f "$here/rings.awk" "$out/$2.tsv"
}

if [ "${1:-}" = --unpack-dpdk ]; then
	unpack_dpdk "$2"
	exit
fi
case $ROUNDS in
*[!0-9]* | 0) fail "ROUNDS=$ROUNDS is not a count" ;;
esac

echo "bench-rings: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)," \
	"$(nproc) cpus; threads pinned, producers before consumers, to one cpu after the other"
measure "$1" bench-rings "${ROUNDS:-7}" "$CELLS"
if [ -n "${2:-}" ]; then
	echo
	echo "The same for any x86-64 (x86-64-v2):"
	measure "$2" bench-rings-v2 "${ROUNDS:-3}" "$CELLS"
fi
