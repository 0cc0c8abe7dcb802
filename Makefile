# SPDX-License-Identifier: MIT
#
# The only makefile. `make help` lists what it can do; everything it makes goes to build/<variant>/.
# Sources, examples and tests are found by wildcard: adding a file needs no edit here. In reading
# order: config, toolchain, variants, modules, library, examples, tests, tools.

MAKEFLAGS += -rR
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.DEFAULT_GOAL := all

# V=1 shows the commands; otherwise one line per file.
Q   := $(if $(filter-out 0,$(V)),,@)
say  = $(if $(Q),@printf '  %-7s %s\n' '$(1)' '$(2)')

# What installs packages starts make again for the rest, on all cores unless -j was given: only then
# do pkg-config's answers hold. $(call again,VARIANT) is followed by the goals.
jobs  = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
again = +@$(MAKE) --no-print-directory $(jobs) VARIANT=$(1) O=build/$(1)

# ---- config --------------------------------------------------------------------------------------
# config.mk lists the options and their defaults. The command line wins over the environment, that
# over config.local.mk (where it says ?=), that over what a variant wants, that over config.mk.

VARIANT ?= release
O       ?= build/$(VARIANT)

VARIANTS := release debug asan tsan cov model sim fuzz
ifeq ($(filter $(VARIANT),$(VARIANTS)),)
$(error VARIANT=$(VARIANT) is not a variant; choose one of: $(VARIANTS))
endif

option_names := $(shell sed -n 's/^. config \(CONFIG_[A-Z0-9_]*\)$$/\1/p' config.mk)
set_in_file   = $(foreach o,$(option_names),$(if $(filter file,$(origin $o)),$o))

-include config.local.mk
options_local := $(set_in_file)
ifneq ($(filter debug asan model sim fuzz,$(VARIANT)),)
CONFIG_ASSERT ?= 2
endif
options_variant := $(filter-out $(options_local),$(set_in_file))
include config.mk

# Every value goes to the script as name=value@origin, quoted for the shell.
quote     = '$(subst ','\'',$(1))'
origin_of = $(strip $(if $(filter $1,$(options_local)),config.local.mk,\
            $(if $(filter $1,$(options_variant)),variant,\
            $(subst $(space),-,$(patsubst file,default,$(origin $1))))))
empty    :=
space    := $(empty) $(empty)
define newline


endef
names_set = $(sort $(filter CONFIG_%,$(.VARIABLES)))
options   = $(foreach o,$(names_set),$(call quote,$o=$($o)@$(call origin_of,$o)))
config    = awk -f tests/support/config.awk -v mode=$(1) config.mk $(options)

config_wrong := $(shell $(call config,check))
ifneq ($(config_wrong),)
$(error $(config_wrong))
endif

# ---- toolchain -----------------------------------------------------------------------------------

ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
ifneq ($(filter default undefined,$(origin AR)),)
AR := ar
endif
PKG_CONFIG ?= pkg-config

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith
ifneq ($(filter-out 0,$(WERROR)),)
WARNINGS += -Werror
endif

URING_CFLAGS := $(shell $(PKG_CONFIG) --cflags liburing 2>/dev/null)
URING_LIBS   := $(shell $(PKG_CONFIG) --libs liburing 2>/dev/null)

# ---- variants ------------------------------------------------------------------------------------

HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection

# gcc 12 vectorises the span loops at -O3 only.
flags_release := -O3 -g $(HARDEN)
flags_debug   := -O0 -g3
flags_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
                 -fno-omit-frame-pointer
flags_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
flags_cov     := -O0 -g --coverage
flags_model   := -O2 -g
flags_sim     := -O2 -g
flags_fuzz    := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all \
                 -fno-omit-frame-pointer
link_release  := -Wl,-z,relro,-z,now

# What every C file gets, and what a user added with CPPFLAGS, CFLAGS or LDFLAGS last.
cpp_flags  = -I$(O)/include -D_GNU_SOURCE= $(CPPFLAGS)
c_flags    = -std=gnu17 $(WARNINGS) -pthread -fPIE $(flags_$(VARIANT)) $(URING_CFLAGS) $(CFLAGS)
link_flags = -pthread -pie $(flags_$(VARIANT)) $(link_$(VARIANT)) $(LDFLAGS)

# ---- modules -------------------------------------------------------------------------------------

FLOORS  := numa rings io runtime
guarding := $(wildcard numa/rt_guard*.c)
sources := $(filter-out $(guarding),$(wildcard $(FLOORS:%=%/*.c)))
headers := $(filter-out %_internal.h,$(wildcard $(FLOORS:%=%/*.h)))

include_root := $(O)/include/quoit
include_tree := $(patsubst %/,$(include_root)/%,$(wildcard $(FLOORS:%=%/))) \
                $(if $(wildcard runtime/quoit.h),$(O)/include/quoit.h)
object        = $(patsubst %.c,$(O)/obj/%.o,$(1))

# $(call if_changed,command): the target gets the command's output, and a new date only with it.
if_changed = @mkdir -p $(@D) && { $(1); } >$@.new && \
             if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(include_root)/config.h: FORCE
	$(call if_changed,$(call config,header))

$(FLOORS:%=$(include_root)/%):
	@mkdir -p $(@D)
	@ln -sfnr $(@F) $@

$(O)/include/quoit.h:
	@mkdir -p $(@D)
	@ln -sfnr runtime/quoit.h $@

# A new flag rebuilds everything, a source that is gone leaves the library.
flags_of_one = $(foreach v,$(sort $(filter LDFLAGS_% LIBS_% EXAMPLE_LIBS_%,$(.VARIABLES))),$v=$($v))
all_flags    = $(CC) $(cpp_flags) $(c_flags) / $(link_flags) $(URING_LIBS) / $(flags_of_one)

$(O)/flags: FORCE
	$(call if_changed,printf '%s\n' $(call quote,$(all_flags)))

$(O)/sources: FORCE
	$(call if_changed,echo $(sources) $(guarding))

$(O)/obj/%.o: %.c $(O)/flags $(include_root)/config.h | $(include_tree) $(O)/have-build
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(cpp_flags) $(include_also) $(c_flags) -MMD -MP -c -o $@ $<

# What the system must offer, asked once per build directory, before any compiler can complain.
$(O)/have-%: tests/support/install-packages.sh
	@mkdir -p $(@D)
	@CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' tests/support/install-packages.sh --check $*
	@touch $@

# ---- library -------------------------------------------------------------------------------------

LIBRARY := $(O)/libquoit.a
GUARD   := $(O)/libquoit_rtguard.a

all: lib examples ## Build the library and the examples (the default)

lib: $(LIBRARY) $(GUARD) ## Build libquoit.a and libquoit_rtguard.a

$(LIBRARY): $(call object,$(sources)) $(O)/sources
	$(call say,AR,$@)
	@mkdir -p $(@D); rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

# The guard of real-time sections: for tests, and for those who ask for it. It stands in front of
# libc, where no sanitizer may look, and with -O2 leaves no frames behind.
$(call object,$(guarding)): flags_$(VARIANT) := $(filter-out -fsanitize% --coverage -O%,\
	$(flags_$(VARIANT))) -O2

$(GUARD): $(call object,$(guarding)) $(O)/sources
	$(call say,AR,$@)
	@mkdir -p $(@D); rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

# $(call link,extra libraries): objects first, then archives, then libraries.
link = $(CC) $(link_flags) $(LDFLAGS_$(@:$(O)/%=%)) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(1) \
       $(URING_LIBS)

# ---- examples ------------------------------------------------------------------------------------
# examples/NAME.c is a program; a folder with a main.c is one program made of all its files.

EXAMPLE_LIBS_kv             := -lsodium
EXAMPLE_LIBS_09_embed_libuv := -luv

# One that shows us inside somebody else's library is built only where that is installed.
EXAMPLE_NEEDS_09_embed_libuv := uv.h

has_header       = $(shell echo '\#include <$(1)>' | $(CC) $(CPPFLAGS) $(CFLAGS) -E -x c - \
                     >/dev/null 2>&1 && echo yes)
example_all     := $(patsubst examples/%.c,%,$(wildcard examples/*.c))
example_skipped := $(foreach e,$(example_all),$(if $(EXAMPLE_NEEDS_$e),$(if \
                     $(call has_header,$(EXAMPLE_NEEDS_$e)),,$e)))
example_files   := $(filter-out $(example_skipped),$(example_all))
example_folders := $(patsubst examples/%/main.c,%,$(wildcard examples/*/main.c))
example_objects  = $(call object,$(wildcard examples/$(1)/*.c))
example_programs := $(example_files:%=$(O)/examples/%) \
                    $(foreach e,$(example_folders),$(O)/examples/$e/$e)

examples: $(example_programs) ## Build the examples
	$(foreach e,$(example_skipped),$(call say,SKIP,examples/$e.c: <$(EXAMPLE_NEEDS_$e)> is \
		not installed)$(newline))

$(example_files:%=$(O)/examples/%): $(O)/examples/%: $(O)/obj/examples/%.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link,$(EXAMPLE_LIBS_$*))

define example_folder
$(O)/examples/$(1)/$(1): $(call example_objects,$(1)) $(LIBRARY)
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(call link,$(EXAMPLE_LIBS_$(1)))
endef
$(foreach e,$(example_folders),$(eval $(call example_folder,$e)))

demo: ## Install what is missing, build, serve and load the key-value example (DEMO_S=10)
	@tests/support/install-packages.sh demo
	$(call again,$(VARIANT)) all
	@bash examples/demo.sh build/$(VARIANT)

# ---- tests ---------------------------------------------------------------------------------------
# tests/FOLDER/test_NAME.c is one cmocka program; it also gets the objects of examples/FOLDER, if
# there is one, without its main.o. tests/stress and tests/bench hold programs without cmocka, and
# tests/e2e scripts too. tests/support/*.c is an archive offered to all programs.

# Per program, by its path below build/<variant>/: linker flags, libraries, and seconds it may take
# if not 60.
include tests/numa/numa.mk
LDFLAGS_tests/io/test_uring             := -Wl,--wrap=syscall
LDFLAGS_tests/io/test_uring_map         := -Wl,--wrap=syscall,--wrap=mmap
LDFLAGS_tests/io/test_short             := -Wl,--wrap=syscall
LDFLAGS_tests/io/test_peer              := -Wl,--wrap=getsockopt
LDFLAGS_tests/io/test_fd_server         := -Wl,--wrap=renameat2
LDFLAGS_tests/io/test_fd_accept         := -Wl,--wrap=listen
LDFLAGS_tests/rings/test_close          := -Wl,--wrap=write
LDFLAGS_tests/rings/test_last_look     := -Wl,--wrap=quoit_clock_now_ns,--wrap=quoit_crowd_end
LDFLAGS_tests/rings/test_mpsc           := -Wl,--wrap=calloc,--wrap=mmap,--wrap=munmap \
                                           -Wl,--wrap=pthread_mutex_trylock,--wrap=write \
                                           -Wl,--wrap=pthread_mutex_init,--wrap=sched_getcpu
LDFLAGS_tests/rings/test_mpsc_register  := $(LDFLAGS_tests/rings/test_mpsc)
LDFLAGS_tests/rings/test_mpsc_place     := -Wl,--wrap=getcpu
LDFLAGS_tests/rings/test_line           := -Wl,--wrap=pthread_create,--wrap=pthread_join
LDFLAGS_tests/rings/test_mpmc_group     := -Wl,--wrap=pthread_mutex_lock \
                                           -Wl,--wrap=pthread_mutex_trylock \
                                           -Wl,--wrap=pthread_mutex_unlock,--wrap=write
LDFLAGS_tests/rings/test_mpmc           := -Wl,--wrap=calloc,--wrap=aligned_alloc \
                                           -Wl,--wrap=pthread_mutex_init
LDFLAGS_tests/rings/test_notify         := -Wl,--wrap=write
LDFLAGS_tests/rings/test_notifier       := -Wl,--wrap=read
LDFLAGS_tests/rings/test_realtime       := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
                                           -Wl,--wrap=aligned_alloc
LDFLAGS_tests/rings/test_spsc_create    := -Wl,--wrap=mmap,--wrap=munmap
LDFLAGS_tests/rings/test_wait           := -Wl,--wrap=clock_gettime,--wrap=sched_yield \
                                           -Wl,--wrap=clock_nanosleep
LDFLAGS_tests/runtime/test_enters       := -Wl,--wrap=syscall
LDFLAGS_tests/runtime/test_faults      := -Wl,--wrap=syscall,--wrap=pthread_create,--wrap=mmap
LDFLAGS_tests/runtime/test_start       := $(LDFLAGS_tests/runtime/test_faults)
LDFLAGS_tests/runtime/test_starvation   := -Wl,--wrap=quoit_clock_now_ns
LDFLAGS_tests/runtime/test_no_alloc    := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
                                          -Wl,--wrap=free,--wrap=mmap,--wrap=munmap
TIMEOUT_tests/lint/tidy.sh   := 120
TIMEOUT_tests/rtcheck/run.sh := 300
TIMEOUT_tests/mutate/wake.sh := 300
TIMEOUT_tests/stress/channel := 300
TIMEOUT_tests/stress/mail    := 300
TIMEOUT_tests/stress/notifier := 300
TIMEOUT_tests/stress/shared_wait := 180
TIMEOUT_tests/stress/wait    := 180
TIMEOUT_tests/rings/test_line := 240
TIMEOUT_tests/e2e/redis_tools.sh := 180
TIMEOUT_tests/e2e/exchanges.sh := 180
TIMEOUT_tests/e2e/kv_front.sh := 120
TIMEOUT_tests/e2e/demo.sh    := 120
TIMEOUT_tests/model/model    := 600
TIMEOUT_tests/rtm/rtm        := 180

# What runs under ThreadSanitizer too, but for what may not ask the kernel, as the sanitizer does.
THREADED := tests/rings/% tests/runtime/% tests/stress/% tests/numa/test_rtm_threads \
            tests/io/test_fd_%
CONFINED := tests/rings/test_realtime tests/runtime/test_rt_handlers

unit     := $(patsubst %.c,%,$(filter-out $(addprefix tests/,e2e/% stress/% bench/% mutate/%), \
              $(wildcard tests/*/test_*.c)))
stress   := $(patsubst %.c,%,$(wildcard tests/stress/*.c))
e2e      := $(patsubst %.c,%,$(wildcard tests/e2e/test_*.c))
bench    := $(patsubst %.c,%,$(wildcard tests/bench/*.c))
tools    := $(patsubst %.c,%,$(filter-out $(e2e:%=%.c),$(wildcard tests/e2e/*.c)))
scripts  := $(wildcard tests/cpp/*.sh tests/e2e/*.sh tests/sim/*.sh tests/mutate/wake.sh \
              tests/rtcheck/run.sh)
threaded := $(filter-out $(CONFINED),$(filter $(THREADED),$(unit) $(stress)))
cmocka   := $(unit) $(e2e)
# Without the upper floors there are no servers to test.
helpers  := $(filter-out $(if $(filter runtime,$(FLOORS)),,tests/support/server.c), \
              $(wildcard tests/support/*.c))
support  := $(if $(helpers),$(O)/tests/support.a)

$(O)/tests/support.a: $(call object,$(helpers))
	$(call say,AR,$@)
	@mkdir -p $(@D); rm -f $@
	$(Q)$(AR) rcs $@ $^

folder_of = $(notdir $(patsubst %/,%,$(dir $(1))))

$(O)/obj/tests/%.o: include_also = -Itests -Iexamples -Iexamples/$(call folder_of,$*)
$(call object,$(cmocka:%=%.c) $(helpers)): | $(O)/have-test

# Those that are linked with the guard.
GUARDED := tests/numa/test_rt_guard tests/numa/test_rt_guard_calls \
           tests/numa/test_rt_guard_process tests/numa/test_rt_guard_signals \
           tests/runtime/test_rt_handlers

define cmocka_program
$(O)/$(1): $(O)/obj/$(1).o $(filter-out %/main.o,$(call example_objects,$(2))) $(support) \
	$(if $(filter $(1),$(GUARDED)),$(GUARD)) $(LIBRARY)
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(call link,-lcmocka $(EXAMPLE_LIBS_$(2)) $(LIBS_$(1)))
endef
$(foreach t,$(cmocka),$(eval $(call cmocka_program,$t,$(call folder_of,$t))))

$(patsubst %,$(O)/%,$(stress) $(bench) $(tools)): $(O)/%: $(O)/obj/%.o $(support) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link)

# The model checker: the code under test with its atomics replaced, and the compiler's calls for
# plain accesses (it is not linked with ThreadSanitizer). See tests/model/README.md.
model := tests/model/model

$(O)/obj/tests/model/%.o: include_also = -Itests -DQUOIT_MODEL='<model/hooks.h>'
$(O)/obj/tests/model/targets/%.o: include_also = -Itests -DQUOIT_MODEL='<model/hooks.h>' \
	-fsanitize=thread

# Of rings/, what is not inline; the kernel, the memory and the mutexes are the checker's.
model_rings := abi crowd directory lane lane_wait metrics mpmc mpmc_search mpsc mpsc_place \
               mpsc_status shared_wait shring_bell shring_wait spmc spsc_wait wait

ifeq ($(VARIANT),model)
$(O)/obj/rings/%.o: include_also = -Itests -DQUOIT_MODEL='<model/hooks.h>' -fsanitize=thread \
	-include tests/model/seam.h -Dcalloc=model_calloc \
	-Daligned_alloc=model_aligned -Dfree=model_free
endif

$(O)/$(model): $(call object,$(wildcard tests/model/*.c tests/model/targets/*.c) \
                 $(model_rings:%=rings/%.c))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(link_flags) -o $@ $^

# The simulated kernel: the linker leads the library's system and thread calls to it, so the objects
# under test are those that ship. See tests/sim/README.md.
sim       := tests/sim/sim
sim_calls := $(shell sed -n 's/^SIM_SEAM.[^,]*, \([a-z0-9_]*\),.*/\1/p' tests/sim/seam.h)

LDFLAGS_$(sim) := $(sim_calls:%=-Wl,--wrap=%)

$(O)/$(sim): $(call object,$(wildcard tests/sim/*.c)) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link)

# Under libFuzzer, which has a main of its own. See tests/fuzz/fuzz.sh.
fuzz := $(patsubst %,tests/fuzz/%,topology idset control shring seeds)

LDFLAGS_tests/fuzz/topology := -fsanitize=fuzzer -Wl,--wrap=open,--wrap=read,--wrap=close
LDFLAGS_tests/fuzz/idset    := -fsanitize=fuzzer
LDFLAGS_tests/fuzz/control  := -fsanitize=fuzzer -Wl,--wrap=close
LDFLAGS_tests/fuzz/shring   := -fsanitize=fuzzer

$(O)/tests/fuzz/control: $(call object,io/fd_pass.c io/hello.c)
$(O)/tests/fuzz/shring: $(call object,$(wildcard rings/shring*.c) rings/abi.c \
                           rings/wait.c)

$(fuzz:%=$(O)/%): $(O)/%: $(O)/obj/%.o $(call object,$(filter numa/%,$(sources)))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link)

fuzz-programs: $(fuzz:%=$(O)/%)

# One program of all files there: every kind of ring, judged by the same eyes.
soak := tests/soak/soak

$(O)/$(soak): $(call object,$(wildcard tests/soak/*.c)) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link)

# Real-time pools against a model of them.
rtm := tests/rtm/rtm

$(O)/$(rtm): $(call object,$(wildcard tests/rtm/*.c)) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link)

include tests/steady/steady.mk
include tests/shared/shared.mk

# What runs inside machines with several nodes that tests/vm/run.sh emulates: one program that knows
# how the machine was made, and unit tests of what touches cpus, nodes or their memory.
guest       := tests/vm/guest
guest_tests := $(patsubst %.c,%,$(filter-out %_damage.c tests/numa/test_rt_%, \
                 $(wildcard tests/numa/test_*.c))) \
               $(patsubst %,tests/%,io/test_uring io/test_uring_map io/test_bufring \
                 rings/test_spsc_create rings/test_mpsc rings/test_mpsc_register \
                 rings/test_mpsc_place rings/test_mpmc rings/test_buffer_pool rings/test_notify \
                 runtime/test_runtime runtime/test_mail runtime/test_loop runtime/test_channel)

$(O)/$(guest): $(call object,$(wildcard tests/vm/*.c)) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link)

every_test := $(cmocka) $(stress) $(soak) $(rtm) $(steady) $(shared) $(bench) $(tools) $(guest)

tests: $(every_test:%=$(O)/%) ## Build all test programs of one VARIANT

# What `make test` needs of each variant.
.PHONY: tests-asan tests-tsan tests-release
tests-asan:    $(patsubst %,$(O)/%,$(unit) $(tools) $(sim) $(rtm) $(shared_asan)) examples
tests-tsan:    $(patsubst %,$(O)/%,$(threaded) $(soak) $(rtm))
tests-release: $(include_root)/config.h all \
               $(patsubst %,$(O)/%,$(stress) $(soak) $(rtm) $(steady) $(shared_release) \
                 $(e2e) $(tools))

# $(call run,NAME,PROGRAMS): a program stands below build/VARIANT/, a script in the tree.
run     = @O=build/release tests/support/run-tests.sh --name $(1) $(call limited,$(2))
limited = $(foreach t,$(1),$(addsuffix :,$(TIMEOUT_$(call in_tree,$t)))$t)
in_tree = tests/$(lastword $(subst tests/,$(space),$(1)))

# Only from the command line: T is too short a name to trust the environment with.
ifneq ($(origin T),command line)
T :=
endif

everything = tests/lint/tidy.sh $(unit:%=build/asan/%) $(threaded:%=build/tsan/%) \
             $(soak:%=build/tsan/%) $(stress:%=build/release/%) $(soak:%=build/release/%) \
             $(rtm:%=build/asan/%) $(rtm:%=build/tsan/%) $(rtm:%=build/release/%) \
             $(steady:%=build/release/%) $(shared_release:%=build/release/%) \
             $(shared_asan:%=build/asan/%) build/model/$(model) build/asan/$(sim) \
             $(e2e:%=build/release/%) $(scripts)

test: $(if $(T),test-one,test-all) ## Lint, unit tests with sanitizers, end to end; T=rings/spsc
test-all:
	@tests/support/install-packages.sh test
	$(call again,asan) tests-asan
	$(call again,tsan) tests-tsan
	$(call again,release) tests-release
	$(call again,model) build/model/$(model)
	$(call run,test,$(everything))

# T=rings/spsc, T=rings/test_spsc, T=stress/order or T=e2e/redis: whichever of the files exists.
# T=soak/soak is the whole folder.
chosen := $(firstword $(wildcard tests/$(T).c tests/$(dir $(T))test_$(notdir $(T)).c \
            tests/$(T).sh))

test-one: $(patsubst %.c,$(O)/%,$(filter %.c,$(chosen))) $(if $(filter %.sh,$(chosen)),all)
	$(if $(chosen),,$(error T=$(T) names no test; T=rings/spsc is tests/rings/test_spsc.c))
	$(if $(filter %.sh,$(chosen)),@O=$(O) bash $(chosen),@$(setarch) $<)

# gcc 12's ThreadSanitizer does not start where the kernel randomises addresses by many bits.
setarch = $(if $(filter tsan,$(VARIANT)),$(shell setarch -R true 2>/dev/null && echo setarch -R))

stress: export STRESS_COUNT ?= 10000000
stress: ## Only the stress programs, in full (VARIANT=tsan STRESS_COUNT STRESS_ROUNDS SEED)
	$(call again,$(VARIANT)) $(patsubst %,build/$(VARIANT)/%,$(stress) $(soak))
	$(call run,stress$(filter-out -release,-$(VARIANT)),\
		$(patsubst %,build/$(VARIANT)/%,$(stress) $(soak)))

soak: export SOAK_COUNT ?= 1000000000
soak: ## A thousand million items through each kind of ring between loops (SOAK_COUNT SEED)
	$(call again,$(VARIANT)) build/$(VARIANT)/tests/stress/channel
	@$(setarch) build/$(VARIANT)/tests/stress/channel

soak-rings: export SOAK_COUNT ?= 1000000000
soak-rings: ## A thousand million items through each kind of ring (SOAK_COUNT SOAK_KIND SEED)
	$(call again,$(VARIANT)) build/$(VARIANT)/$(soak)
	@$(setarch) build/$(VARIANT)/$(soak)

stop: export STOP_COUNT ?= 200
stop: ## Two hundred stops under load: nothing accepted is lost, nothing is left (STOP_COUNT SEED)
	$(call again,$(VARIANT)) build/$(VARIANT)/tests/stress/stop
	@$(setarch) build/$(VARIANT)/tests/stress/stop

# The whole number in release, where instructions are counted too; threads under ThreadSanitizer.
rtm: export RTM_COUNT ?= 100000000
rtm: ## Real-time pools against a model, with adversaries; worst-case steps (RTM_COUNT SEED)
	$(call again,$(VARIANT)) build/$(VARIANT)/$(rtm)
	@$(setarch) build/$(VARIANT)/$(rtm)

model: ## Explore the interleavings of the rings and the wake-up protocol, all that are bounded
	$(call again,model) build/model/$(model)
	@build/model/$(model) --full

sim: export SEEDS ?= 2000
sim: ## The whole on a simulated kernel that fails in every way (SEEDS=2000)
	$(call again,sim) build/sim/$(sim)
	@build/sim/$(sim) --faults

fuzz: export FUZZ_S ?= 60
fuzz: ## Topology loader, lists, control data, foreign rings under libFuzzer (FUZZ_S=60)
	+@MAKE='$(MAKE) $(jobs)' bash tests/fuzz/fuzz.sh

test-numa: ## The library on machines with several nodes, emulated (MACHINES='pair' KERNELS=trixie)
	@tests/support/install-packages.sh test vm
	$(call again,release) $(patsubst %,build/release/%,$(guest) $(guest_tests))
	@bash tests/vm/run.sh build/release $(guest) $(guest_tests)

# Where M came from the environment it may mean anything.
ifneq ($(origin M),command line)
M :=
endif

mutate: ## Weaken rings/ in every place, one by one: a test must notice (M=PATTERN JOBS=2 LISTED=1)
	@tests/support/install-packages.sh test
	@JOBS=$(or $(JOBS),2) bash tests/mutate/mutate.sh $(call quote,$(or $(M),.))

mutate-defects: ## Put the defects of older rings back: their regression tests must fail (M=D-05)
	@tests/support/install-packages.sh test
	@bash tests/mutate/defects.sh $(call quote,$(or $(M),.))

mutate-wake: ## Take the wake-up protocol apart piece by piece: a test must fail each time
	@tests/support/install-packages.sh test
	@bash tests/mutate/wake.sh $(O)

include tests/bench/bench.mk
include tests/rtcheck/rtcheck.mk

lint: $(include_root)/config.h ## Look whether the tree keeps its rules
	@bash tests/mutate/defects.sh --check
	@tests/lint/tidy.sh $<

headers: lint ## Lint, of which one rule is: each public header alone in C11 and C++17

# ---- tools ---------------------------------------------------------------------------------------

c_files = $(shell find $(wildcard $(FLOORS) examples) tests \( -name '*.[ch]' -o -name '*.cc' \) \
             ! -path 'tests/lint/bad/*')

format: ## Format all C with clang-format 14
	@$(firstword $(shell command -v clang-format-14) clang-format) -i $(c_files)

command_of = $(strip $(CC) $(cpp_flags) -Itests -Iexamples $(c_flags))

# One entry per C file; an editor needs neither bear nor a full build for it.
compile_commands.json: $(include_tree) $(include_root)/config.h FORCE ## Write it for clangd
	@{ echo '['; comma=' '; for f in $(filter %.c,$(c_files)); do \
		printf '%s{"directory": "%s", "file": "%s", "command": "%s"}\n' \
			"$$comma" '$(CURDIR)' $$f \
			"$(command_of) -Iexamples/$$(basename $${f%/*}) -c $$f"; \
		comma=','; done; echo ']'; } >$@

deps: ## Install what building and testing need, or print the one line to run
	@tests/support/install-packages.sh build test

help: ## List the targets
	@sed -n 's/^\([a-z][a-z_.-]*\):[^#=]*\( .*\)*## \(.*\)/\1@\3/p' \
		Makefile tests/[!b]*/*.mk tests/bench/bench.mk | \
		awk -F@ '{ printf "  %-22s %s\n", $$1, $$2 }'
	@echo
	@echo '  make test T=rings/spsc runs that test alone, in release; also VARIANT=asan'
	@echo '  VARIANT=$(subst $(space),|,$(VARIANTS)) V=1 WERROR=1 CC=clang O=build/elsewhere'

config-help: ## List the options of config.mk, their values and where each came from
	@$(call config,help)

show-config: ## Print variant, compiler, flags and options in force
	@echo 'variant   $(VARIANT), in $(O)'
	@echo 'compiler  $(CC)'
	@printf 'flags     %s\n' $(call quote,$(cpp_flags) $(c_flags))
	@printf 'link      %s\n' $(call quote,$(link_flags) $(URING_LIBS))
	@$(call config,show)

clean: ## Remove build/ and what it holds
	rm -rf build compile_commands.json

FORCE:
.PHONY: all lib examples demo tests test test-all test-one test-numa stress soak soak-rings stop \
	rtm model sim fuzz fuzz-programs mutate mutate-wake mutate-defects lint headers format \
	deps help config-help show-config clean FORCE

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
