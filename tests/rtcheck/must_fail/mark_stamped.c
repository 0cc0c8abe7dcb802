/* SPDX-License-Identifier: MIT */
/*
 * A mark that a macro has stamped counts like one that was written.
 *
 * expect: alloc: orders_take -> malloc
 */
#include <quoit/numa/realtime.h>

#include <stdlib.h>

#define QUEUE(name)                                    \
	QUOIT_RT static inline void *name##_take(void) \
	{                                              \
		return malloc(64);                     \
	}

QUEUE(orders)
