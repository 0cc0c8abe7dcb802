/* SPDX-License-Identifier: MIT */
/*
 * letters.h - what goes through the rings of these tests: an item that shows whether it is whole,
 * and which one it is. A letter's number is the position of its slot, so every side can tell what
 * must come next, whoever was there before it.
 */
#ifndef QUOIT_TESTS_SHARED_LETTERS_H
#define QUOIT_TESTS_SHARED_LETTERS_H

#include <quoit/rings/typed_shring.h>

#include <support/random.h>

#define LETTER_WORDS 4

struct letter {
	uint64_t number;
	uint64_t words[LETTER_WORDS]; /* each follows from the number */
};

QUOIT_SHRING(letters, struct letter);

static inline struct letter letter_make(uint64_t number)
{
	struct letter letter = {.number = number};

	for (uint64_t i = 0; i < LETTER_WORDS; i++)
		letter.words[i] = random_mix(number * LETTER_WORDS + i + 1);
	return letter;
}

static inline bool letter_is(const struct letter *letter, uint64_t number)
{
	const struct letter wanted = letter_make(number);

	return !memcmp(letter, &wanted, sizeof(wanted));
}

static inline void letters_fill(struct letter *letters, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++)
		letters[i] = letter_make(number + i);
}

/* How many of these are whole and have the numbers from `number` on, up to the first that is not.
 */
static inline size_t letters_right(const struct letter *letters, size_t n, uint64_t number)
{
	size_t right = 0;

	while (right < n && letter_is(&letters[right], number + right))
		right++;
	return right;
}

#endif
