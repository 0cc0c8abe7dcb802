/* SPDX-License-Identifier: MIT */
/*
 * reply.c - RESP2, as far as lengths go.
 */
#include "reply.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

enum {
	LINE_BYTES_MAX = 65536,
	COUNT_MAX = 512 << 20,
};

/* The line up to and with its \r\n; 0 if it is not all there. */
static ssize_t measure_line(const char *data, size_t len)
{
	const char *const end = memchr(data, '\n', len < LINE_BYTES_MAX ? len : LINE_BYTES_MAX);

	if (!end)
		return len < LINE_BYTES_MAX ? 0 : -EPROTO;
	if (end == data || end[-1] != '\r')
		return -EPROTO;
	return end - data + 1;
}

/* The number of a line that was measured: -2^63 < n < 2^63, or false. */
static int number(const char *data, size_t line, int64_t *out)
{
	const int negative = data[1] == '-';
	const char *at = data + 1 + negative;
	const char *const end = data + line - 2;
	int64_t n = 0;

	if (at == end)
		return 0;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *at - '0', &n))
			return 0;
	}
	*out = negative ? -n : n;
	return 1;
}

/* The rest of a bulk string behind its line; 0 if it is not all there. */
static ssize_t measure_bulk(const char *rest, size_t len, size_t bytes)
{
	if (len < bytes + 2)
		return 0;
	return memcmp(rest + bytes, "\r\n", 2) == 0 ? (ssize_t)bytes + 2 : -EPROTO;
}

/* One reply, or the line of an array: then *more says how many replies follow for it. */
static ssize_t measure_one(const char *data, size_t len, int64_t *more)
{
	if (len && !memchr("+-:$*", data[0], 5))
		return -EPROTO;

	const ssize_t line = measure_line(data, len);
	int64_t n;

	if (line <= 0 || data[0] == '+' || data[0] == '-')
		return line;
	if (!number(data, (size_t)line, &n))
		return -EPROTO;
	if (data[0] == ':' || n == -1)
		return line;
	if (n < 0 || n > COUNT_MAX)
		return -EPROTO;
	if (data[0] == '*') {
		*more += n;
		return line;
	}

	const ssize_t bulk = measure_bulk(data + line, len - (size_t)line, (size_t)n);

	return bulk <= 0 ? bulk : line + bulk;
}

ssize_t reply_measure(const char *data, size_t len)
{
	int64_t left = 1;
	size_t at = 0;

	for (; left > 0; left--) {
		const ssize_t one = measure_one(data + at, len - at, &left);

		if (one <= 0)
			return one;
		at += (size_t)one;
	}
	return (ssize_t)at;
}
