/* SPDX-License-Identifier: MIT */
/*
 * idset.c - the list parser under libFuzzer, beside one that is written without a care for speed.
 *
 * What is accepted comes back from its own text unchanged; what is refused has changed nothing; and
 * both agree on which is which.
 */
#include <ctype.h>
#include <errno.h>

#include "fuzz/fuzz.h"

#include <quoit/numa/idset.h>

/* A number by hand; -1 if there is none. Beyond 10^9 they are all alike. */
static long long number(const char **at)
{
	long long value = -1;
	for (; isdigit((unsigned char)**at); (*at)++) {
		value = (value < 0 ? 0 : value) * 10 + (**at - '0');
		value = value > 1000000000 ? 1000000000 : value;
	}
	return value;
}

/* Expect a character; false if another is there. */
static bool skip(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* Mark the members; 0, or the error of the first range that is wrong. */
static int read_slowly(const char *at, long long limit, bool *members)
{
	while (isspace((unsigned char)*at))
		at++;
	if (!*at)
		return 0;
	do {
		const long long first = number(&at);
		long long last = first, used = 1, group = 1;
		if (first < 0)
			return -EINVAL;
		if (skip(&at, '-')) {
			last = number(&at);
			if (last < 0)
				return -EINVAL;
			if (skip(&at, ':')) {
				used = number(&at);
				if (used < 0 || !skip(&at, '/'))
					return -EINVAL;
				group = number(&at);
				if (group < 0)
					return -EINVAL;
			}
		}
		if (last < first || used == 0 || used > group)
			return -EINVAL;
		if (last >= limit)
			return -E2BIG;
		for (long long id = first; id <= last; id++)
			members[id] = members[id] || (id - first) % group < used;
	} while (skip(&at, ','));
	while (isspace((unsigned char)*at))
		at++;
	return *at ? -EINVAL : 0;
}

static void check_members(const struct quoit_idset *set, const bool *members)
{
	size_t count = 0;
	int next = quoit_idset_next(set, 0);
	for (unsigned id = 0; id < QUOIT_CPUS_MAX; id++) {
		assert_int_equal(quoit_idset_has(set, id), members[id]);
		if (members[id]) {
			assert_int_equal(next, id);
			next = quoit_idset_next(set, id + 1);
			count++;
		}
	}
	assert_int_equal(next, -1);
	assert_int_equal(quoit_idset_count(set), count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool members[QUOIT_CPUS_MAX];
	static char text[4096], formatted[64 * 1024];
	struct quoit_idset set, again = {0};
	if (bytes < 2 || bytes - 2 >= sizeof text)
		return -1;
	const unsigned limit = (unsigned)(data[0] << 8 | data[1]) % (QUOIT_CPUS_MAX + 1);
	memcpy(text, data + 2, bytes - 2);
	text[bytes - 2] = '\0';

	memset(members, 0, sizeof members);
	memset(&set, 0x5a, sizeof set);
	const struct quoit_idset untouched = set;
	const int rc = quoit_idset_parse(&set, text, limit);
	assert_int_equal(rc, read_slowly(text, limit, members));
	if (rc) {
		assert_true(!memcmp(&set, &untouched, sizeof set));
		return 0;
	}
	check_members(&set, members);
	quoit_idset_format(&set, formatted, sizeof formatted);
	if (quoit_idset_count(&set) == 0) {
		assert_string_equal(formatted, "none");
		return 0;
	}
	assert_int_equal(quoit_idset_parse(&again, formatted, limit), 0);
	assert_true(!memcmp(&set, &again, sizeof set));
	quoit_idset_format(&set, text, 8); /* as much as fits, and never more */
	assert_true(strlen(text) < 8);
	return 0;
}
