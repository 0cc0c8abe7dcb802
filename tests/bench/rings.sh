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
# them), ROUNDS how often all contenders of a cell take their turns, instead of 5, and 3 where it
# matters less. Measurements, the chart and its
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

# Asked for what is not there: nothing was begun.
refuse()
{
	echo "bench-rings: $*" >&2
	exit 2
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

# The names of the cells that are asked for.
chosen() # PROGRAM
{
	local cell
	for cell in $("$1" -l); do
		# shellcheck disable=SC2053
		[[ $cell != $CELLS ]] || echo "$cell"
	done
}

# The measurements of one build, and what they say.
measure() # BUILD NAME ROUNDS ROUNDS_OF_LARGE_RINGS
{
	local out=$1/bench-rings rounds=$3 program=$1/tests/bench/rings/rings cell
	local tsv=$out/$2.tsv
	[[ $CELLS == *64k* ]] && set -- "$1" "$2" "$3" "$3" # asked for: as well as the others
	mkdir -p "$out" || exit 1
	rm -f "$out/$2".*
	for cell in $(chosen "$program"); do
		[[ $cell == *64k* ]] && rounds=$4 || rounds=$3
		[ "$rounds" = 0 ] || "$program" -r "$rounds" -c "$cell" >>"$tsv" ||
			fail "$cell: it ended early"
	done
	[ -s "$tsv" ] || fail "nothing was measured"
	awk -v name="$2" -v data="$out/$2.data" -f "$here/rings.awk" "$tsv"
	if command -v gnuplot >/dev/null && [ -s "$out/$2.data" ]; then
		gnuplot -e "data='$out/$2.data'; chart='$out/$2.svg'; title='$2'" \
			"$here/rings.plot" && echo "chart: $out/$2.svg"
	else
		echo "SKIP name=$2 chart reason=\"gnuplot is not installed\""
	fi
}

if [ "${1:-}" = --unpack-dpdk ]; then
	unpack_dpdk "$2"
	exit
fi
case $ROUNDS in
*[!0-9]* | 0) refuse "ROUNDS=$ROUNDS is not a count" ;;
esac

program=$1/tests/bench/rings/rings
[ -n "$(chosen "$program")" ] || refuse "CELLS=$CELLS: no cell matches; $program -l lists them"

echo "bench-rings: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)," \
	"$(nproc) cpus; threads pinned, producers before consumers, to one cpu after the other"
"$1/tests/bench/ring_limits"
measure "$1" bench-rings "${ROUNDS:-5}" "${ROUNDS:-3}"
if [ -n "${2:-}" ]; then
	echo
	echo "The same for any x86-64 (x86-64-v2), rings of 4,096:"
	measure "$2" bench-rings-v2 "${ROUNDS:-3}" 0
fi
"$1/tests/bench/ring_latency" "${ROUNDS:-9}"
