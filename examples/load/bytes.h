/* SPDX-License-Identifier: MIT */
/*
 * bytes.h - a bounded queue of bytes: put at the end, dropped at the front, always contiguous.
 *
 * Whoever puts asks for the space first; nothing grows.
 */
#ifndef LOAD_BYTES_H
#define LOAD_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	char *data;
	size_t begin, end, room;
};

int bytes_init(struct bytes *b, size_t room);
void bytes_fini(struct bytes *b);

/* Room for `want` more at the end, moving what is held to the start if that helps. */
bool bytes_space(struct bytes *b, size_t want);

/* Decimal, as RESP writes numbers. */
void bytes_put_number(struct bytes *b, int64_t n);

/*
 * Write bytes as text of one line: \r, \n and what cannot be printed escaped. Of long ones only a
 * part is shown, the one around byte `at`, with ... for what is left out and the length behind it.
 * `out` always ends with a 0.
 */
void bytes_show(char *out, size_t room, const char *data, size_t len, size_t at);

static inline size_t bytes_held(const struct bytes *b)
{
	return b->end - b->begin;
}

static inline const char *bytes_front(const struct bytes *b)
{
	return b->data + b->begin;
}

static inline void bytes_put(struct bytes *b, const void *data, size_t len)
{
	assert(b->room - b->end >= len);
	memcpy(b->data + b->end, data, len);
	b->end += len;
}

static inline void bytes_put_text(struct bytes *b, const char *text)
{
	bytes_put(b, text, strlen(text));
}

static inline void bytes_drop(struct bytes *b, size_t len)
{
	assert(bytes_held(b) >= len);
	b->begin += len;
	if (b->begin == b->end)
		b->begin = b->end = 0;
}

#endif
