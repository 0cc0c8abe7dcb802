/* SPDX-License-Identifier: MIT */
/* scan.c - see scan.h. */
#include "scan.h"

#include <errno.h>
#include <string.h>

#include "number.h"

#define LENGTH_MAX ((int64_t)1 << 40) /* of a string or an array; further sums cannot overflow */

/* A line has ended: what follows it? */
static int line_ended(struct scan *scan)
{
	const char type = scan->type;
	int64_t length;

	scan->type = 0;
	if (type != '$' && type != '*')
		return 0;
	if (!scan->digits || scan->number[scan->digits - 1] != '\r' ||
	    !number_parse(scan->number, scan->digits - 1u, &length) || length < -1 ||
	    length > LENGTH_MAX || scan->values_left > (uint64_t)LENGTH_MAX)
		return -EPROTO;
	if (type == '$' && length >= 0)
		scan->skip = (uint64_t)length + 2;
	if (type == '*' && length > 0)
		scan->values_left += (uint64_t)length;
	return 0;
}

static int line_goes_on(struct scan *scan, char byte)
{
	if (scan->type != '$' && scan->type != '*')
		return 0; /* a text, or a number that is not ours to read */
	if (scan->digits > SCAN_NUMBER_MAX)
		return -EPROTO;
	scan->number[scan->digits++] = byte;
	return 0;
}

static int look_at(struct scan *scan, char byte)
{
	if (scan->type)
		return byte == '\n' ? line_ended(scan) : line_goes_on(scan, byte);
	if (!byte || !strchr("+-:$*", byte))
		return -EPROTO;
	scan->inside = true;
	scan->type = byte;
	scan->digits = 0;
	return 0;
}

/* A value is complete: is that all? */
static bool was_last(struct scan *scan)
{
	scan->inside = scan->values_left > 0;
	if (scan->inside)
		scan->values_left--;
	return !scan->inside;
}

long scan_reply(struct scan *scan, const char *data, size_t len, bool *ended)
{
	size_t at = 0;

	*ended = false;
	while (at < len && !*ended) {
		size_t n = 1;

		if (scan->skip) {
			n = scan->skip < len - at ? (size_t)scan->skip : len - at;
			scan->skip -= n;
		} else if (look_at(scan, data[at]) < 0) {
			return -EPROTO;
		}
		at += n;
		if (!scan->type && !scan->skip)
			*ended = was_last(scan);
	}
	return (long)at;
}
