/* SPDX-License-Identifier: MIT */
/*
 * reason.h - why something was refused and how to mend it, in one line.
 *
 * The library prints nothing. What takes a `struct quoit_reason *why` fills it with a sentence for
 * a person, beside the -errno it returns for the program; NULL means that nobody wants to know.
 */
#ifndef QUOIT_NUMA_REASON_H
#define QUOIT_NUMA_REASON_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

struct quoit_reason {
	int error;	/* -errno; 0 as long as nothing was refused */
	char text[256]; /* one line, no newline at its end, always ended with a NUL */
};

/*
 * Fill `why` unless it is NULL, and give `error` back, so that a refusal is one return statement.
 *
 * What is too long is cut; a line break, or whatever else a terminal might obey, becomes a space.
 * Thread: any.   Errors: none of its own.
 */
int quoit_reason_set(struct quoit_reason *why, int error, const char *format, ...)
	QUOIT_PRINTF(3, 4);

QUOIT_C_END

#endif
