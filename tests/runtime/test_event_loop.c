/* SPDX-License-Identifier: MIT */
/*
 * test_event_loop.c - a thread for one ring: started once, stopped without a loss (B195 to B199,
 * D-18, D-59).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/runtime/event_loop.h>

#include "support/skip.h"

QUOIT_MPSC(post, uint64_t);

#define PRODUCERS 3
#define ITEMS	  20000
#define MS	  1000000ull

static struct {
	struct post q;
	struct quoit_event_loop *loop;
	uint64_t got[PRODUCERS];
	uint64_t wrong;
	uint64_t sum;
	uint64_t stop_at;
	uint32_t closed_seen;
} s;

static void handle(const void *items, size_t n, bool more, void *ctx)
{
	const uint64_t *item = items;

	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		const size_t of = (size_t)(item[i] >> 32) % PRODUCERS;

		s.wrong += (uint32_t)item[i] != s.got[of]++;
		s.sum++;
	}
	if (s.stop_at && s.sum >= s.stop_at)
		quoit_event_loop_stop(s.loop);
}

static int set_up(void **state)
{
	const struct quoit_mpsc_options options = {.capacity_slots = 64,
						   .producers_most = PRODUCERS};

	(void)state;
	memset(&s, 0, sizeof(s));
	return post_create(&s.q, &options) || quoit_mpsc_attach(s.q.channel, &quoit_notify_nobody);
}

static int tear_down(void **state)
{
	(void)state;
	return quoit_event_loop_destroy(s.loop) || quoit_mpsc_destroy(s.q.channel);
}

static void create(const struct quoit_wait *how, uint64_t grace_ns)
{
	const struct quoit_event_loop_options options = {.kind = QUOIT_EVENT_LOOP_MPSC,
							 .ring = s.q.channel,
							 .handler = handle,
							 .wait = how,
							 .grace_ns = grace_ns};

	assert_int_equal(quoit_event_loop_create(&options, &s.loop), 0);
}

static void spawn(void)
{
	const int rc = quoit_event_loop_spawn(s.loop);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", strerror(-rc));
	assert_int_equal(rc, 0);
}

/* Sends until it is told that the channel is closed. Gives how many. */
static void *produce_worker(void *ctx)
{
	const uint64_t self = (uint64_t)(uintptr_t)ctx;
	struct post_producer p;
	uint64_t sent = 0;

	if (post_register(&s.q, &p))
		return NULL;
	while (!quoit_mpsc_is_closed(s.q.channel) && sent < ITEMS) {
		const uint64_t item = self << 32 | sent;

		if (post_send_one(&p, &item))
			sent++;
		else
			quoit_yield();
	}
	return post_deregister(&p) ? NULL : (void *)(uintptr_t)sent;
}

static void all_is_handled_in_order_by_each_way_to_wait(void **state)
{
	const struct quoit_wait ways[] = {
		{.kind = QUOIT_WAIT_BLOCK}, {.kind = QUOIT_WAIT_YIELD}, {.kind = QUOIT_WAIT_SLEEP}};
	struct quoit_event_loop_result result;

	(void)state;
	for (size_t w = 0; w < 3; w++) {
		pthread_t threads[PRODUCERS];
		uint64_t sent = 0;

		memset(s.got, 0, sizeof(s.got));
		create(&ways[w], 0);
		spawn();
		assert_int_equal(quoit_event_loop_spawn(s.loop), -EBUSY);
		for (size_t i = 0; i < PRODUCERS; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, produce_worker, (void *)i), 0);
		/* In the middle of it: whatever was committed is handled. */
		while (quoit_event_loop_processed(s.loop) < 1000)
			quoit_yield();
		assert_int_equal(quoit_event_loop_destroy(s.loop), -EBUSY);
		quoit_event_loop_stop(s.loop);
		quoit_event_loop_stop(s.loop);
		for (size_t i = 0; i < PRODUCERS; i++) {
			void *n;

			assert_int_equal(pthread_join(threads[i], &n), 0);
			sent += (uint64_t)(uintptr_t)n;
		}
		assert_int_equal(quoit_event_loop_join(s.loop, &result), 0);
		assert_int_equal(s.wrong, 0);
		assert_int_equal(result.processed, sent);
		assert_int_equal(result.discarded, 0);
		assert_false(result.late);
		assert_int_equal(quoit_event_loop_join(s.loop, NULL), 0);
		assert_int_equal(quoit_event_loop_destroy(s.loop), 0);
		s.loop = NULL;
		assert_int_equal(quoit_mpsc_reset(s.q.channel), 0);
	}
}

/* D-18: closed and empty is not the end while somebody holds a reservation. */
static void what_was_reserved_before_the_stop_is_handled_when_it_is_committed(void **state)
{
	struct quoit_event_loop_result result;
	struct post_producer p;
	size_t at = 0;

	(void)state;
	create(NULL, 0);
	assert_int_equal(post_register(&s.q, &p), 0);
	spawn();
	assert_int_equal(quoit_mpsc_reserve(&p.seat, 3, &at), 3);
	for (uint64_t i = 0; i < 3; i++)
		*(uint64_t *)quoit_mpsc_slot(&p.seat, at + i) = i;
	quoit_event_loop_stop(s.loop);
	assert_int_equal(quoit_event_loop_processed(s.loop), 0);
	quoit_mpsc_commit(&p.seat, 3);
	assert_int_equal(post_deregister(&p), 0);
	assert_int_equal(quoit_event_loop_join(s.loop, &result), 0);
	assert_int_equal(result.processed, 3);
	assert_int_equal(s.wrong, 0);
}

/* D-59: a deadline says what it cost. */
static void a_producer_that_never_finishes_ends_the_grace_period_and_is_told(void **state)
{
	struct quoit_event_loop_result result;
	struct post_producer p;
	uint64_t item = 0;

	(void)state;
	create(NULL, MS);
	assert_int_equal(post_register(&s.q, &p), 0);
	assert_true(post_send_one(&p, &item));
	spawn();
	quoit_event_loop_stop(s.loop);
	assert_int_equal(quoit_event_loop_join(s.loop, &result), 0);
	assert_true(result.late);
	assert_int_equal(result.processed, 1);
	assert_int_equal(result.discarded, 0);
	assert_int_equal(post_deregister(&p), 0); /* rings nobody any more */
}

static void a_stop_from_its_handler_and_a_run_on_ones_own_thread(void **state)
{
	struct quoit_event_loop_result result;
	struct post_producer p;
	int rc;

	(void)state;
	create(NULL, MS);
	s.stop_at = 2;
	assert_int_equal(quoit_event_loop_join(s.loop, NULL), -ESRCH);
	assert_int_equal(post_register(&s.q, &p), 0);
	for (uint64_t i = 0; i < 2; i++)
		assert_true(post_send_one(&p, &i));
	rc = quoit_event_loop_run(s.loop);
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", strerror(-rc));
	assert_int_equal(rc, 0);
	assert_int_equal(quoit_event_loop_join(s.loop, &result), 0);
	assert_int_equal(result.processed, 2);
	assert_int_equal(post_deregister(&p), 0);
}

static void after_a_stop_it_does_not_start(void **state)
{
	struct quoit_event_loop_options wrong = {.kind = QUOIT_EVENT_LOOP_MPSC};
	struct quoit_event_loop *none = NULL;

	(void)state;
	assert_int_equal(quoit_event_loop_create(&wrong, &none), -EINVAL);
	wrong.handler = handle;
	wrong.ring = s.q.channel;
	wrong.kind = QUOIT_EVENT_LOOP_SPSC; /* without a size */
	assert_int_equal(quoit_event_loop_create(&wrong, &none), -EINVAL);
	assert_null(none);
	create(NULL, 0);
	quoit_event_loop_stop(s.loop);
	assert_int_equal(quoit_event_loop_spawn(s.loop), -ESHUTDOWN);
	assert_int_equal(quoit_event_loop_run(s.loop), -ESHUTDOWN);
	assert_int_equal(quoit_event_loop_destroy(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_is_handled_in_order_by_each_way_to_wait),
		TEST(what_was_reserved_before_the_stop_is_handled_when_it_is_committed),
		TEST(a_producer_that_never_finishes_ends_the_grace_period_and_is_told),
		TEST(a_stop_from_its_handler_and_a_run_on_ones_own_thread),
		TEST(after_a_stop_it_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
