/* SPDX-License-Identifier: MIT */
/*
 * bytes.c - the cold half of the byte queue, and bytes as people read them.
 */
#include "bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SHOWN_BYTES = 72,
	SHOWN_BEFORE = 24, /* of these, before the byte that matters */
};

int bytes_init(struct bytes *b, size_t room)
{
	*b = (struct bytes){.data = malloc(room), .room = room};
	return b->data ? 0 : -ENOMEM;
}

void bytes_fini(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

bool bytes_space(struct bytes *b, size_t want)
{
	if (b->room - b->end >= want)
		return true;
	if (b->begin) {
		memmove(b->data, b->data + b->begin, bytes_held(b));
		b->end -= b->begin;
		b->begin = 0;
	}
	return b->room - b->end >= want;
}

void bytes_put_number(struct bytes *b, int64_t n)
{
	char digits[24], *at = digits + sizeof(digits);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (n < 0)
		*--at = '-';
	bytes_put(b, at, (size_t)(digits + sizeof(digits) - at));
}

static size_t escape(char *out, size_t room, unsigned char c)
{
	int len;

	if (c == '\r' || c == '\n')
		len = snprintf(out, room, "\\%c", c == '\r' ? 'r' : 'n');
	else if (c == '\\')
		len = snprintf(out, room, "\\\\");
	else if (c < ' ' || c > '~')
		len = snprintf(out, room, "\\x%02x", c);
	else
		len = snprintf(out, room, "%c", c);
	return (size_t)len;
}

void bytes_show(char *out, size_t room, const char *data, size_t len, size_t at)
{
	const size_t first = len <= SHOWN_BYTES || at < SHOWN_BYTES ? 0 : at - SHOWN_BEFORE;
	const size_t last = len - first <= SHOWN_BYTES ? len : first + SHOWN_BYTES;
	char tail[48];
	const int tail_len =
		snprintf(tail, sizeof(tail), "%s (%zu bytes)", last < len ? "..." : "", len);
	size_t used = 0;

	if (!len) {
		snprintf(out, room, "nothing");
		return;
	}
	if (first && room > 3)
		used = (size_t)snprintf(out, room, "...");
	for (size_t i = first; i < last && used + 5 + (size_t)tail_len < room; i++)
		used += escape(out + used, room - used, (unsigned char)data[i]);
	snprintf(out + used, room - used, "%s", last - first < len ? tail : "");
}
