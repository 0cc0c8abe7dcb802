/* SPDX-License-Identifier: MIT */
/*
 * A commit may ring a bell: the mark must say so.
 *
 * expect: exit: tick -> quoit_spsc_commit -> quoit_spsc_flush -> quoit__spsc_notify ->
 * quoit__spsc_wake_reader -> quoit__notify_call -> quoit__notify_wake -> quoit_notify_ring expect:
 * exit: tick -> quoit_spsc_commit -> quoit_spsc_flush -> quoit__spsc_notify ->
 * quoit__spsc_wake_reader -> quoit_event_signal -> quoit_event_wake
 */
#include <quoit/rings/spsc.h>

QUOIT_RT void tick(struct quoit_spsc *ring)
{
	quoit_spsc_commit(ring, 1);
}
