#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the READMEs say about the tree is looked up in it: the program in README.md is the example
# that it claims to be and compiles by the command given there; every path, function, make target
# and test that is named exists; and every option of the two structs stands in its table.

set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build/release}
texts="README.md .github/CONTRIBUTING.md */README.md"
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
status=0

# verdict NAME FINDINGS: passed if there are none
verdict()
{
	if [ -z "$2" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1: $(paste -sd ' ' <<<"$2")"
		status=1
	fi
}

# The text in `backticks`, one piece a line.
quoted()
{
	# shellcheck disable=SC2086
	grep -oh '`[^`]*`' $texts | tr -d '`' | sort -u
}

# The names of a struct's fields in a header.
fields_of()
{
	sed -n "/^struct $1 {/,/^};/p" "$2" | grep -E '^	[a-z].*;' |
		sed -E 's/\(\*([a-z_]+)\)\(.*/ \1;/; s/^[^;]*[ *]([a-z_]+);.*/\1/'
}

sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' >"$scratch/echo.c"
verdict "the program in README.md is examples/02_echo.c" \
	"$(sed '1,/^ \*\//d' examples/02_echo.c | diff "$scratch/echo.c" - | head -n 4)"

if [[ $O == *release ]]; then
	command=$(sed -n 's/^    make && gcc //p' README.md)
	command=${command/ echo.c / "$scratch/echo.c" }
	command=${command/ -o echo/ -o "$scratch/echo"}
	# shellcheck disable=SC2086
	verdict "it compiles by the command given there" \
		"$(${CC:-gcc} -Wall -Werror ${command//build\/release/$O} 2>&1 || echo failed)"
	said=$("$scratch/echo" nonsense 1 2>&1)
	verdict "it runs" "$([[ $said == *"is not an address"* ]] || echo "it says: $said")"
else
	echo "skip - it compiles by the command given there: the command is for the release build"
fi

# Links, and words that look like a file below one of the folders.
missing=
for text in $texts; do
	for path in $(grep -o '](\([^)#]*\))' "$text" | sed 's/^](//; s/)$//'); do
		[ -e "$(dirname "$text")/$path" ] || missing+="$text:$path "
	done
done
folders='(numa|rings|io|runtime|examples|tests)'
# shellcheck disable=SC2086
for path in $(grep -ohE "(^|[ (\`])$folders/[A-Za-z0-9_/.-]+\.(c|h|sh|awk|md|txt)\b" $texts |
	sed 's/^[ (`]//' | sort -u); do
	[ -e "$path" ] || missing+="$path "
done
verdict "every file that a README names exists" "$missing"

missing=
for name in $(quoted | grep -oE '\b[a-z_]+\(\)' | sort -u); do
	grep -rqE --include='*.[ch]' "\b${name%()}\(" numa rings io runtime examples ||
		missing+="$name "
done
for name in $(quoted | grep -oE '\b(quoit|QUOIT)_[A-Za-z0-9_]+' | sort -u); do
	grep -rqw --include='*.[ch]' "$name" numa rings io runtime || missing+="$name "
done
verdict "every function and type that a README names exists" "$missing"

missing=
# shellcheck disable=SC2086
for target in $(grep -ohE '(^    |`|&& )make [a-z][a-z-]*' $texts | sed 's/.*make //' | sort -u); do
	grep -q "^$target:.*##" Makefile tests/*/*.mk || missing+="$target "
done
verdict "every make target that a README names exists" "$missing"

missing=
for test in $(sed -n '/^## What is promised/,$p' tests/README.md | awk -F'|' 'NR > 2 { print $4 }' |
	grep -oE '[a-z0-9]+/[a-z_]+' | sort -u); do
	ls "tests/$test".[cs]* "tests/${test/\//\/test_}".c 2>/dev/null | grep -q . ||
		missing+="$test "
done
verdict "every test in the table of promises exists" "$missing"

missing=
for field in $(fields_of quoit_config runtime/runtime.h) \
	$(fields_of quoit_io_options io/io.h) $(sed -n 's/^# config //p' config.mk); do
	[ "$field" = io ] || grep '^|' README.md | grep -q "\`$field\`" || missing+="$field "
done
verdict "every option stands in a table of README.md" "$missing"

lines=$(wc -l <README.md)
verdict "README.md has at most 250 lines" "$([ "$lines" -le 250 ] || echo "it has $lines")"
exit $status
