# SPDX-License-Identifier: MIT
#
# steady.mk - steady state: one program of all files here. Read by the Makefile, whose words it
# uses.

steady := tests/steady/steady

# Two threads that never give up their cpus.
TIMEOUT_$(steady) := 180

$(O)/$(steady): $(call object,$(wildcard tests/steady/*.c)) $(support) $(GUARD) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(call link)

rt-steady: export RT_TURNS ?= 100000000
rt-steady: export RT_REQUESTS ?= 1000000
rt-steady: ## Nothing is allocated, no page touched, in steady state (RT_TURNS RT_REQUESTS)
	$(call again,release) build/release/$(steady)
	@build/release/$(steady)

.PHONY: rt-steady
