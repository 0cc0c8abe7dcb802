/* SPDX-License-Identifier: MIT */
/* test_link.c - bytes over two shared rings: both ends in one process, on loops of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "link.h"
#include "support/skip.h"

#define LONG ((size_t)3 << 20)

static struct side {
	struct quoit_loop *loop;
	struct kv_link link;
	struct quoit_shring *in;
	struct quoit_shring *out;
	char *got;
	size_t got_len;
	unsigned drained, lost, over;
	bool enough; /* reads no more after the next bytes */
} a, b;

/* --- two ends -------------------------------------------------------------------------------- */

static void bytes(struct kv_link *link, const char *data, size_t len, void *ctx)
{
	struct side *side = ctx;

	assert_true(side->got_len + len <= LONG);
	memcpy(side->got + side->got_len, data, len);
	side->got_len += len;
	if (side->enough)
		link_read(link, false);
}

static void drained(struct kv_link *link, void *ctx)
{
	(void)link;
	((struct side *)ctx)->drained++;
}

static void lost(struct kv_link *link, void *ctx)
{
	(void)link;
	((struct side *)ctx)->lost++;
}

static void over(struct kv_link *link, void *ctx)
{
	(void)link;
	((struct side *)ctx)->over++;
}

static const struct kv_link_events events = {bytes, drained, lost, over};

/* A ring whose producer is one side and whose consumer the other. */
static void lay(struct quoit_shring **in, struct quoit_shring **out)
{
	const struct quoit_shring_options reads = link_options(QUOIT_SHRING_CONSUMER);
	const struct quoit_shring_options writes = link_options(QUOIT_SHRING_PRODUCER);
	struct quoit_reason why = {0};
	int fds[QUOIT_SHRING_FDS];

	if (quoit_shring_create(&reads, in, &why) ||
	    quoit_shring_attach(fds, quoit_shring_fds(*in, fds), &writes, out, &why))
		fail_msg("%s", why.text);
}

static void begin_side(struct side *side)
{
	struct quoit_reason why = {0};
	const int rc = quoit_loop_create(NULL, &side->loop, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	side->got = malloc(LONG);
	assert_non_null(side->got);
	assert_int_equal(link_start(&side->link, side->loop, side->in, side->out, &events, side),
			 0);
}

static int begin(void **state)
{
	(void)state;
	a = b = (struct side){0};
	lay(&a.in, &b.out);
	lay(&b.in, &a.out);
	begin_side(&a);
	begin_side(&b);
	return 0;
}

static void turns(unsigned n)
{
	while (n--) {
		assert_int_equal(quoit_loop_run_once(a.loop, 0), 0);
		assert_int_equal(quoit_loop_run_once(b.loop, 0), 0);
	}
}

static int finish(void **state)
{
	(void)state;
	link_end(&a.link);
	link_end(&b.link);
	turns(10);
	assert_true(a.over == 1 && b.over == 1);
	assert_int_equal(quoit_loop_destroy(a.loop), 0);
	assert_int_equal(quoit_loop_destroy(b.loop), 0);
	free(a.got);
	free(b.got);
	return 0;
}

static char *make_long(void)
{
	char *data = malloc(LONG);

	assert_non_null(data);
	for (size_t i = 0; i < LONG; i++)
		data[i] = (char)(i * 31 + i / 251);
	return data;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void more_bytes_than_a_ring_holds_come_whole_and_in_order(void **state)
{
	char *data = make_long();

	(void)state;
	for (size_t at = 0, n = 1; at < LONG; at += n, n = n * 3 + 1) {
		n = quoit_min(n, LONG - at);
		assert_int_equal(link_send(&a.link, data + at, n), 0);
	}
	turns(400);
	assert_int_equal(b.got_len, LONG);
	assert_memory_equal(b.got, data, LONG);
	free(data);
}

static void both_directions_are_there_at_once(void **state)
{
	(void)state;
	assert_int_equal(link_send(&a.link, "ping", 4), 0);
	assert_int_equal(link_send(&b.link, "pong!", 5), 0);
	turns(4);
	assert_memory_equal(b.got, "ping", 4);
	assert_memory_equal(a.got, "pong!", 5);
	assert_true(a.got_len == 5 && b.got_len == 4);
}

static void a_sender_is_full_until_a_reader_that_had_enough_goes_on(void **state)
{
	char *data = make_long();
	size_t got;

	(void)state;
	b.enough = true;
	assert_false(link_is_full(&a.link));
	assert_int_equal(link_send(&a.link, data, LONG), 0);
	assert_true(link_is_full(&a.link));
	turns(50);
	got = b.got_len;
	assert_true(got > 0 && got <= sizeof(b.link.told));
	assert_true(link_is_full(&a.link));
	assert_int_equal(a.drained, 0);
	turns(50);
	assert_int_equal(b.got_len, got);

	b.enough = false;
	link_read(&b.link, true);
	turns(400);
	assert_int_equal(b.got_len, LONG);
	assert_memory_equal(b.got, data, LONG);
	assert_int_equal(a.drained, 1);
	assert_false(link_is_full(&a.link));
	free(data);
}

static void a_reader_may_change_its_mind_in_the_same_turn(void **state)
{
	(void)state;
	link_read(&b.link, false);
	link_read(&b.link, true);
	assert_int_equal(link_send(&a.link, "x", 1), 0);
	turns(4);
	assert_int_equal(b.got_len, 1);
}

static void who_ends_is_seen_by_the_other_after_all_that_was_sent(void **state)
{
	(void)state;
	assert_int_equal(link_send(&a.link, "last", 4), 0);
	assert_int_equal(quoit_loop_run_once(a.loop, 0), 0); /* it is in the ring */
	link_end(&a.link);
	assert_int_equal(link_send(&a.link, "x", 1), -EPIPE);
	turns(10);
	assert_true(a.over == 1 && a.lost == 0);
	assert_memory_equal(b.got, "last", 4);
	assert_true(b.lost == 1 && b.over == 1);
}

static void one_that_does_not_read_sees_the_end_too(void **state)
{
	(void)state;
	link_read(&b.link, false);
	turns(2);
	link_end(&a.link);
	turns(10);
	assert_true(b.lost == 1 && b.over == 1);
}

/* Written by hand, as a peer might that we do not trust. */
static void a_chunk_that_claims_more_than_it_holds_ends_the_link(void **state)
{
	struct kv_chunk chunk = {.len = sizeof(chunk.bytes) + 1};

	(void)state;
	assert_int_equal(quoit_shring_send(a.out, &chunk, 1), 1);
	turns(10);
	assert_int_equal(b.got_len, 0);
	assert_true(b.lost == 1 && b.over == 1);
}

static void a_position_that_cannot_be_ends_the_link(void **state)
{
	(void)state;
	quoit_store_release(a.out->index, UINT64_C(1) << 40);
	turns(2);
	quoit_shring_notify(a.out);
	turns(10);
	assert_int_equal(b.got_len, 0);
	assert_true(b.lost == 1 && b.over == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(more_bytes_than_a_ring_holds_come_whole_and_in_order),
		TEST(both_directions_are_there_at_once),
		TEST(a_sender_is_full_until_a_reader_that_had_enough_goes_on),
		TEST(a_reader_may_change_its_mind_in_the_same_turn),
		TEST(who_ends_is_seen_by_the_other_after_all_that_was_sent),
		TEST(one_that_does_not_read_sees_the_end_too),
		TEST(a_chunk_that_claims_more_than_it_holds_ends_the_link),
		TEST(a_position_that_cannot_be_ends_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
