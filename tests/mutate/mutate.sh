#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes every small mistake there can be in rings/, one at a time, and looks whether a test notices.
#
#   mutate.sh [PATTERN]      only the mutants whose names match this extended regular expression
#
# A copy of the tree in build/mutants/tree gets all mutants at once (mutants.awk), each behind a
# question that QUOIT_MUTANT answers, so nothing is built twice. Every program first runs without a
# mutant: it must pass, and tells which mutants it comes by and how long it takes. A mutant is then
# judged by the programs that come by it until one fails: memory orders and fences by the model
# checker, then ThreadSanitizer; all others by the unit tests with sanitizers, then by the checker's
# cases about the file that they are in, ThreadSanitizer and the stress programs. A program that has
# not ended after ten times its usual time and 20 s more has hung, which counts as noticing and is
# told.
#
# A mutant that nothing can notice, because it changes nothing that is promised, is listed in
# equivalent.txt with the reason; that one of those is no mutant any more is an error. Every program
# must pass before one of them has survived, which is most of the time all takes: so they are only
# judged with LISTED=1, and then it is an error if one is noticed. JOBS=2 judges at a time.
# Ends with
#
#   RESULT name=mutate mutants=N killed=N equivalent=N survived=N hung=N seconds=N

set -u
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL VARIANT O STRESS_COUNT STRESS_ROUNDS STRESS_SECONDS
export CMOCKA_TEST_ABORT=1 SEED=${SEED:-1}
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export TSAN_OPTIONS=halt_on_error=1
ulimit -c 0
# KiB: a mutant without limits must not take all memory by a memfd. An empty one of 5 GiB is needed.
ulimit -f 6291456

cd "$(dirname "$0")/../.." || exit 2
self=$PWD/tests/mutate/mutate.sh
work=$PWD/build/mutants
tree=$work/tree
equivalent=$PWD/tests/mutate/equivalent.txt

fixed_addresses=
if setarch -R true 2>/dev/null; then
	fixed_addresses="setarch -R"
fi

stop()
{
	echo "mutate.sh: $*" >&2
	exit 2
}

# ---- one program ---------------------------------------------------------------------------------
# A judge is named KIND/PROGRAM: unit/test_spsc, stress/wake, threads/rings/test_lane_race (under
# ThreadSanitizer), model/wake.

# run JUDGE SECONDS LOG: exits with 0 if the program finds nothing wrong, 124 if it hangs.
run()
{
	local name=${1#*/}
	case $1 in
	unit/*) set -- "$tree/build/asan/tests/rings/$name" "$2" "$3" ;;
	stress/*)
		export STRESS_COUNT=200000 STRESS_ROUNDS=100000 STRESS_SECONDS=5
		set -- "$tree/build/release/tests/stress/$name" "$2" "$3"
		;;
	threads/*)
		export STRESS_COUNT=20000 STRESS_ROUNDS=20000 STRESS_SECONDS=5
		set -- "$tree/build/tsan/tests/$name" "$2" "$3"
		;;
	model/*)
		run_model "$name" "$2" "$3"
		return
		;;
	esac
	# In a shell of its own, which keeps "Aborted" off the terminal.
	# shellcheck disable=SC2086
	(
		timeout --kill-after=2 "$2" $fixed_addresses "$1" </dev/null >"$3" 2>&1
		exit $?
	) 2>/dev/null
}

# The checker's own mutants may well end otherwise with one of ours: only what must hold counts.
run_model()
{
	local pid rc=0
	: >"$3"
	timeout --kill-after=2 "$2" "$tree/build/model/tests/model/model" "$1" \
		</dev/null >"$3" 2>&1 &
	pid=$!
	# It goes on after the first violation: there is no need to.
	while kill -0 $pid 2>/dev/null; do
		if grep -q '^not ok.*VIOLATED' "$3"; then
			kill $pid 2>/dev/null
			rc=1
		fi
		sleep 0.1
	done
	wait $pid 2>/dev/null || [ $rc = 1 ] || rc=$?
	[ $rc -gt 1 ] && return $rc
	! grep -q '^not ok.*VIOLATED' "$3"
}

# ---- one mutant: mutate.sh --judge NUMBER --------------------------------------------------------

# The cases of the model checker that are about this file.
model_of()
{
	case $1 in
	notify*) echo model/wake ;;
	spmc*) echo model/lane ;;
	wait*) echo model/doze ;;
	shared_wait*) echo model/steal_wait ;;
	shared_pool* | buffer_* | free_list* | line*) echo model/pool ;;
	*) echo "model/${1%%[._]*}" ;;
	esac
}

# Who noticed it last time, however many mutants there were before it then.
killer_of()
{
	echo "$work/killer/${1//\//-}"
}

# The programs that come by it: those likely to notice first, then the quick ones.
judges_of()
{
	local name=$2 file kind
	file=$(basename "${name%%:*}")
	kind=${name%:*}
	kind=${kind##*:}
	awk -v n="$1" -v kind="$kind" -v own="unit/test_${file%.*}" \
		-v model="$(model_of "$file")" -v reached="$work/reached/" \
		-v last="$(cat "$(killer_of "$name")" 2>/dev/null)" '
		BEGIN { topic = substr(model, 7) }
		{
			judge = $1
			getline answers <(reached judge)
			if (substr(answers, n + 1, 1) != "1")
				next
			split(judge, part, "/")
			if (judge == last) {
				print -1, $2, judge
				next
			}
			# What orders memory on this machine hides it, and one thread has no order.
			if (kind == "order" && part[1] ~ /unit|stress/)
				next
			if (kind == "fence" && part[1] == "threads") # has no fences
				next
			rank = index("own unit model threads stress", \
				judge == own ? "own" : part[1])
			if (kind ~ /order|fence/ && part[1] == "model")
				rank = judge == model ? 0 : 1
			else if (part[1] == "model" && !index(judge, topic) && \
				judge != "model/rebind") # the others take minutes
				next
			print rank, $2, judge
		}' "$work/judges" | sort -n -k1,1 -k2,2
}

is_listed()
{
	grep -q "^$1[[:space:]]" "$equivalent"
}

judge_one()
{
	local number=$1 name line judge ms rc times verdict=survived
	read -r _ name line <<<"$(sed -n "${number}p" "$work/list")"
	if [ -z "${LISTED:-}" ] && is_listed "$name"; then
		echo "survived $name " >"$work/verdict/$number"
		return
	fi
	export QUOIT_MUTANT=$number
	while read -r _ ms judge; do
		# Threads that take turns by whole batches may order what a mutant no longer does.
		times=1
		[[ $name == *:order:* && $judge == threads/* ]] && times=3
		while
			run "$judge" $((20 + ms / 100)) "$work/log/$number"
			rc=$?
			times=$((times - 1))
			[ $rc = 0 ] && [ $times -gt 0 ]
		do
			:
		done
		[ $rc = 0 ] && continue
		verdict=killed
		[ $rc = 124 ] || [ $rc = 137 ] && verdict=hung
		echo "$judge" >"$(killer_of "$name")"
		break
	done < <(judges_of "$number" "$name")
	[ $verdict = survived ] && judge=
	echo "$verdict $name $judge" >"$work/verdict/$number"
	[ $verdict != survived ] || is_listed "$name" ||
		echo "not ok - SURVIVED: $name, line $line"
}

if [ "${1:-}" = --judge ]; then
	judge_one "$2"
	exit 0
fi

# ---- the copy ------------------------------------------------------------------------------------

copy()
{
	local folder
	mkdir -p "$tree" "$work"/{log,verdict,killer,reached} || exit 2
	rm -rf "$work"/verdict/* "$work"/log/* "$work/reached"
	for folder in numa io runtime tests rings; do
		mkdir -p "$work/new"
		rm -rf "${work:?}/new/$folder"
		cp -a "$folder" "$work/new/" || exit 2
	done
	cp -a Makefile config.mk "$work/new/"
	awk -f tests/mutate/mutants.awk -v out="$work/new" -v list="$work/list.new" rings/*.[ch] ||
		stop "the mutants could not be written"
	mv "$work/list.new" "$work/list"
	sed -i '$i #include <mutate/mutant.h>' "$work/new/numa/machine.h"
	cp tests/mutate/mutant.c "$work/new/numa/"
	cp tests/mutate/mutant.c "$work/new/tests/model/"
	# Only what has changed gets a new date, so that only that is built again.
	(cd "$work/new" && find . -type f) | while read -r file; do
		cmp -s "$work/new/$file" "$tree/$file" && continue
		mkdir -p "$tree/${file%/*}"
		cp "$work/new/$file" "$tree/$file"
	done
	(cd "$tree" && find numa io runtime tests rings Makefile config.mk -type f) |
		while read -r file; do
			[ -e "$work/new/$file" ] || rm "$tree/$file"
		done
	rm -rf "$work/new"
}

programs()
{
	local file
	(cd "$tree" && for file in tests/rings/test_*.c; do
		file=${file%.c}
		echo "asan unit/${file##*/} $file"
		# One thread alone has no race.
		grep -q pthread_create "$file.c" && echo "tsan threads/${file#tests/} $file"
	done
	for file in tests/stress/*.c; do
		# The runtime's own have other things to look at.
		grep -qE '<quoit(/runtime/|\.h)' "$file" && continue
		file=${file%.c}
		echo "release stress/${file##*/} $file"
		echo "tsan threads/${file#tests/} $file"
	done)
}

build()
{
	local variant
	# What a mutant leaves uninitialized has the same wrong value each time, and never 0.
	local -A flags=([asan]=-ftrivial-auto-var-init=pattern)
	for variant in asan tsan release; do
		programs | sed -n "s,^$variant [^ ]* ,build/$variant/,p" |
			xargs make -s -C "$tree" -j"${JOBS:-2}" VARIANT=$variant O=build/$variant \
				FLOORS='numa rings' CC="${CC:-gcc}" CONFIG_METRICS=y \
				CPPFLAGS=-Itests CFLAGS="-w ${flags[$variant]-}" \
				>"$work/build.log" 2>&1 || {
			tail -n 20 "$work/build.log" >&2
			stop "the mutated copy does not build"
		}
	done
	make -s -C "$tree" -j"${JOBS:-2}" VARIANT=model O=build/model CC="${CC:-gcc}" \
		CPPFLAGS=-Itests CFLAGS=-w build/model/tests/model/model \
		>"$work/build.log" 2>&1 || {
		tail -n 20 "$work/build.log" >&2
		stop "the model checker with mutants does not build"
	}
}

# What must hold before anything is mutated; writes the list of judges with their milliseconds.
baseline()
{
	local judge spent log=$work/log/baseline TIMEFORMAT='%U %S'
	: >"$work/judges"
	QUOIT_MUTANT=0 run model/ 300 "$log" || stop "the model checker finds something: $log"
	{
		programs | cut -d' ' -f2
		# Groups of cases, by the first word of those that have no flaw.
		sed -n 's,^ok - \([a-z0-9_]*\) .* executions.*preemptions.*,model/\1,p' "$log" |
			sort -u
	} >"$work/names"
	while read -r judge; do
		export QUOIT_MUTANT=-1 MUTANTS_REACHED=$work/reached/$judge
		mkdir -p "${MUTANTS_REACHED%/*}"
		head -c 65536 /dev/zero | tr '\0' 0 >"$MUTANTS_REACHED"
		# Its own time: how much others have of the machine is no measure of a hang.
		spent=$({ time run "$judge" 300 "$log" || echo failed; } 2>&1)
		case $spent in
		*failed*)
			tail -n 20 "$log" >&2
			stop "$judge fails without a mutant"
			;;
		esac
		echo "$judge $spent" | awk '{ print $1, int(1000 * ($2 + $3)) }' >>"$work/judges"
	done <"$work/names"
	unset QUOIT_MUTANT MUTANTS_REACHED
}

# ---- all of them ---------------------------------------------------------------------------------

report()
{
	local mutants killed hung same survived stale=0 name
	mutants=$(cat "$work"/verdict/* | wc -l)
	hung=$(cat "$work"/verdict/* | grep -c '^hung ')
	killed=$(cat "$work"/verdict/* | grep -c '^\(killed\|hung\) ')
	same=0
	while read -r name _; do
		case $name in '' | '#'*) continue ;; esac
		if ! cut -d' ' -f2 "$work/list" | grep -qxF "$name"; then
			echo "not ok - equivalent.txt: no mutant is called $name"
			stale=$((stale + 1))
		elif cat "$work"/verdict/* | grep -q "^\(killed\|hung\) $name "; then
			echo "not ok - equivalent.txt: $name was noticed"
			stale=$((stale + 1))
		elif cat "$work"/verdict/* | grep -q "^survived $name "; then
			same=$((same + 1))
		fi
	done <"$equivalent"
	survived=$((mutants - killed - same))
	cat "$work"/verdict/* | awk '
		{
			split($2, part, ":")
			all[part[3]]++
			lives[part[3]] += $1 == "survived"
		}
		END {
			for (kind in all)
				print "note: " kind ": " all[kind] " mutants, " lives[kind] \
					" not noticed"
		}' | sort
	cat "$work"/verdict/* | sed -n 's/^hung \(.*\) \(.*\)/note: \2 hangs with \1/p'
	echo "RESULT name=mutate mutants=$mutants killed=$killed equivalent=$same" \
		"survived=$survived hung=$hung seconds=$SECONDS"
	[ "$survived" = 0 ] && [ "$stale" = 0 ] && [ $((20 * same)) -le "$mutants" ]
}

pattern=${1:-.}
copy
build
baseline
echo "note: $(wc -l <"$work/list") mutants in rings/; the unchanged programs take" \
	"$(awk '{ ms += $2 } END { print int(ms / 1000) }' "$work/judges") s"
awk -v pattern="$pattern" '$2 ~ pattern { print $1 }' "$work/list" |
	xargs -r -n 1 -P "${JOBS:-2}" bash "$self" --judge
report
