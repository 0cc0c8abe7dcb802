#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Tests on machines with several nodes: boots Debian's kernels in QEMU, and runs programs inside.
#
#   run.sh BUILD PROGRAM ...          (make test-numa)
#
# BUILD is a build directory, the programs are paths below it; the first one, the guest program, is
# told how the machine was made. KERNELS are the suites whose kernels are booted, MACHINES a pattern
# for the names of machines below. What is fetched and made is kept in VM_DIR.
#
# The emulation is TCG with one thread, whatever the machine offers: QEMU 7.2 is not safe otherwise.
# A machine that dies before its first word is started again, one that dies later has failed. Ends
# with `RESULT name=test-numa ...`; what each machine said is in VM_DIR/logs/.

set -u
export LC_ALL=C
KERNELS=${KERNELS:-bullseye bookworm trixie}
MACHINES=${MACHINES:-*}
VM_DIR=${VM_DIR:-build/vm}
here=$(realpath "$(dirname "$0")")
count=$here/../support/count-tests.awk

# On two cores a machine with all its programs takes 15 to 25 s, and a busy host many times that: a
# machine that runs away is stopped by the processor time that it takes.
BOOT_CPU_SECONDS=120
BOOT_SECONDS=900
PROGRAM_SECONDS=240 # each; it takes a few where nobody else wants the processor
START_SECONDS=200 # until its first word
BOOT_TRIES=3

qemu= # the machine that runs, by its process

# Each sets: cpus, what QEMU's -smp takes; nodes, ID:CPUS:MIB; distances, FROM:TO:UNITS; and, where
# programs do not see it so, setup (see init.sh), seen, and mems.
names="pair square memoryless cpuless holes slot offline cpuset"
machine()
{
	cpus=4 nodes="0:0-1:192 1:2-3:192" distances="0:1:21 1:0:21" setup='' seen='' mems=''
	case $1 in
	pair) ;;
	square) # as nodes with links of different length both ways
		nodes="0:0:128 1:1:128 2:2:128 3:3:128"
		distances="0:1:12 0:2:20 0:3:32 1:0:14 1:2:28 1:3:20
			2:0:20 2:1:28 2:3:12 3:0:32 3:1:22 3:2:16"
		;;
	memoryless) # the nearest node is not the first one
		cpus=3 nodes="0:0:192 1:1:192 2:2:0"
		distances="0:1:21 0:2:31 1:0:21 1:2:15 2:0:31 2:1:15"
		;;
	cpuless)
		cpus=3 nodes="0:0-1:160 1:2:160 2::160"
		distances="0:1:21 0:2:17 1:0:21 1:2:28 2:0:17 2:1:28"
		;;
	holes) nodes="0:0,2-3:192 1:1:192" ;;
	slot) # of a cpu that is not plugged in
		cpus=3,maxcpus=4 seen="0:0-1:192 1:2:192"
		;;
	offline) setup=offline=1,2 seen="0:0:192 1:3:192" ;;
	cpuset) setup=cpuset=2-3/1 seen="0::192 1:2-3:192" mems=1 ;;
	esac
	seen=${seen:-$nodes}
}

# ---- what is booted

fail()
{
	echo "test-numa: $*" >&2
	echo "RESULT name=test-numa machines=0 boots=0 passed=0 failed=1 skipped=0"
	exit 1
}

none() # WHY
{
	echo "SKIP name=test-numa reason=\"$*\""
	echo "RESULT name=test-numa machines=0 boots=0 passed=0 failed=0 skipped=1"
	exit 0
}

# The libraries of a program, with the one that loads them.
libraries_of()
{
	ldd "$1" | awk '/=> \// { print $3 } $1 ~ /^\// { print $1 }'
}

# One archive for all machines and kernels.
make_initramfs() # BUILD PROGRAM ...
{
	local build=$1 root=$VM_DIR/root program library
	shift
	rm -rf "$root"
	mkdir -p "$root"/bin "$root"/proc "$root"/sys "$root"/dev "$root"/tests || return 1
	cp "$(command -v busybox)" "$root/bin/busybox" || return 1
	for program in $("$root/bin/busybox" --list); do
		[ -e "$root/bin/$program" ] || ln -s busybox "$root/bin/$program"
	done
	cp "$here/init.sh" "$root/init" && chmod 755 "$root/init" || return 1
	for program in "$@"; do
		mkdir -p "$root/$(dirname "$program")"
		strip -o "$root/$program" "$build/$program" || return 1
		for library in $(libraries_of "$build/$program"); do
			[ -e "$root$library" ] || install -D "$library" "$root$library" || return 1
		done
	done
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$VM_DIR/initramfs" || return 1
	rm -rf "$root"
}

# ---- one boot

qemu_nodes()
{
	local node id cpu list mib total=0
	for node in $nodes; do
		IFS=: read -r id list mib <<<"$node"
		if [ "$mib" != 0 ]; then
			echo "-object memory-backend-ram,id=m$id,size=${mib}M"
		fi
		printf -- '-numa node,nodeid=%s' "$id"
		for cpu in ${list//,/ }; do
			printf ',cpus=%s' "$cpu"
		done
		[ "$mib" = 0 ] || printf ',memdev=m%s' "$id"
		echo
		total=$((total + mib))
	done
	for node in $distances; do
		IFS=: read -r id cpu mib <<<"$node"
		echo "-numa dist,src=$id,dst=$cpu,val=$mib"
	done
	echo "-m ${total}M -smp $cpus"
}

# What guest is told.
guest_words() # RELEASE
{
	local node words=''
	for node in $seen; do
		words+=" node=$node"
	done
	for node in $distances; do
		words+=" distance=$node"
	done
	[ -z "$mems" ] || words+=" mems=$mems"
	is_at_least "$1" 6.1 || words+=" refused"
	is_at_least "$1" 6.9 && words+=" weighs"
	is_at_least "$1" 6.12 && words+=" lends"
	echo "${words# }"
}

is_at_least() # RELEASE VERSION
{
	[ "$(printf '%s\n' "$2" "${1%%-*}" | sort -V | head -n 1)" = "$2" ]
}

# Emulate until it ends; LOG.out is what its programs said.
boot() # KERNEL_DIR LOG TESTS
{
	local words line=() release
	release=$(<"$1/release")
	words=$(guest_words "$release")
	mapfile -t line < <(qemu_nodes | tr ' ' '\n')
	# On a busy host the timer comes later than the kernel's test of it waits for.
	line+=(-machine pc -accel "tcg,thread=single" -cpu "max,la57=off,-cx16"
		-nodefaults -no-user-config -display none -no-reboot
		-kernel "$1/vmlinuz" -initrd "$VM_DIR/initramfs"
		-serial "file:$2.console" -serial "file:$2.out"
		-append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check
			VM_SECONDS=$PROGRAM_SECONDS
			VM_GUEST=\"$words\" VM_SETUP=\"$setup\" VM_TESTS=\"$3\"")
	# The last word goes on one line.
	line[-1]=$(tr -s '\n\t ' ' ' <<<"${line[-1]}")
	rm -f "$2.console" "$2.out"
	(
		ulimit -t "$BOOT_CPU_SECONDS"
		exec timeout --kill-after=5 "$BOOT_SECONDS" qemu-system-x86_64 "${line[@]}"
	) >"$2.qemu" 2>&1 </dev/null &
	qemu=$!
	await "$2.out"
	qemu=
}

# Wait until the machine has ended, and not longer than it may take to begin.
await() # OUT
{
	local until=$((SECONDS + START_SECONDS))
	while kill -0 "$qemu" 2>/dev/null; do
		if ((SECONDS > until)) && ! grep -qs '^VM-START' "$1"; then
			kill "$qemu"
		fi
		sleep 0.2
	done
	wait "$qemu"
}

# ---- what came of it

# Cut what a machine said into a file for each program, and name them with their exit codes.
split_programs() # OUT DIR
{
	tr -d '\r' <"$1" | awk -v dir="$2" '
		/^VM-PROGRAM / {
			log_of = dir "/" $2
			gsub(/\//, "-", log_of)
			log_of = dir "/" substr(log_of, length(dir) + 2) ".log"
			name = $2
			printf "" >log_of
			next
		}
		/^VM-EXIT / { print name, $2, log_of; close(log_of); name = ""; next }
		/^VM-(START|END)/ { next }
		name != "" { print >log_of }
		END { if (name != "") print name, "died", log_of }'
}

judge_program() # NAME RC LOG: adds to passed, failed, skipped
{
	local counts p f s rc=$2 took=0
	[ "$rc" != died ] || rc=1
	[ "$rc" != 137 ] || took=$PROGRAM_SECONDS # killed by its limit
	counts=$(awk -f "$count" -v rc="$rc" -v seconds="$PROGRAM_SECONDS" -v took="$took" \
		-v require_io_uring=0 "$3")
	read -r p f s <<<"${counts%%$'\n'*}"
	boot_passed=$((boot_passed + p)) boot_failed=$((boot_failed + f))
	boot_skipped=$((boot_skipped + s))
	sed -n 's/^ *skipped: //p' <<<"$counts" >>"$VM_DIR/skips"
	[ "$f" = 0 ] || said+=$(printf '\n      %s:\n%s' "$1" "$(grep 'failed: ' <<<"$counts")")
}

judge() # LOG: of a machine that has said its first word
{
	local name rc log there seen
	rm -rf "$1.logs"
	mkdir -p "$1.logs"
	while read -r name rc log; do
		judge_program "$name" "$rc" "$log"
	done < <(split_programs "$1.out" "$1.logs")
	if ! grep -q '^VM-END' "$1.out" || grep -q '^VM-BROKEN' "$1.out"; then
		boot_failed=$((boot_failed + 1))
		said+=$(printf '\n      it did not come to its end: %s' \
			"$(tail -n 3 "$1.console" | tr -s '\r\n' ' ')")
	fi
	read -r seen there < <(sed -n 's/^pages=\([0-9]*\) resident=\([0-9]*\).*/\1 \2/p' "$1.out")
	pages=$((pages + ${seen:-0})) resident=$((resident + ${there:-0}))
}

one() # SUITE MACHINE PROGRAM ...
{
	local suite=$1 name=$2 kernel=$VM_DIR/kernels/$1 log=$VM_DIR/logs/$1-$2 started=$SECONDS
	local boot_passed=0 boot_failed=0 boot_skipped=0 said='' tests='' program try
	shift 2
	machine "$name"
	for program in "$@"; do
		if is_at_least "$(<"$kernel/release")" 6.1 || [[ $program == tests/numa/* ]]; then
			tests+=" ${program#tests/}"
		fi
	done
	for try in $(seq $BOOT_TRIES); do
		boots=$((boots + 1))
		boot "$kernel" "$log" "${tests# }"
		grep -q '^VM-START' "$log.out" 2>/dev/null && break
		repeated=$((repeated + 1))
		[ "$try" != $BOOT_TRIES ] || said=$(printf '\n      it never began: %s' \
			"$(tail -qn 2 "$log.qemu" "$log.console" | tr -s '\r\n' ' ')")
	done
	if [ -z "$said" ]; then judge "$log"; else boot_failed=1; fi
	passed=$((passed + boot_passed)) failed=$((failed + boot_failed))
	skipped=$((skipped + boot_skipped)) machines=$((machines + 1))
	printf '%-5s %-10s %-30s %4d passed, %d failed, %d skipped, %d s%s\n' \
		"$([ $boot_failed = 0 ] && echo ok || echo FAIL)" "$name" \
		"$(<"$kernel/release")" $boot_passed $boot_failed $boot_skipped \
		$((SECONDS - started)) "$said"
}

main()
{
	local build=$1 suite name kernels=() topologies=()
	local boots=0 repeated=0 machines=0 passed=0 failed=0 skipped=0 pages=0 resident=0
	shift
	trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null' EXIT
	trap 'exit 1' INT TERM HUP
	[ "$(uname -m)" = x86_64 ] || none "the machines are x86-64, and this one is not"
	command -v qemu-system-x86_64 busybox cpio >/dev/null || none "QEMU is not installed"
	for name in $names; do
		# shellcheck disable=SC2053
		[[ $name != $MACHINES ]] || topologies+=("$name")
	done
	[ ${#topologies[@]} != 0 ] || fail "MACHINES=$MACHINES: it is one of: $names"
	mkdir -p "$VM_DIR/logs" && : >"$VM_DIR/skips" || exit 1
	for suite in $KERNELS; do
		if bash "$here/fetch-kernel.sh" "$suite" "$VM_DIR/kernels/$suite"; then
			kernels+=("$suite")
		else
			echo "SKIP name=test-numa kernel=$suite reason=\"it cannot be had\""
			skipped=$((skipped + 1))
		fi
	done
	[ ${#kernels[@]} != 0 ] || none "no kernel can be had"
	make_initramfs "$build" "$@" || fail "the initramfs cannot be made"
	shift
	for suite in "${kernels[@]}"; do
		for name in "${topologies[@]}"; do
			# An older kernel refuses in the same words wherever it runs.
			is_at_least "$(<"$VM_DIR/kernels/$suite/release")" 6.1 ||
				[ "$name" = "${topologies[0]}" ] || continue
			one "$suite" "$name" "$@"
		done
	done
	sort "$VM_DIR/skips" | uniq -c | sed 's/^ *\([0-9]*\) /      skipped on \1 of them: /'
	printf 'RESULT name=test-numa machines=%d boots=%d repeated=%d topologies=%d kernels=%d' \
		"$machines" "$boots" "$repeated" ${#topologies[@]} ${#kernels[@]}
	printf ' passed=%d failed=%d skipped=%d pages=%d resident_pct=%d seconds=%d\n' \
		"$passed" "$failed" "$skipped" "$pages" \
		$((pages ? 100 * resident / pages : 0)) $SECONDS
	[ "$failed" = 0 ] && [ "$pages" != 0 ] && [ "$resident" = "$pages" ]
}

if [ $# -lt 2 ]; then
	sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
main "$@"
