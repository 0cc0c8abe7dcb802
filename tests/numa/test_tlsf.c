/* SPDX-License-Identifier: MIT */
/*
 * test_tlsf.c - blocks of one span: where they are cut, that they unite again, and that damage is
 * seen. Random use of it, by pools, is in tests/rtm/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <quoit/numa/tlsf_internal.h>

#define GRANULES 4096

typedef struct quoit__tlsf_block block;

struct fixture {
	struct quoit__tlsf t;
	void *span;
	size_t bytes;
};

static void start(struct fixture *f, size_t align)
{
	f->bytes = (GRANULES + 1) * align;
	f->span = aligned_alloc(align, f->bytes);
	assert_non_null(f->span);
	memset(f->span, 0x5a, f->bytes);
	assert_int_equal(quoit__tlsf_init(&f->t, f->span, f->bytes, align), 0);
	assert_int_equal(quoit__tlsf_largest(&f->t), GRANULES);
}

static void sound(const struct fixture *f)
{
	const block *at = NULL;
	const char *const wrong = quoit__tlsf_check(&f->t, NULL, NULL, &at);

	if (wrong)
		fail_msg("%s", wrong);
}

static void end(struct fixture *f)
{
	sound(f);
	assert_int_equal(quoit__tlsf_largest(&f->t), GRANULES);
	free(f->span);
}

static void blocks_are_aligned_and_do_not_overlap(void **state)
{
	(void)state;
	for (size_t align = 16; align <= 4096; align *= 2) {
		struct fixture f;
		block *blocks[40];

		start(&f, align);
		for (uint32_t i = 0; i < 40; i++) {
			blocks[i] = quoit__tlsf_take(&f.t, 2 + i, 1);
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)quoit__tlsf_data(blocks[i]) % align, 0);
			assert_int_equal(quoit__tlsf_granules(blocks[i]), 2 + i);
			memset(quoit__tlsf_data(blocks[i]), (int)i,
			       quoit__tlsf_bytes(&f.t, blocks[i]));
			sound(&f);
		}
		for (uint32_t i = 0; i < 40; i++) {
			const char *const data = quoit__tlsf_data(blocks[i]);

			for (size_t k = 0; k < quoit__tlsf_bytes(&f.t, blocks[i]); k++)
				assert_int_equal(data[k], (char)i);
		}
		for (uint32_t i = 0; i < 40; i++)
			quoit__tlsf_give(&f.t, blocks[i * 7 % 40]);
		end(&f);
	}
}

/* Each of the four: with no free neighbour, with one in front, behind, and with both. */
static void what_comes_back_unites_with_both_neighbours(void **state)
{
	struct fixture f;
	block *b[5];

	(void)state;
	for (int order = 0; order < 6; order++) {
		static const int orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
						 {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

		start(&f, 64);
		for (int i = 0; i < 5; i++)
			b[i] = quoit__tlsf_take(&f.t, 10, 1);
		for (int i = 0; i < 3; i++) {
			quoit__tlsf_give(&f.t, b[orders[order][i]]);
			sound(&f);
		}
		assert_true(quoit__tlsf_is_free(b[1]));
		assert_int_equal(quoit__tlsf_granules(b[1]), 30);
		quoit__tlsf_give(&f.t, b[0]);
		quoit__tlsf_give(&f.t, b[4]);
		end(&f);
	}
}

/* Also where rounding up to the next list would lead past the only block there is. */
static void the_last_granule_can_be_had(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 64);
	for (uint32_t n = 1; n <= GRANULES; n++) {
		block *const b = quoit__tlsf_take(&f.t, n, 1);
		const uint32_t rest = GRANULES - n;
		block *const other = rest ? quoit__tlsf_take(&f.t, rest, 1) : NULL;

		assert_non_null(b);
		assert_true(!rest || other);
		assert_null(quoit__tlsf_take(&f.t, 1, 1));
		assert_int_equal(quoit__tlsf_largest(&f.t), 0);
		quoit__tlsf_give(&f.t, b);
		if (rest)
			quoit__tlsf_give(&f.t, other);
	}
	assert_null(quoit__tlsf_take(&f.t, GRANULES + 1, 1));
	end(&f);
}

static void what_largest_promises_is_kept(void **state)
{
	struct fixture f;
	block *blocks[300];
	uint32_t n = 0;

	(void)state;
	start(&f, 16);
	for (uint32_t i = 0; i < 300; i++)
		blocks[i] = quoit__tlsf_take(&f.t, 2 + i % 23, 1);
	for (uint32_t i = 0; i < 300; i += 2)
		quoit__tlsf_give(&f.t, blocks[i]);
	while (quoit__tlsf_largest(&f.t)) {
		const uint32_t largest = quoit__tlsf_largest(&f.t);
		block *const b = quoit__tlsf_take(&f.t, largest, 1);

		assert_non_null(b);
		assert_int_equal(quoit__tlsf_granules(b), largest);
		sound(&f);
		n++;
	}
	assert_true(n > 100);
	free(f.span);
}

static void more_alignment_leaves_the_gap_free(void **state)
{
	(void)state;
	for (size_t align = 16; align <= 64; align *= 4) {
		struct fixture f;
		block *first, *b;

		start(&f, align);
		first = quoit__tlsf_take(&f.t, 3, 1);
		for (uint32_t want = 2; want <= 256; want *= 2) {
			b = quoit__tlsf_take(&f.t, 5, want);
			assert_non_null(b);
			assert_int_equal((uintptr_t)quoit__tlsf_data(b) % (want * align), 0);
			assert_int_equal(quoit__tlsf_granules(b), 5);
			sound(&f);
			quoit__tlsf_give(&f.t, b);
			sound(&f);
		}
		assert_null(quoit__tlsf_take(&f.t, GRANULES - 10, 256));
		quoit__tlsf_give(&f.t, first);
		end(&f);
	}
}

static void a_block_grows_into_what_is_free_behind_it_and_no_further(void **state)
{
	struct fixture f;
	block *a, *b, *c;

	(void)state;
	start(&f, 64);
	a = quoit__tlsf_take(&f.t, 10, 1);
	b = quoit__tlsf_take(&f.t, 10, 1);
	c = quoit__tlsf_take(&f.t, 10, 1);
	assert_false(quoit__tlsf_resize(&f.t, a, 11));
	quoit__tlsf_give(&f.t, b);
	assert_true(quoit__tlsf_resize(&f.t, a, 13));
	sound(&f);
	assert_false(quoit__tlsf_resize(&f.t, a, 21));
	assert_true(quoit__tlsf_resize(&f.t, a, 20));
	sound(&f);
	assert_true(quoit__tlsf_resize(&f.t, a, 4));
	assert_int_equal(quoit__tlsf_granules(a), 4);
	sound(&f);
	assert_true(quoit__tlsf_resize(&f.t, c, GRANULES - 20));
	quoit__tlsf_give(&f.t, a);
	quoit__tlsf_give(&f.t, c);
	end(&f);
}

/* Defect D-64: sizes beyond 32 bits. Only what is touched is there. */
static void more_than_four_gigabytes_are_one_span(void **state)
{
	const size_t bytes = (size_t)9 << 30;
	void *const span = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct quoit__tlsf t;
	const block *at;
	block *large, *small;

	(void)state;
	if (span == MAP_FAILED) {
		print_message("skip: 9 GiB of addresses are refused\n");
		skip();
	}
	assert_int_equal(quoit__tlsf_init(&t, span, bytes, 16), 0);
	large = quoit__tlsf_take(&t, (uint32_t)(((size_t)5 << 30) / 16), 1);
	small = quoit__tlsf_take(&t, 2, 1);
	assert_non_null(large);
	assert_non_null(small);
	assert_int_equal(quoit__tlsf_bytes(&t, large), ((size_t)5 << 30) - 16);
	assert_true((char *)quoit__tlsf_data(small) >=
		    (char *)quoit__tlsf_data(large) + quoit__tlsf_bytes(&t, large));
	quoit__tlsf_give(&t, large);
	quoit__tlsf_give(&t, small);
	assert_null(quoit__tlsf_check(&t, NULL, NULL, &at));
	assert_int_equal(quoit__tlsf_largest(&t), bytes / 16 - 1);
	munmap(span, bytes);
}

static void spans_that_cannot_be_are_refused(void **state)
{
	static char small[256] __attribute__((aligned(64)));
	struct quoit__tlsf t;

	(void)state;
	assert_int_equal(quoit__tlsf_init(&t, small, 128, 64), -EINVAL);
	assert_int_equal(quoit__tlsf_init(&t, small, 0, 64), -EINVAL);
	assert_int_equal(quoit__tlsf_init(&t, small, (size_t)1 << 36, 16), -E2BIG);
}

/* Everything that the check looks at, overwritten once each: it must notice, and not follow it. */
static void damage_is_seen_and_not_followed(void **state)
{
	struct fixture f;
	block *b[6], *hurt;

	(void)state;
	for (int what = 0; what < 11; what++) {
		const block *at = NULL;

		start(&f, 64);
		for (int i = 0; i < 6; i++)
			b[i] = quoit__tlsf_take(&f.t, 10, 1);
		quoit__tlsf_give(&f.t, b[1]);
		quoit__tlsf_give(&f.t, b[3]);
		sound(&f);
		hurt = b[3];
		if (what == 0)
			hurt->size = 0;
		else if (what == 1)
			hurt->size = UINT32_MAX;
		else if (what == 2)
			hurt->before++;
		else if (what == 3)
			hurt->next = (block *)(uintptr_t)0xdeadbeef0;
		else if (what == 4)
			hurt->next = (block *)(void *)((char *)b[1] + 8);
		else if (what == 5)
			hurt->previous = b[0];
		else if (what == 6)
			hurt->next = hurt;
		else if (what == 7)
			b[2]->size |= 1;
		else if (what == 8)
			f.t.lists[0] = 0;
		else if (what == 9)
			f.t.powers |= 1 << 20;
		else
			*(uint32_t *)(void *)((char *)f.span + f.bytes - 12) =
				2; /* the end's size */
		assert_non_null(quoit__tlsf_check(&f.t, NULL, NULL, &at));
		assert_non_null(at);
		free(f.span);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_aligned_and_do_not_overlap),
		cmocka_unit_test(what_comes_back_unites_with_both_neighbours),
		cmocka_unit_test(the_last_granule_can_be_had),
		cmocka_unit_test(what_largest_promises_is_kept),
		cmocka_unit_test(more_alignment_leaves_the_gap_free),
		cmocka_unit_test(a_block_grows_into_what_is_free_behind_it_and_no_further),
		cmocka_unit_test(more_than_four_gigabytes_are_one_span),
		cmocka_unit_test(spans_that_cannot_be_are_refused),
		cmocka_unit_test(damage_is_seen_and_not_followed),
	};

	return cmocka_run_group_tests_name("numa/tlsf", tests, NULL, NULL);
}
