/* SPDX-License-Identifier: MIT */
/*
 * A handler must not wait for a mutex: `shared` is no promise for it.
 *
 * expect: handler: tick -> take
 */
#include <quoit/numa/rtm.h>

typedef QUOIT_RT_FN void *(*source_fn)(size_t bytes);

QUOIT_RT_UNLESS(shared) void *take(size_t bytes)
{
	return quoit_rtm_alloc(NULL, bytes);
}

QUOIT_RT_UNLESS(armed) void *tick(size_t bytes)
{
	volatile source_fn source = take;

	return source(bytes);
}
