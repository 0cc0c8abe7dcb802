# SPDX-License-Identifier: MIT
#
# numa.mk - what the unit tests of numa/ wrap, and what they are linked with besides. Read by the
# Makefile, whose words it uses.

LDFLAGS_tests/numa/test_thread         := -Wl,--wrap=sched_getcpu,--wrap=syscall,--wrap=getcpu
LDFLAGS_tests/numa/test_arena          := -Wl,--wrap=syscall
LDFLAGS_tests/numa/test_priority       := -Wl,--wrap=syscall
LDFLAGS_tests/numa/test_clock          := -Wl,--wrap=clock_gettime,--wrap=clock_nanosleep
LDFLAGS_tests/numa/test_mem            := -Wl,--wrap=syscall,--wrap=madvise
LDFLAGS_tests/numa/test_region_refused := -Wl,--wrap=syscall,--wrap=madvise,--wrap=mmap
LDFLAGS_tests/numa/test_region_weighted := -Wl,--wrap=syscall
LDFLAGS_tests/numa/test_rtm_between    := -Wl,--wrap=mmap \
                                          -Wl,--wrap=pthread_mutex_lock,--wrap=pthread_mutex_trylock
LDFLAGS_tests/numa/test_rtm_debug      := -Wl,--wrap=quoit__rtm_check_block
LDFLAGS_tests/numa/test_rtm_fork       := -Wl,--wrap=mmap,--wrap=pthread_mutex_unlock
LDFLAGS_tests/numa/test_rtm_kept       := -Wl,--wrap=syscall,--wrap=madvise \
                                          -Wl,--wrap=pthread_mutex_init,--wrap=pthread_mutex_trylock
LDFLAGS_tests/numa/test_rtm_refused    := $(LDFLAGS_tests/numa/test_region_refused) \
                                          -Wl,--wrap=pthread_mutex_init
LDFLAGS_tests/numa/test_region_kinds   := $(LDFLAGS_tests/numa/test_region_refused) \
                                          -Wl,--wrap=prctl,--wrap=mprotect,--wrap=munmap
LIBS_tests/numa/test_topology_libnuma  := -lnuma
TIMEOUT_tests/numa/test_rtm_threads := 120
