# SPDX-License-Identifier: MIT
#
# shared.mk - rings between processes that do not trust each other. Read by the Makefile, whose
# words it uses. tests/shared/NAME.c is a program made of all files there that begin with NAME.

shared_programs := kill hostile soak
shared          := $(shared_programs:%=tests/shared/%)

# Only in release are the instructions those that ship; only sanitizers see what is out of range.
shared_release := tests/shared/kill tests/shared/soak
shared_asan    := tests/shared/hostile

TIMEOUT_tests/shared/kill    := 180
TIMEOUT_tests/shared/hostile := 180
TIMEOUT_tests/shared/soak    := 180

# What the unit tests of these rings look at, or do in the peer's place, at each system call.
LDFLAGS_tests/rings/test_shring_hot     := -Wl,--wrap=clock_gettime,--wrap=write,--wrap=syscall \
                                           -Wl,--wrap=quoit_clock_now_ns,--wrap=fcntl \
                                           -Wl,--wrap=preadv2,--wrap=ppoll,--wrap=getpid
LDFLAGS_tests/rings/test_shring_between := -Wl,--wrap=fcntl,--wrap=fstat,--wrap=fstatfs \
                                           -Wl,--wrap=madvise,--wrap=fallocate,--wrap=write
LDFLAGS_tests/rings/test_shring_faults  := -Wl,--wrap=memfd_create,--wrap=ftruncate,--wrap=open \
                                           -Wl,--wrap=fallocate,--wrap=fstat,--wrap=fstatfs \
                                           -Wl,--wrap=madvise,--wrap=eventfd,--wrap=fcntl \
                                           -Wl,--wrap=pread,--wrap=readlink,--wrap=mmap \
                                           -Wl,--wrap=munmap,--wrap=syscall
LDFLAGS_tests/rings/test_shring_look    := -Wl,--wrap=ppoll,--wrap=fcntl

# Every mapping of a file gets pages around it that cannot be touched.
LDFLAGS_tests/shared/hostile := -Wl,--wrap=mmap,--wrap=munmap

define shared_program
$(O)/$(1): $(call object,$(wildcard $(1)*.c)) $(support) $(LIBRARY)
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(call link)
endef
$(foreach t,$(shared),$(eval $(call shared_program,$t)))

kill: export KILL_POINTS ?= 0
kill: export KILL_STORM ?= 1000
kill: ## Death at every machine instruction of a ring's calls; 1000 at any moment (CASE=close SEED)
	$(call again,release) build/release/tests/shared/kill
	@build/release/tests/shared/kill

hostile: export HOSTILE_HEADERS ?= 10000000
hostile: export HOSTILE_RECEIVES ?= 100000000
hostile: ## A ring's peer that lies: ten million headers, a scribbler (HOSTILE_RECEIVES SEED)
	$(call again,asan) build/asan/tests/shared/hostile
	@build/asan/tests/shared/hostile

soak-shared: export SOAK_COUNT ?= 1000000000
soak-shared: ## A thousand million numbers from process to process (SOAK_COUNT WAY=futex SEED)
	$(call again,release) build/release/tests/shared/soak
	@build/release/tests/shared/soak

.PHONY: kill hostile soak-shared
