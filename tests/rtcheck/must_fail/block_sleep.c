/* SPDX-License-Identifier: MIT */
/*
 * Sleeping is waiting.
 *
 * expect: block: tick -> pause_a_little -> nanosleep
 */
#include <quoit/numa/realtime.h>

#include <time.h>

static void pause_a_little(void)
{
	const struct timespec little = {0, 1000};

	nanosleep(&little, NULL);
}

QUOIT_RT void tick(void)
{
	pause_a_little();
}
