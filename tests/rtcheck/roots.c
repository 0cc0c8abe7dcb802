/* SPDX-License-Identifier: MIT */
/*
 * roots.c - all that is inline, so that the checker can have code made of it: every header with
 * marks, and one of each kind of ring and pool that macros stamp.
 */
#include <quoit/numa/clock.h>
#include <quoit/numa/rtm.h>
#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/channels.h>
#include <quoit/rings/copy.h>
#include <quoit/rings/fixed_pool.h>
#include <quoit/rings/group.h>
#include <quoit/rings/mpsc_wait.h>
#include <quoit/rings/notifier.h>
#include <quoit/rings/shared_pool.h>
#include <quoit/rings/typed_shring.h>
#include <quoit/rings/u64.h>
#include <quoit/runtime/quoit.h>

/* Larger than what is copied word by word, beside the words of channels.h and u64.h. */
struct order {
	uint64_t word[25];
};

QUOIT_SPSC(spsc_of_orders, struct order);
QUOIT_MPSC(mpsc_of_orders, struct order);
QUOIT_SPMC(spmc_of_orders, struct order);
QUOIT_MPMC(mpmc_of_orders, struct order);
QUOIT_SHRING(shring_of_orders, struct order);
QUOIT_FIXED_POOL(fixed_pool_of_orders, struct order, 300);
QUOIT_SHARED_POOL(shared_pool_of_orders, struct order, 300);
