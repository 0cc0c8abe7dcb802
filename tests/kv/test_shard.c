/* SPDX-License-Identifier: MIT */
/*
 * test_shard.c - what one small request may take from a shard.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "shard.h"

#define VALUE_BYTES ((size_t)1 << 20)
#define VALUES	    (KV_MGET_BYTES / VALUE_BYTES)

static struct shard shard;

static int fill(void **state)
{
	static char value[VALUE_BYTES];

	(void)state;
	shard = (struct shard){.bulk_bytes = VALUE_BYTES};
	return table_init(&shard.table, 8 << 20) < 0 ||
	       table_set(&shard.table, "k", 1, 7, value, sizeof(value), TABLE_NO_DEADLINE, 0) < 0;
}

static int empty(void **state)
{
	(void)state;
	table_fini(&shard.table);
	return 0;
}

/* The same key again and again: a few bytes of request each. */
static void mget(uint32_t count, uint8_t flags, struct kv_reply *reply, size_t *copied)
{
	static struct kv_item items[4 * VALUES];
	struct kv_gather gather = {.op = KV_MGET, .count = count, .items = items};
	const struct kv_request request = {.op = KV_MGET, .flags = flags, .items = items};

	for (uint32_t i = 0; i < count; i++)
		items[i] = (struct kv_item){.key = "k",
					    .key_len = 1,
					    .hash = 7,
					    .next = i + 1 < count ? i + 1 : KV_NO_ITEM};
	shard_execute(&shard, &request, reply);
	*copied = 0;
	for (uint32_t i = 0; i < count; i++)
		*copied += items[i].reply.kind == KV_BULK ? items[i].reply.len : 0;
	gather_release(&gather);
}

static void a_mget_gets_no_more_than_the_bound_and_is_told_so(void **state)
{
	static const uint8_t flags[] = {0, KV_BORROW};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct kv_reply reply;
		size_t copied;

		mget(VALUES, flags[i], &reply, &copied);
		assert_int_equal(reply.kind, KV_INTEGER);
		assert_int_equal(copied, KV_MGET_BYTES);
		mget(VALUES + 1, flags[i], &reply, &copied);
		assert_int_equal(reply.kind, KV_ERROR);
		assert_int_equal(reply.error, KV_REPLY_TOO_LONG);
		mget(4 * VALUES, flags[i], &reply, &copied);
		assert_int_equal(reply.kind, KV_ERROR);
		assert_in_range(copied, 0, KV_MGET_BYTES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_mget_gets_no_more_than_the_bound_and_is_told_so,
						fill, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
