/* SPDX-License-Identifier: MIT */
/* test_inbox.c - received bytes put aside: contiguous, growing with what came, and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/io/io_internal.h>
#include <quoit/io/inbox_internal.h>

#include "support/client.h"

#define CHUNKS 4

static struct quoit_io io; /* only its chunks and its limit are used */
static struct quoit_inbox inbox;
static unsigned char bytes[1 << 20];

static int open_io(void **state)
{
	struct quoit_reason why;

	(void)state;
	memset(&inbox, 0, sizeof(inbox));
	io.inbox_bytes = 0;
	io.inbox_bytes_max = 1 << 20;
	pattern_fill(bytes, sizeof(bytes), 0);
	return quoit_chunks_open(&io.chunks, CHUNKS, CHUNKS, -1, &why);
}

static int close_io(void **state)
{
	(void)state;
	quoit_inbox_keep(&io, &inbox, 0);
	if (io.inbox_bytes || io.chunks.in_use)
		return -1;
	quoit_chunks_close(&io.chunks);
	return 0;
}

static void expect(uint64_t from, size_t len)
{
	assert_int_equal(inbox.len, len);
	assert_int_equal(pattern_match(quoit_inbox_bytes(&inbox), len, from), len);
}

static void few_bytes_live_in_a_chunk_and_go_with_it(void **state)
{
	(void)state;
	assert_null(quoit_inbox_bytes(&inbox));
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(quoit_inbox_append(&io, &inbox, bytes + i, 1), 0);
	expect(0, 100);
	assert_int_equal(io.chunks.in_use, 1);
	assert_int_equal(io.inbox_bytes, 0);
	quoit_inbox_keep(&io, &inbox, 30);
	expect(70, 30);
	quoit_inbox_keep(&io, &inbox, 0);
	assert_int_equal(io.chunks.in_use, 0);
	assert_null(quoit_inbox_bytes(&inbox));
}

/* At the chunk's border in every way: one byte short of it, just full, one byte beyond. */
static void bytes_outgrow_the_chunk_at_its_very_border(void **state)
{
	(void)state;
	for (size_t first = QUOIT_CHUNK_ROOM - 2; first <= QUOIT_CHUNK_ROOM + 1; first++) {
		size_t len = first;

		assert_int_equal(quoit_inbox_append(&io, &inbox, bytes, first), 0);
		expect(0, first);
		for (unsigned i = 0; i < 4; i++, len++)
			assert_int_equal(quoit_inbox_append(&io, &inbox, bytes + len, 1), 0);
		expect(0, len);
		assert_int_equal(io.chunks.in_use, 0);
		assert_true(io.inbox_bytes >= len);
		quoit_inbox_keep(&io, &inbox, 0);
		assert_int_equal(io.inbox_bytes, 0);
	}
}

static void a_large_inbox_keeps_its_end_and_grows_on(void **state)
{
	size_t len = 0;
	size_t from = 0;

	(void)state;
	for (size_t piece = 1; len + piece < 300000; piece = piece * 3 + 1) {
		assert_int_equal(quoit_inbox_append(&io, &inbox, bytes + len, piece), 0);
		len += piece;
		expect(from, len - from);
		if (inbox.len > 1000) {
			from = len - 900;
			quoit_inbox_keep(&io, &inbox, 900);
			expect(from, 900);
		}
	}
	assert_true(len > 100000);
}

static void memory_grows_with_what_came_and_at_most_by_its_double(void **state)
{
	(void)state;
	for (size_t len = 0; len < 400000; len += 1000) {
		assert_int_equal(quoit_inbox_append(&io, &inbox, bytes + len, 1000), 0);
		assert_true(io.inbox_bytes <= 2 * (len + 1000));
	}
	expect(0, 400000);
}

static void beyond_the_limit_of_the_core_the_inbox_stays_as_it_was(void **state)
{
	struct quoit_inbox second = {0};

	(void)state;
	io.inbox_bytes_max = 100000;
	assert_int_equal(quoit_inbox_append(&io, &inbox, bytes, 30000), 0);
	assert_int_equal(quoit_inbox_append(&io, &inbox, bytes + 30000, 60000), -ENOBUFS);
	expect(0, 30000);
	assert_int_equal(quoit_inbox_append(&io, &second, bytes, 30000), -ENOBUFS);
	assert_int_equal(second.len, 0);
	assert_int_equal(quoit_inbox_append(&io, &inbox, bytes + 30000, 10000), 0);
	expect(0, 40000);
	quoit_inbox_keep(&io, &inbox, 0);
	assert_int_equal(quoit_inbox_append(&io, &second, bytes, 30000), 0);
	quoit_inbox_keep(&io, &second, 0);
	assert_int_equal(io.inbox_bytes, 0);
}

static void when_all_chunks_are_in_use_few_bytes_find_room_elsewhere(void **state)
{
	struct quoit_chunk *taken[CHUNKS];

	(void)state;
	for (unsigned i = 0; i < CHUNKS; i++)
		taken[i] = quoit_chunk_take(&io.chunks);
	assert_int_equal(quoit_inbox_append(&io, &inbox, bytes, 10), 0);
	assert_int_equal(quoit_inbox_append(&io, &inbox, bytes + 10, 500), 0);
	expect(0, 510);
	quoit_inbox_keep(&io, &inbox, 0);
	for (unsigned i = 0; i < CHUNKS; i++)
		quoit_chunk_give(&io.chunks, taken[i]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_io, close_io)
	const struct CMUnitTest tests[] = {
		CASE(few_bytes_live_in_a_chunk_and_go_with_it),
		CASE(bytes_outgrow_the_chunk_at_its_very_border),
		CASE(a_large_inbox_keeps_its_end_and_grows_on),
		CASE(memory_grows_with_what_came_and_at_most_by_its_double),
		CASE(beyond_the_limit_of_the_core_the_inbox_stays_as_it_was),
		CASE(when_all_chunks_are_in_use_few_bytes_find_room_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
