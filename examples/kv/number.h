/* SPDX-License-Identifier: MIT */
/*
 * number.h - signed 64-bit integers to and from text, with the strictness of redis.
 *
 * A text is an integer only if it is exactly what printing that integer gives: no sign '+', no
 * leading zero, no space, no "-0". A key that holds "01" is therefore not a number for INCR.
 */
#ifndef KV_NUMBER_H
#define KV_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the longest one, "-9223372036854775808", without a terminator. */
#define NUMBER_MAX_LEN 20

/* True and *out if the len bytes at text are an integer; *out is untouched otherwise. */
static inline bool number_parse(const char *text, size_t len, int64_t *out)
{
	const bool negative = len > 0 && text[0] == '-';
	size_t at = negative;

	if (len == at || len > NUMBER_MAX_LEN)
		return false;
	if (text[at] == '0') {
		if (len > 1)
			return false;
		*out = 0;
		return true;
	}
	uint64_t magnitude = 0;

	for (; at < len; at++) {
		const unsigned digit = (unsigned char)text[at] - (unsigned)'0';

		if (digit > 9 || __builtin_mul_overflow(magnitude, 10, &magnitude) ||
		    __builtin_add_overflow(magnitude, digit, &magnitude))
			return false;
	}
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return true;
}

/* Writes value at out, which has room for NUMBER_MAX_LEN bytes. Returns how many were written. */
static inline size_t number_format(int64_t value, char *out)
{
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[NUMBER_MAX_LEN];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (value < 0)
		digits[--at] = '-';
	const size_t len = sizeof digits - at;

	for (size_t i = 0; i < len; i++)
		out[i] = digits[at + i];
	return len;
}

#endif
