/* SPDX-License-Identifier: MIT */
/*
 * Without an atomic instruction only as long as nobody is attached.
 *
 * expect: exit: tick -> quoit_spsc_advance -> quoit__spsc_free -> quoit__event_tell
 */
#include <quoit/rings/spsc.h>

QUOIT_RT_UNLESS(armed) QUOIT_WAITFREE void tick(struct quoit_spsc *ring)
{
	quoit_spsc_advance(ring, 1);
}
