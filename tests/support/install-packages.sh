#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Gives a newcomer what quoit needs, or one line to run.
#
#   install-packages.sh [--list] SET|PACKAGE ...   sets: build demo test bench vm
#   install-packages.sh --check build|test         only look; used before the first compile
#
# Packages that are missing are installed with apt-get when we are root or sudo asks no password.
# Otherwise one line says what to run, and the exit code is 1. Only packages are added to the
# system: none of these sets holds a daemon (redis-tools carries the redis server's program, see
# tests/support/redis-server.sh), and RUNLEVEL=1 keeps what a dependency may bring from starting.

set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 1

# header, the package that has it; `a|b` is the first of them that this distribution knows.
always="stdio.h=libc6-dev liburing.h=liburing-dev"
when_included="sodium.h=libsodium-dev uthash.h=uthash-dev utlist.h=uthash-dev numa.h=libnuma-dev"
sources="numa rings io runtime examples"
tests_too="cmocka.h=libcmocka-dev numa.h=libnuma-dev"
test_tools="redis-tools g++ clang-format-14|clang-format libuv1-dev python3 binutils"
bench_tools="redis-tools linux-perf|linux-tools-generic g++ gnuplot-nox libck-dev libboost-dev
	liburcu-dev libconcurrentqueue-dev"
vm_tools="qemu-system-x86 busybox-static cpio"

# The header=package words that the sources ask for.
wanted_headers()
{
	local pair
	echo "$always"
	# shellcheck disable=SC2086
	for pair in $when_included; do
		if grep -rqs --include='*.[ch]' "^#include <${pair%%=*}>" $sources; then
			echo "$pair"
		fi
	done
	if [ "$1" = test ]; then
		echo "$tests_too"
	fi
}

packages_of()
{
	local pair
	case $1 in
	build | demo | test | bench)
		echo "pkg-config"
		for pair in $(wanted_headers "$1"); do
			echo "${pair#*=}"
		done
		;;&
	test) echo "$test_tools" ;;
	bench) echo "$bench_tools" ;;
	vm) echo "$vm_tools" ;;
	build | demo) ;;
	-*)
		echo "install-packages.sh: unknown option $1" >&2
		return 1
		;;
	*) echo "$1" ;;
	esac
}

is_installed()
{
	dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed && return
	# pkgconf stands in for pkg-config in some places.
	[ "$1" = pkg-config ] && command -v pkg-config >/dev/null
}

# The missing ones of the words given, alternatives still in them.
missing()
{
	local word name found
	for word in "$@"; do
		found=
		for name in ${word//|/ }; do
			if is_installed "$name"; then
				found=1
			fi
		done
		if [ -z "$found" ]; then
			echo "$word"
		fi
	done | sort -u
}

has_candidate()
{
	apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'
}

# One name for each word: the first that apt knows, else the last.
choose()
{
	local word name
	for word in "$@"; do
		for name in ${word//|/ }; do
			has_candidate "$name" && break
		done
		echo "$name"
	done
}

all_known()
{
	local name
	for name in "$@"; do
		has_candidate "$name" || return 1
	done
}

# The line for a human to run.
advice()
{
	local names sudo='' update=''
	if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
		sudo="sudo "
	fi
	names=$(choose "$@" | paste -sd ' ')
	# shellcheck disable=SC2086
	all_known $names || update="${sudo}apt-get update && "
	[ -n "$sudo" ] && printf 'Run: ' || printf 'Run as root: '
	echo "$update${sudo}apt-get install -y --no-install-recommends $names"
}

apt_get()
{
	$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 NEEDRESTART_SUSPEND=1 \
		apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
		</dev/null >>"$log" 2>&1
}

install_packages()
{
	local names
	log=$(mktemp) || exit 1
	trap 'rm -f "$log"' EXIT
	names=$(choose "$@")
	# shellcheck disable=SC2086
	if ! all_known $names; then
		apt_get update
		names=$(choose "$@")
	fi
	echo "installing $(echo "$names" | paste -sd ' ')"
	# Package lists that are weeks old name files that the mirror no longer has.
	# shellcheck disable=SC2086
	if ! apt_get install -y --no-install-recommends $names &&
		! { apt_get update && apt_get install -y --no-install-recommends $names; }; then
		tail -n 20 "$log" >&2
		echo "quoit: apt-get could not install: $(echo "$names" | paste -sd ' ')" >&2
		exit 1
	fi
}

# The compiler is asked, not the package list: a library may come from anywhere.
can_include()
{
	# shellcheck disable=SC2046,SC2086
	echo "#include <$1>" | ${CC:-gcc} ${CPPFLAGS:-} \
		$(${PKG_CONFIG:-pkg-config} --cflags liburing 2>/dev/null) \
		-include setjmp.h -include stdarg.h -include stddef.h -include stdint.h \
		-E -x c - >/dev/null 2>&1
}

check()
{
	local compiler pair lacking=() packages=()
	compiler=${CC:-gcc}
	compiler=${compiler##*ccache }
	compiler=${compiler%% *}
	if ! command -v "$compiler" >/dev/null; then
		lacking+=("the compiler $compiler")
		packages+=("${compiler##*/}")
	elif ! echo | "$compiler" -E -include stdio.h -x c - >/dev/null 2>&1; then
		lacking+=("the C library's headers")
		packages+=(libc6-dev)
	else
		for pair in $(wanted_headers "$1"); do
			if ! can_include "${pair%%=*}"; then
				lacking+=("<${pair%%=*}>")
				packages+=("${pair#*=}")
			fi
		done
	fi
	if ! command -v "${PKG_CONFIG:-pkg-config}" >/dev/null; then
		lacking=("${PKG_CONFIG:-pkg-config}" "${lacking[@]}")
		packages=(pkg-config "${packages[@]}")
	elif [ ${#lacking[@]} = 0 ] &&
		! "${PKG_CONFIG:-pkg-config}" --exists 'liburing >= 2.3'; then
		lacking+=("liburing 2.3 or newer")
		packages+=(liburing-dev)
	fi
	[ ${#lacking[@]} = 0 ] && return
	# Without a compiler the headers could not be asked for: name every missing package at once.
	if command -v dpkg-query >/dev/null; then
		# shellcheck disable=SC2046
		mapfile -t packages < <(
			printf '%s\n' "${packages[@]}" $(missing $(packages_of "$1")) | sort -u
		)
	fi
	{
		printf 'quoit: not found: %s' "${lacking[0]}"
		[ ${#lacking[@]} -lt 2 ] || printf ', %s' "${lacking[@]:1}"
		printf '. %s\n' "$(advice "${packages[@]}")"
	} >&2
	exit 1
}

main()
{
	local words lacking only_list=
	case ${1:-} in
	--check)
		check "$2"
		return
		;;
	--list)
		only_list=1
		shift
		;;
	esac
	if [ $# = 0 ]; then
		sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
		exit 2
	fi
	words=$(for word in "$@"; do packages_of "$word" || exit 1; done) || exit 2
	if ! command -v dpkg-query >/dev/null; then
		# Neither Debian nor Ubuntu: the check before the first compile names it.
		return
	fi
	# shellcheck disable=SC2086
	lacking=$(missing $words)
	[ -n "$lacking" ] || return 0
	if [ -n "$only_list" ]; then
		# shellcheck disable=SC2086
		choose $lacking
		return
	fi
	as_root=
	if [ "$(id -u)" != 0 ]; then
		as_root="sudo -n"
		if ! $as_root true 2>/dev/null; then
			# shellcheck disable=SC2086
			echo "quoit: packages are missing. $(advice $lacking)" >&2
			exit 1
		fi
	fi
	# shellcheck disable=SC2086
	install_packages $lacking
}

main "$@"
