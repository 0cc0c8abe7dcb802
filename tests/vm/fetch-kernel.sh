#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Gets the cloud kernel of a Debian suite, whatever suite this machine runs, without installing it.
#
#   fetch-kernel.sh SUITE DIR        leaves DIR/vmlinuz and DIR/release
#
# The mirror is the one that this machine's apt uses, under another suite's name; lists and packages
# are kept in DIR alone, and apt checks the signatures as ever. What is there already is left as it
# is. Exit code 1 and a reason where it cannot be had.

set -u
export LC_ALL=C

fail()
{
	echo "fetch-kernel.sh: $1: $2" >&2
	[ ! -s "$dir/log" ] || grep -m 2 '^E:' "$dir/log" >&2
	exit 1
}

mirror()
{
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null |
		grep -m 1 '/debian/*$'
}

# apt with nothing of the machine's own but its keys, proxies and mirror.
apt_here() # PROGRAM ARGUMENT...
{
	local program=$1
	shift
	"$program" -q -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State="$dir/apt/state" -o Dir::State::status="$dir/apt/status" \
		-o Dir::Cache="$dir/apt/cache" -o APT::Architecture=amd64 \
		-o APT::Architectures=amd64 -o APT::Sandbox::User="$(id -un)" \
		-o Acquire::Languages=none "$@"
}

prepare() # SUITE: where apt_here finds its own
{
	local site keys=/usr/share/keyrings/debian-archive-keyring.gpg
	site=$(mirror)
	[ -n "$site" ] || fail "$1" "no mirror of Debian in this machine's apt configuration"
	mkdir -p "$dir"/apt/state/lists/partial "$dir"/apt/cache/archives/partial || exit 1
	: >"$dir/apt/status"
	[ -e "$keys" ] && keys="[signed-by=$keys] " || keys=
	echo "deb $keys$site $1 main" >"$dir/apt/sources.list"
}

# The package that holds the kernel; the one that is asked for only depends on it.
package_of_kernel()
{
	apt_here apt-cache show linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p' | head -n 1
}

main()
{
	local suite=$1 package image
	dir=$(realpath -m "$2") || exit 1
	[ ! -s "$dir/vmlinuz" ] || exit 0
	mkdir -p "$dir" || exit 1
	: >"$dir/log"
	command -v apt-get dpkg-deb >/dev/null || fail "$suite" "it takes apt-get and dpkg-deb"
	prepare "$suite"
	apt_here apt-get update >>"$dir/log" 2>&1 || fail "$suite" "its lists cannot be had"
	package=$(package_of_kernel)
	[ -n "$package" ] || fail "$suite" "it has no linux-image-cloud-amd64"
	(cd "$dir/apt" && apt_here apt-get download "$package") >>"$dir/log" 2>&1 ||
		fail "$suite" "$package cannot be had"
	dpkg-deb --fsys-tarfile "$dir"/apt/linux-image-*.deb |
		tar -x -C "$dir/apt" --wildcards './boot/vmlinuz-*' ||
		fail "$suite" "$package holds no kernel"
	image=$(echo "$dir"/apt/boot/vmlinuz-*)
	echo "${image##*/vmlinuz-}" >"$dir/release"
	mv "$image" "$dir/vmlinuz" || exit 1
	rm -rf "$dir/apt"
}

if [ $# != 2 ]; then
	sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
main "$@"
