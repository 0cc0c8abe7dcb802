#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Headers that were configured otherwise than the library must not link with it, in C and C++, and
# the linker must name what differs. A compiler that is not installed is a skip.

set -u
export LC_ALL=C
O=${O:-build/release}
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
failed=0

# Programs that each know another part of the rings, all with functions of the library.
cat >"$scratch/spsc.c" <<'END'
#include <quoit/rings/spsc_create.h>
int main(void) { quoit_spsc_destroy(0); return 0; }
END
cat >"$scratch/mpsc.c" <<'END'
#include <quoit/rings/typed_mpsc.h>
int main(void) { return quoit_mpsc_destroy(0) != 0; }
END
cat >"$scratch/mpmc.c" <<'END'
#include <quoit/rings/typed_shared.h>
int main(void) { quoit_mpmc_destroy(0); return 0; }
END
cat >"$scratch/pool.c" <<'END'
#include <quoit/rings/shared_pool.h>
int main(void) { (void)quoit_free_list_seed(); return 0; }
END

# The options of the library, and the two others that there are.
config=$O/include/quoit/config.h
isolation=$(sed -n 's/^#define QUOIT_CONFIG_ISOLATION //p' "$config")
metrics=$(grep -c '^#define QUOIT_CONFIG_METRICS' "$config")
other_isolation=$((isolation == 64 ? 128 : 64))
other_metrics=$((1 - metrics))

# headers FOLDER ISOLATION METRICS: those of the library, configured otherwise
headers()
{
	mkdir -p "$scratch/$1" && cp -rL "$O/include/quoit" "$scratch/$1/" || exit 2
	{
		echo "#define QUOIT_CONFIG_ISOLATION $2"
		echo '#define QUOIT_CONFIG_ASSERT 1'
		[ "$3" = 0 ] || echo '#define QUOIT_CONFIG_METRICS 1'
	} >"$scratch/$1/quoit/config.h"
}

headers same "$isolation" "$metrics"
headers isolation "$other_isolation" "$metrics"
headers metrics "$isolation" "$other_metrics"

# build COMPILER LANGUAGE STANDARD FOLDER PROGRAM
build()
{
	"$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Werror -O2 -pthread -I"$scratch/$4" \
		-o "$scratch/program" "$scratch/$5.c" -x none "$O/libquoit.a" \
		>"$scratch/errors" 2>&1
}

say()
{
	if [ "$1" = 0 ]; then
		echo "ok - $2"
	else
		sed 's/^/    /' "$scratch/errors"
		echo "not ok - $2"
		failed=1
	fi
}

# refused COMPILER LANGUAGE STANDARD FOLDER PROGRAM SYMBOL: it does not link for this reason alone
refused()
{
	build "$1" "$2" "$3" "$4" "$5" && return 1
	grep -q "undefined reference to \`$6'" "$scratch/errors" || return 1
	! grep 'undefined reference' "$scratch/errors" | grep -qv "\`$6'"
}

one()
{
	local compiler=$1 language=$2 standard=$3 program
	if ! command -v "$compiler" >/dev/null; then
		echo "skip - $compiler: it is not installed"
		return
	fi
	for program in spsc mpsc mpmc pool; do
		build "$compiler" "$language" "$standard" same $program && "$scratch/program"
		say $? "$compiler $program: headers that agree with the library link and run"
		refused "$compiler" "$language" "$standard" isolation $program \
			"quoit_abi_isolation${other_isolation}_metrics$metrics"
		say $? "$compiler $program: another CONFIG_ISOLATION does not link, by name"
		refused "$compiler" "$language" "$standard" metrics $program \
			"quoit_abi_isolation${isolation}_metrics$other_metrics"
		say $? "$compiler $program: another CONFIG_METRICS does not link, by name"
	done
}

one gcc c gnu11
one clang c gnu11
one g++ c++ c++17
one clang++ c++ c++17
exit $failed
