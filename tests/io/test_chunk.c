/* SPDX-License-Identifier: MIT */
/* test_chunk.c - a bounded pool of pieces for bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/io/chunk_internal.h>

#define MOST 40

/* Take all there are, fill them to the brim, and look that none touches another. */
static void take_all(struct quoit_chunks *chunks, unsigned most)
{
	struct quoit_chunk *taken[MOST];

	for (unsigned i = 0; i < most; i++) {
		taken[i] = quoit_chunk_take(chunks);
		assert_non_null(taken[i]);
		assert_null(taken[i]->next);
		assert_int_equal(taken[i]->start, 0);
		assert_int_equal(taken[i]->end, 0);
		memset(taken[i]->bytes, (int)i, QUOIT_CHUNK_ROOM);
		taken[i]->start = taken[i]->end = 7;
	}
	assert_null(quoit_chunk_take(chunks));
	assert_int_equal(chunks->in_use, most);
	for (unsigned i = 0; i < most; i++) {
		for (size_t at = 0; at < QUOIT_CHUNK_ROOM; at++)
			assert_int_equal(taken[i]->bytes[at], i);
		taken[i]->next = taken[(i + 1) % most];
		quoit_chunk_give(chunks, taken[i]);
	}
	assert_int_equal(chunks->in_use, 0);
}

/* Wherever the kernel puts the pool: one page more is mapped each time, and moves the next one. */
static void all_chunks_can_be_taken_warm_or_not_and_again(void **state)
{
	static const unsigned warm[] = {1, 16, MOST};
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *pages[12];

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		struct quoit_chunks chunks;
		struct quoit_reason why;

		pages[i] = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(pages[i], MAP_FAILED);
		assert_int_equal(quoit_chunks_open(&chunks, warm[i % 3], MOST, -1, &why), 0);
		take_all(&chunks, MOST);
		take_all(&chunks, MOST);
		quoit_chunks_close(&chunks);
	}
	for (unsigned i = 0; i < 12; i++)
		munmap(pages[i], page);
}

static void the_chunk_given_back_last_is_taken_next(void **state)
{
	struct quoit_chunks chunks;
	struct quoit_reason why;
	struct quoit_chunk *first;
	struct quoit_chunk *second;

	(void)state;
	assert_int_equal(quoit_chunks_open(&chunks, 4, 8, -1, &why), 0);
	first = quoit_chunk_take(&chunks);
	second = quoit_chunk_take(&chunks);
	quoit_chunk_give(&chunks, first);
	quoit_chunk_give(&chunks, second);
	assert_ptr_equal(quoit_chunk_take(&chunks), second);
	assert_ptr_equal(quoit_chunk_take(&chunks), first);
	quoit_chunk_give(&chunks, first);
	quoit_chunk_give(&chunks, second);
	quoit_chunks_close(&chunks);
}

static void a_chunk_is_one_piece_of_the_pool(void **state)
{
	(void)state;
	assert_int_equal(QUOIT_CHUNK_ROOM + offsetof(struct quoit_chunk, bytes), QUOIT_CHUNK_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_chunks_can_be_taken_warm_or_not_and_again),
		cmocka_unit_test(the_chunk_given_back_last_is_taken_next),
		cmocka_unit_test(a_chunk_is_one_piece_of_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
