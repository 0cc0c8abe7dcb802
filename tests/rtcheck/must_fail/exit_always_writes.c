/* SPDX-License-Identifier: MIT */
/*
 * What wakes whether anybody sleeps or not is no exit for those who wake a sleeper.
 *
 * expect: syscall: wake -> quoit_event_wake -> quoit__sys_futex_wake -> syscall
 * expect: syscall: stop -> quoit_loop_stop -> quoit_loop_wake -> quoit_notify_ring ->
 * quoit__sys_write -> write
 */
#include <quoit/rings/wait.h>
#include <quoit/runtime/loop.h>

QUOIT_RT_UNLESS(armed) void stop(struct quoit_loop *loop, struct quoit_event *event)
{
	quoit_event_signal(event);
	quoit_loop_stop(loop);
}

QUOIT_RT void wake(struct quoit_event *event)
{
	quoit_event_wake(event);
}
