/* SPDX-License-Identifier: MIT */
#include <stdatomic.h> /* BAD */

static unsigned long count(unsigned long *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED); /* BAD */
}
