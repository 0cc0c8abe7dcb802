/* SPDX-License-Identifier: MIT */
/*
 * scan.h - where a RESP2 reply ends, in bytes that come in any pieces.
 *
 * Nothing is kept of what was looked at, so a reply may be passed on piece by piece, however long.
 */
#ifndef KV_SCAN_H
#define KV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_NUMBER_MAX 20 /* digits and sign of the longest number */

/* All zero: a reply is about to begin. The scan leaves it like that when one ends. */
struct scan {
	uint64_t values_left; /* besides the one that is being read: elements of arrays */
	uint64_t skip;	      /* bytes of a string, and its line end */
	bool inside;	      /* a reply has begun that has not ended */
	char type;	      /* of the line that is being read; 0: it has not begun */
	uint8_t digits;
	char number[SCAN_NUMBER_MAX + 1];
};

/*
 * Look at more of a reply. Gives how many bytes belong to it, *ended when those are its last ones;
 * or -EPROTO for what is no reply.
 */
long scan_reply(struct scan *scan, const char *data, size_t len, bool *ended);

#endif
