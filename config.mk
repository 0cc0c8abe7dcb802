# SPDX-License-Identifier: MIT
#
# What may be chosen when quoit is built. Override on the make command line, in the environment or
# in config.local.mk (not tracked): make CONFIG_ASSERT=2. `make config-help` prints this list with
# the values in force. [abi] marks what library and program must agree on.

# config CONFIG_ISOLATION
#	int "Bytes kept between fields that different threads write" : 64 128 256  [abi]
CONFIG_ISOLATION ?= 128

# config CONFIG_ASSERT
#	int "Contract checks: 0 none, 1 cold paths, 2 hot paths too" : 0 1 2
CONFIG_ASSERT ?= 1

# config CONFIG_METRICS
#	bool "Let rings count items, batches, failures, waits and times"  [abi]
CONFIG_METRICS ?= n

# config CONFIG_RTM_DEFAULT_POOL_KB
#	int "Size of the default real-time memory pool, if created with size 0" : 1-1048576
CONFIG_RTM_DEFAULT_POOL_KB ?= 256
