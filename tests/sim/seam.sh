#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Is every call of the library that reaches the kernel led into the simulation? A new one must be
# simulated (seam.h) or named here: as harmless, or as one that the simulated program never makes.

set -u
O=${O:-build/release}
library=$O/libquoit.a
here=$(dirname "$0")

harmless="__errno_location __ctype_b_loc __popcountdi2 __udivti3 __cpu_model __stack_chk_fail
fprintf fwrite getpid sigfillset sigismember stderr
snprintf vsnprintf strerror qsort inet_ntop inet_pton getrlimit uname sysconf
memchr memcmp memcpy memmove memset strchr strcmp strlen strncmp strnlen strrchr strspn strstr
strtol strtoll strtoul strtoull sigaddset sigemptyset __divti3 secure_getenv"
# quoit_run(), embedding, outsiders, signals, real-time pools, rings that threads wait on, and
# descriptors and rings between processes.
never="accept4 connect fchmod flock fstatat geteuid getrandom getsockopt openat ppoll recvmsg
renameat2 sendmsg unlinkat fcntl fstat getpeername poll signalfd epoll_create1 epoll_ctl epoll_wait
pthread_sigmask pthread_mutex_trylock pthread_mutexattr_init pthread_mutexattr_setprotocol
pthread_mutexattr_destroy pthread_self fallocate fstatfs ftruncate memfd_create pread preadv2
readlink mprotect pthread_mutexattr_settype pthread_atfork"

simulated=$(sed -n 's/^SIM_SEAM.[^,]*, \([a-z0-9_]*\),.*/\1/p' "$here/seam.h")
[ -f "$library" ] || { echo "not ok - $library is not there: make lib"; exit 1; }
[ -n "$simulated" ] || { echo "not ok - seam.h names no call"; exit 1; }

unknown=
for name in $(nm -u "$library" | awk '$1 == "U" { print $2 }' | sort -u); do
	plain=${name#__isoc99_}
	[[ $plain =~ ^__(.*)_chk$ ]] && plain=${BASH_REMATCH[1]}
	case $plain in
	quoit* | _GLOBAL_OFFSET_TABLE_ | __asan* | __ubsan* | __tsan* | __gcov*) continue ;;
	esac
	grep -qw -- "$plain" <<<"$simulated $harmless $never" || unknown+=" $name"
done
if [ -n "$unknown" ]; then
	echo "not ok - calls that are neither simulated nor known:$unknown"
	exit 1
fi
echo "ok - every call of the library is simulated, harmless or not made"
