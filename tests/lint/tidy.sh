#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Looks whether the tree keeps its own rules, and whether each rule still bites.
#
#   tidy.sh [CONFIG_H]         (make lint)
#
# Prints `file:line: rule: what to do` for each finding, and ends with
# `RESULT name=lint findings=N rules=N`. For each rule, tests/lint/bad/RULE/ is a small tree which
# must be found to break that rule and no other; a rule without one, or one that is overlooked, is
# a finding too. CONFIG_H is the generated config.h;
# without it, that of the build directory O.

set -u
export LC_ALL=C
CC=${CC:-gcc}
CXX=${CXX:-g++}
config_h=$(realpath "${1:-${O:-build/release}/include/quoit/config.h}") || exit 2
here=$(realpath "$(dirname "$0")")
home=$(realpath "$here/../..")
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

rules="floor include internal ring-alone seam atomic print unsafe worker pairs header format doc
untested comment columns space mark path spdx long-file long-function"

# ---- what is looked at, relative to the root of a tree: check_tree() lists it once in $files

list_files()
{
	find numa rings io runtime examples tests .ci .github Makefile config.mk ./*.md -type f \
		! -path 'tests/lint/bad/*' \( -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' \
		-o -name '*.awk' -o -name '*.py' -o -name '*.mk' -o -name '*.yml' -o -name '*.md' \
		-o -name Makefile -o -path '.ci/*' \) 2>/dev/null | sed 's,^\./,,' | sort
}

c_files()
{
	grep -E '\.([ch]|cc)$' <<<"$files"
}

public_headers()
{
	grep -E '^(numa|rings|io|runtime)/.*\.h$' <<<"$files" | grep -v '_internal\.h$'
}

# ---- the rules that need more than awk over one file

# Each public header must compile alone, as a user of C11 and one of C++17 would include it. Those
# of numa/ and rings/ do so with liburing and libnuma hidden.
check_headers()
{
	local place tree hidden floor header language where
	place=$(mktemp -d "$scratch/XXXXXX")
	tree=$place/include hidden=$place/hidden
	mkdir -p "$tree/quoit" "$hidden"
	cp "$config_h" "$tree/quoit/config.h"
	[ -n "$(public_headers)" ] || return
	for floor in numa rings io runtime; do
		if [ -d "$floor" ]; then
			ln -s "$PWD/$floor" "$tree/quoit/$floor"
		else
			ln -s "$home/$floor" "$tree/quoit/$floor"
		fi
	done
	for header in liburing.h numa.h numaif.h; do
		echo '#error "not installed here"' >"$hidden/$header"
	done
	for language in c11 c++17; do
		for header in $(public_headers); do
			where=(-I"$tree")
			[[ $header == io/* || $header == runtime/* ]] || where+=(-I"$hidden")
			compile_alone "$header" "$language" "${where[@]}"
		done >"$place/$language" &
	done
	wait
	cat "$place/c11" "$place/c++17"
}

compile_alone()
{
	local header=$1 language=$2 compiler=("$CC" -x c -std=c11 -pedantic) errors
	shift 2
	if [ "$language" = c++17 ]; then
		compiler=("$CXX" -x c++ -std=c++17)
	fi
	compiler+=(-Wall -Wextra -Werror -fsyntax-only "$@" -)
	errors=$("${compiler[@]}" <<<"#include <quoit/$header>" 2>&1) && return
	echo "$header:1: header: it does not compile alone as $language:" \
		"$(grep -m 1 -E 'error' <<<"$errors" | sed 's/.*error: //')"
}

# The formatter's opinion changes from version to version: the tree keeps to that of 14.
clang_format()
{
	local program
	for program in clang-format-14 clang-format; do
		if "$program" --version 2>/dev/null | grep -q 'version 14\.'; then
			echo "$program"
			return
		fi
	done
	return 1
}

check_format()
{
	[ -n "$formatter" ] || return
	c_files | xargs -r "$formatter" --style=file --dry-run -Werror 2>&1 |
		awk -F: '$4 == " error" && !seen[$1]++ {
			print $1 ":" $2 ": format: run make format" }'
}

check_text()
{
	xargs -r awk -f "$here/c.awk" -f "$here/tidy.awk" <<<"$files"
	grep -E '^(numa|rings|io|runtime)/.*(\.[ch]|README\.md)$' <<<"$files" |
		xargs -r awk -f "$here/c.awk" -f "$here/pairs.awk"
	{ public_headers; c_files | grep '^tests/'; } |
		xargs -r awk -f "$here/c.awk" -f "$here/docs.awk"
}

check_tree()
{
	local place files
	cd "$1" || exit 2
	files=$(list_files)
	place=$(mktemp -d "$scratch/XXXXXX")
	check_text >"$place/text" &
	check_format >"$place/format" &
	check_headers
	wait
	cat "$place/text" "$place/format"
}

# ---- do the rules bite?

self_test()
{
	local rule found
	for rule in $rules; do
		if [ "$rule" = format ] && [ -z "$formatter" ]; then
			echo "note: clang-format 14 is not here; formatting was not looked at" >&2
			continue
		fi
		if [ ! -d "$here/bad/$rule" ]; then
			echo "tests/lint/bad/$rule:1: self-test: add an example that breaks it"
			continue
		fi
		check_self "$rule" >"$scratch/self-$rule" &
	done
	wait
	cat "$scratch"/self-*
	for found in "$here"/bad/*/; do
		found=$(basename "$found")
		grep -qw -- "$found" <<<"$rules" ||
			echo "tests/lint/bad/$found:1: self-test: there is no rule of that name"
	done
}

# An example marks the lines that must be found, and no others, with the word BAD; it has none if
# the finding is about a whole file.
check_self()
{
	local rule=$1 tree=$here/bad/$1 found others marked line
	found=$( (check_tree "$tree"))
	others=$(grep -v "^[^ ]*:[0-9]*: $rule: " <<<"$found")
	if [ -z "$found" ]; then
		echo "tests/lint/bad/$rule:1: self-test: the rule did not find its example"
	elif [ -n "$others" ]; then
		echo "tests/lint/bad/$rule:1: self-test: also found there: ${others%%$'\n'*}"
	fi
	marked=$(cd "$tree" && grep -rn 'BAD' . | cut -d: -f1,2 | sed 's,^\./,,' | sort)
	[ -n "$marked" ] || return
	found=$(cut -d: -f1,2 <<<"$found" | sort -u)
	for line in $(comm -23 <(echo "$marked") <(echo "$found")); do
		echo "tests/lint/bad/$rule/$line: self-test: the rule overlooked this line"
	done
	for line in $(comm -13 <(echo "$marked") <(echo "$found")); do
		echo "tests/lint/bad/$rule/$line: self-test: the rule has nothing to say here"
	done
}

main()
{
	local findings formatter
	formatter=$(clang_format)
	findings=$(
		self_test >"$scratch/self" &
		(check_tree "$home")
		wait
		cat "$scratch/self"
	)
	[ -z "$findings" ] || printf '%s\n' "$findings"
	printf 'RESULT name=lint findings=%d rules=%d\n' \
		"$(printf '%s' "$findings" | grep -c '')" "$(wc -w <<<"$rules")"
	[ -z "$findings" ]
}

main
