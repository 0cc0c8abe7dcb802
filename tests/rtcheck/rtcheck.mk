# SPDX-License-Identifier: MIT
#
# rtcheck.mk - what functions promise to real-time code, checked. Read by the Makefile, whose words
# it uses. See tests/rtcheck/rtcheck.py.

# F='mine.c': the marked functions of other sources, on top of the library.
ifneq ($(origin F),command line)
F :=
endif

rtcheck: ## What functions promise to real-time code, against call graph and code (F=mine.c)
	@tests/support/install-packages.sh build python3 binutils
	$(call again,release) rtcheck-needs
	@O=build/release bash tests/rtcheck/run.sh $(F)

# The command of the release build, and the headers as programs see them.
rtcheck-needs: $(O)/flags $(include_root)/config.h $(O)/have-build $(include_tree)
	@:

.PHONY: rtcheck rtcheck-needs
