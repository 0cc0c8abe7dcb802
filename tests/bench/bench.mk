# SPDX-License-Identifier: MIT
#
# bench.mk - how the benchmarks are built and run. Read by the Makefile, whose words it uses.

# The ring benchmark: each file of contenders twice, for words and for lines, and only those whose
# headers are here (DPDK_CFLAGS says where DPDK's are; they are all it takes).
rings_bench := tests/bench/rings/rings
rings_peers := ck=ck_ring.h boost=boost/lockfree/queue.hpp rte=rte_ring.h \
               urcu=urcu/wfcqueue.h concurrentqueue=concurrentqueue/concurrentqueue.h
dpdk_places := /usr/include/dpdk /usr/include/$(shell gcc -print-multiarch 2>/dev/null)/dpdk
dpdk_places += $(dpdk_places:%=build/dpdk%)
DPDK_CFLAGS ?= $(addprefix -I,$(wildcard $(dpdk_places)))
flags_of_rte := $(patsubst -I%,-isystem %,$(filter -I%,$(DPDK_CFLAGS))) -include rte_config.h
libs_of_urcu := -lurcu-common
flags_of_concurrentqueue := -Wno-stringop-overflow # gcc 12 sees one in its header

ifneq ($(filter %/$(rings_bench),$(MAKECMDGOALS)),)
can_include = $(shell echo '\#include <$(2)>' | \
                g++ $(flags_of_$(1)) $(CFLAGS) -x c++ -E - >/dev/null 2>&1 && echo $(1))
peers_here := $(foreach p,$(rings_peers),$(call can_include,$(firstword $(subst =, ,$p)),\
                $(lastword $(subst =, ,$p))))
rings_own  := $(filter-out $(foreach p,$(rings_peers),%/$(firstword $(subst =, ,$p)).c) \
                %/main.c,$(wildcard tests/bench/rings/*.c))
rings_files := $(basename $(rings_own) \
                 $(foreach p,$(peers_here),$(wildcard tests/bench/rings/$p.c*)))
endif

bench_objects = $(foreach w,1 8,$(rings_files:%=$(O)/obj/%.$w.o))
bench_ready   = tests/bench/rings/rings.h $(O)/flags $(include_root)/config.h
not_for_cxx  := -std=% -Wstrict-prototypes -Wmissing-prototypes
cxx_flags     = -std=gnu++17 $(filter-out $(not_for_cxx),$(c_flags))
words_of      = $(if $(suffix $*),-DITEM_WORDS=$(subst .,,$(suffix $*))) \
                $(flags_of_$(basename $(*F)))

.SECONDEXPANSION:
$(O)/obj/tests/bench/rings/%.o: tests/bench/rings/$$(basename %).c $(bench_ready) | $(include_tree)
	$(call say,CC,$< ($*))
	@mkdir -p $(@D)
	$(Q)$(CC) $(cpp_flags) $(c_flags) $(words_of) -MMD -MP -c -o $@ $<

$(O)/obj/tests/bench/rings/%.o: tests/bench/rings/$$(basename %).cc $(bench_ready) | $(include_tree)
	$(call say,CXX,$< ($*))
	@mkdir -p $(@D)
	$(Q)g++ $(cpp_flags) $(cxx_flags) $(words_of) -MMD -MP -c -o $@ $<

$(O)/$(rings_bench): $(O)/obj/tests/bench/rings/main.o $(bench_objects) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)g++ $(link_flags) -o $@ $^ $(foreach p,$(peers_here),$(libs_of_$p)) $(URING_LIBS)

# BASE=COMMIT: kv as it was then takes its turn in each round, built in a work tree of its own.
ifneq ($(origin BASE),command line)
BASE :=
endif
base_tree = build/base-$(BASE)

bench-net: ## Cost of a request against epoll, raw io_uring, redis (ROUNDS=5 BASE=COMMIT)
	@tests/support/install-packages.sh bench
	$(call again,release) all $(bench:%=build/release/%)
ifneq ($(BASE),)
	@test -d $(base_tree) || git worktree add --detach $(base_tree) $(BASE)
	+@$(MAKE) --no-print-directory $(jobs) -C $(base_tree) VARIANT=release O=build/release all
endif
	@KV_BASE=$(if $(BASE),$(base_tree)/build/release/examples/kv/kv) \
		bash tests/bench/net.sh build/release

# The rings once for this machine and once for any x86-64 since 2009.
rings_v2 := $(if $(filter x86_64,$(shell uname -m)),build/v2)

bench-rings: ## Every ring against its peers and the machine's limits (CELLS='spsc4k-*' ROUNDS=5)
	@tests/support/install-packages.sh bench
	@bash tests/bench/rings.sh --unpack-dpdk build/dpdk
	+@$(MAKE) --no-print-directory $(jobs) VARIANT=release O=build/native \
		CFLAGS='$(CFLAGS) -march=native' \
		$(patsubst %,build/native/tests/bench/%,rings/rings ring_latency ring_limits)
ifneq ($(rings_v2),)
	+@$(MAKE) --no-print-directory $(jobs) VARIANT=release O=$(rings_v2) \
		CFLAGS='$(CFLAGS) -march=x86-64-v2' $(rings_v2)/$(rings_bench)
endif
	@bash tests/bench/rings.sh build/native $(rings_v2)

bench-numa: ## Messages between the machine's nodes, by where the ring lies; all cores (ROUNDS=5)
	@tests/support/install-packages.sh build gnuplot-nox
	$(call again,release) build/release/tests/bench/numa
	@bash tests/bench/numa.sh build/release

bench-loop: ## What the loop adds to a wake, a round trip, a timer (ROUNDS=9 CELL=wake)
	$(call again,release) build/release/tests/bench/loop
	@build/release/tests/bench/loop $(or $(ROUNDS),9) $(CELL)

bench-copy: ## Each copy, fill and prefetch helper against what one would write instead
	$(call again,release) build/release/tests/bench/copy
	@build/release/tests/bench/copy

bench-shared: ## A ring between two processes against one between threads (ROUNDS=9 CELL=copy)
	$(call again,release) build/release/tests/bench/shring
	@build/release/tests/bench/shring $(or $(ROUNDS),9) $(CELL)

bench-pool: ## Cost of a buffer on one core and between two, against malloc
	$(call again,release) build/release/tests/bench/pool
	@build/release/tests/bench/pool

.PHONY: bench-net bench-loop bench-rings bench-copy bench-pool bench-shared bench-numa
