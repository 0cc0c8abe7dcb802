/* SPDX-License-Identifier: MIT */
/*
 * An exit of its own, in own_exit.exits, with a reason.
 */
#include <quoit/rings/wait.h>

void start_again(void);

QUOIT_RT_UNLESS(armed)
QUOIT_RT_UNLESS(broken) int tick(struct quoit_event *event, int n)
{
	if (n < 0)
		start_again();
	quoit_event_signal(event);
	return n + 1;
}
