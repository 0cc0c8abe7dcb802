/* SPDX-License-Identifier: MIT */
/*
 * idset.c - sets of cpu and node numbers. The parser meets files of other kernels and of containers
 * that fake them, so it takes nothing on trust: every number is bounded before it is used in a
 * loop.
 */
#include <quoit/numa/idset.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

void quoit_idset_intersect(struct quoit_idset *set, const struct quoit_idset *other)
{
	for (size_t i = 0; i < QUOIT_CPUS_MAX / 64; i++)
		set->words[i] &= other->words[i];
}

size_t quoit_idset_count(const struct quoit_idset *set)
{
	size_t count = 0;
	for (size_t i = 0; i < QUOIT_CPUS_MAX / 64; i++)
		count += (size_t)__builtin_popcountll(set->words[i]);
	return count;
}

int quoit_idset_next(const struct quoit_idset *set, unsigned from)
{
	if (from >= QUOIT_CPUS_MAX)
		return -1;
	size_t i = from / 64;
	uint64_t word = set->words[i] & (~(uint64_t)0 << (from % 64));
	while (!word) {
		if (++i == QUOIT_CPUS_MAX / 64)
			return -1;
		word = set->words[i];
	}
	return (int)(i * 64) + __builtin_ctzll(word);
}

#define NUMBER_MOST 1000000000u /* all beyond are alike */

/* A decimal number at *at, which moves behind it. Saturates: a long one is too big, not small. */
static int take_number(const char **at, unsigned *number)
{
	if (!isdigit((unsigned char)**at))
		return -EINVAL;
	unsigned value = 0;
	for (; isdigit((unsigned char)**at); (*at)++)
		value = value < NUMBER_MOST / 10 ? value * 10 + (unsigned)(**at - '0')
						 : NUMBER_MOST;
	*number = value;
	return 0;
}

/* One "a", "a-b" or "a-b:used/group". */
static int take_range(const char **at, struct quoit_idset *set, unsigned limit)
{
	unsigned first = 0;
	if (take_number(at, &first))
		return -EINVAL;
	unsigned last = first;
	unsigned used = 1;
	unsigned group = 1;
	if (**at == '-') {
		(*at)++;
		if (take_number(at, &last))
			return -EINVAL;
		if (**at == ':') {
			(*at)++;
			if (take_number(at, &used) || *(*at)++ != '/' || take_number(at, &group))
				return -EINVAL;
		}
	}
	if (last < first || used == 0 || used > group)
		return -EINVAL;
	if (last >= limit)
		return -E2BIG;
	for (unsigned id = first; id <= last; id++) {
		if ((id - first) % group < used)
			quoit_idset_add(set, id);
	}
	return 0;
}

int quoit_idset_parse(struct quoit_idset *set, const char *text, unsigned limit)
{
	QUOIT_ASSERT(limit <= QUOIT_CPUS_MAX);
	struct quoit_idset found = {0};
	const char *at = text;
	while (isspace((unsigned char)*at))
		at++;
	if (*at) {
		for (;;) {
			const int rc = take_range(&at, &found, limit);
			if (rc)
				return rc;
			if (*at != ',')
				break;
			at++;
		}
	}
	while (isspace((unsigned char)*at))
		at++;
	if (*at)
		return -EINVAL;
	*set = found;
	return 0;
}

const char *quoit_idset_format(const struct quoit_idset *set, char *text, size_t bytes)
{
	QUOIT_ASSERT(bytes >= 8);
	size_t length = 0;
	text[0] = '\0';
	for (int first = quoit_idset_next(set, 0); first >= 0;) {
		int last = first;
		while (quoit_idset_has(set, (unsigned)last + 1))
			last++;
		char range[32];
		const char *const comma = length ? "," : "";
		const int n = first == last ? snprintf(range, sizeof range, "%s%d", comma, first)
					    : snprintf(range, sizeof range, "%s%d-%d", comma, first,
						       last);
		if (length + (size_t)n + sizeof "..." > bytes) {
			memcpy(text + length, "...", sizeof "...");
			return text;
		}
		memcpy(text + length, range, (size_t)n + 1);
		length += (size_t)n;
		first = quoit_idset_next(set, (unsigned)last + 1);
	}
	if (length == 0)
		memcpy(text, "none", sizeof "none");
	return text;
}
