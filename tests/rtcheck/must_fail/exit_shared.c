/* SPDX-License-Identifier: MIT */
/*
 * A real-time pool may be one of QUOIT_RTM_SHARED.
 *
 * expect: exit: tick -> quoit_rtm_free -> quoit__rtm_enter -> quoit__rtm_own -> lock
 * expect: exit: tick -> quoit_rtm_free -> quoit__rtm_leave -> pthread_mutex_unlock
 */
#include <quoit/numa/rtm.h>

QUOIT_RT int tick(void *block)
{
	return quoit_rtm_free(block);
}
