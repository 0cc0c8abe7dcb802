#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Do functions keep what they promise to real-time code, and does the checker notice if not? See
# rtcheck.py, which this calls with the command of the release build. Needs python3 and binutils.
#
#   run.sh [FILE.c ...]        of these sources alone

set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build/release}
compiler=()
case ${CC:-gcc} in
*clang*) compiler=(--cc gcc) ;; # which writes no call graph
esac

if ! command -v python3 >/dev/null; then
	echo "skip - the promises of functions: python3 is not installed"
	exit 77
fi

rtcheck() {
	python3 -B tests/rtcheck/rtcheck.py --flags "$O/flags" --work "${O%/*}/rtcheck" \
		"${compiler[@]}" "$@"
}

if [ $# != 0 ]; then
	rtcheck "$@"
	exit
fi
rtcheck --self-test || exit
. tests/rtcheck/command.sh
