/* SPDX-License-Identifier: MIT */
/*
 * mark_header.h - marks in a header of one's own.
 */
#ifndef QUOIT_TESTS_RTCHECK_MARK_HEADER_H
#define QUOIT_TESTS_RTCHECK_MARK_HEADER_H

#include <quoit/numa/realtime.h>

#include <stdlib.h>

QUOIT_RT void *outside(size_t bytes);

QUOIT_RT static inline void inside(void *block)
{
	free(block);
}

#endif
