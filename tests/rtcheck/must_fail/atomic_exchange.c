/* SPDX-License-Identifier: MIT */
/*
 * An exchange with memory locks without saying so.
 *
 * expect: atomic: tick
 */
#include <quoit/numa/atomic.h>

QUOIT_RT QUOIT_WAITFREE unsigned long tick(unsigned long *word)
{
	return quoit_exchange(word, 7);
}
