# SPDX-License-Identifier: MIT
#
# shared.mk - rings between processes that do not trust each other. Read by the Makefile, whose
# words it uses. tests/shared/NAME.c is a program made of all files there that begin with NAME.

shared_programs := kill
shared          := $(shared_programs:%=tests/shared/%)

# Only in release are the instructions those that ship; only the sanitizers see what is out of range.
shared_release := tests/shared/kill
shared_asan    :=

TIMEOUT_tests/shared/kill := 180

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

.PHONY: kill
