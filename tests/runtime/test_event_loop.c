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
#include <unistd.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/runtime/event_loop.h>

#include "support/random.h"
#include "support/skip.h"

QUOIT_SPSC(line, uint64_t);
QUOIT_MPSC(post, uint64_t);
QUOIT_SPMC(deal, uint64_t);
QUOIT_MPMC(pool, uint64_t);

#define PRODUCERS 3
#define ITEMS	  20000
#define MS	  1000000ull
#define SLOTS	  64
#define LOOPS	  2 /* of a shared ring */

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

/* --- the other kinds ------------------------------------------------------------------------- */

/* One ring of some kind, with a loop, or two that share it. */
static struct {
	enum quoit_event_loop_kind kind;
	uint64_t slots[SLOTS];
	struct line spsc;
	struct deal spmc;
	struct pool mpmc;
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(SLOTS)];
	struct quoit_group group;
	struct half {
		struct quoit_event_loop *loop;
		struct deal_consumer spmc;
		struct pool_consumer mpmc;
		uint64_t next[PRODUCERS]; /* one above the highest so far */
		uint64_t count, sum, wrong;
	} halves[LOOPS];
	uint64_t sent, sum; /* by all producers */
} k;

static void take(const void *items, size_t n, bool more, void *ctx)
{
	const uint64_t *item = items;
	struct half *const h = ctx;

	(void)more;
	for (size_t i = 0; i < n; i++) {
		const size_t of = (size_t)(item[i] >> 32) % PRODUCERS;

		h->wrong += (uint32_t)item[i] < h->next[of];
		h->next[of] = (uint32_t)item[i] + 1;
		h->sum += random_mix(item[i]);
	}
	h->count += n;
}

static bool send_one(struct pool_producer *p, const uint64_t *item)
{
	if (k.kind == QUOIT_EVENT_LOOP_SPSC)
		return line_send_one(&k.spsc, item);
	return k.kind == QUOIT_EVENT_LOOP_SPMC ? deal_send_one(&k.spmc, item)
					       : pool_send_one(p, item);
}

static bool is_closed(void)
{
	if (k.kind == QUOIT_EVENT_LOOP_SPSC)
		return quoit_spsc_is_closed(&k.spsc.ring);
	return k.kind == QUOIT_EVENT_LOOP_SPMC ? quoit_lane_is_closed(&k.spmc.ring.lane)
					       : quoit_mpmc_is_closed(k.mpmc.ring);
}

/* As fast as it can, until somebody closes the ring: its last item may be any. */
static void *fill_worker(void *ctx)
{
	const uint64_t self = (uint64_t)(uintptr_t)ctx;
	struct pool_producer p;
	uint64_t sent = 0, sum = 0;

	if (k.kind == QUOIT_EVENT_LOOP_MPMC)
		switch (pool_register_producer(&k.mpmc, &p)) {
		case 0:
			break;
		case -ESHUTDOWN:
			return NULL; /* began after the stop */
		default:
			return "no producer";
		}
	while (!is_closed()) {
		const uint64_t item = self << 32 | sent;

		if (!send_one(&p, &item)) {
			quoit_yield();
			continue;
		}
		sent++;
		sum += random_mix(item);
	}
	if (k.kind == QUOIT_EVENT_LOOP_SPSC)
		quoit_spsc_finish(&k.spsc.ring);
	else if (k.kind == QUOIT_EVENT_LOOP_SPMC)
		quoit_spmc_finish(&k.spmc.ring);
	else
		pool_deregister_producer(&p);
	(void)quoit_add(&k.sent, sent);
	(void)quoit_add(&k.sum, sum);
	return NULL;
}

static int make_ring(void)
{
	const struct quoit_spmc_options spmc = {.capacity_slots = SLOTS, .consumers_most = LOOPS};
	const struct quoit_mpmc_options mpmc = {.capacity_slots = SLOTS,
						.producers_most = PRODUCERS,
						.consumers_most = LOOPS,
						.node = QUOIT_MPMC_ANYWHERE};

	switch (k.kind) {
	case QUOIT_EVENT_LOOP_SPSC:
		quoit_spsc_attach(&k.spsc.ring, &quoit_notify_nobody);
		return 0;
	case QUOIT_EVENT_LOOP_SPMC:
		return deal_init(&k.spmc, k.slots, k.blocks, &spmc) ||
		       quoit_spmc_attach_group(&k.spmc.ring, &k.group);
	default:
		return pool_create(&k.mpmc, &mpmc) ||
		       quoit_mpmc_attach_group(k.mpmc.ring, &k.group);
	}
}

/* What the loop reads: the ring, or a consumer's seat. */
static void *seat_of(struct half *h)
{
	switch (k.kind) {
	case QUOIT_EVENT_LOOP_SPSC:
		return &k.spsc.ring;
	case QUOIT_EVENT_LOOP_SPMC:
		return deal_register_consumer(&k.spmc, &h->spmc) ? NULL : &h->spmc.seat;
	default:
		return pool_register_consumer(&k.mpmc, &h->mpmc) ? NULL : &h->mpmc.seat;
	}
}

static void begin_loop(struct half *h, const struct quoit_wait *how)
{
	const struct quoit_event_loop_options options = {.kind = k.kind,
							 .ring = seat_of(h),
							 .slots = k.slots,
							 .item_bytes = sizeof(k.slots[0]),
							 .handler = take,
							 .ctx = h,
							 .wait = how};
	int rc;

	assert_int_equal(quoit_event_loop_create(&options, &h->loop), 0);
	rc = quoit_event_loop_spawn(h->loop);
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", strerror(-rc));
	assert_int_equal(rc, 0);
}

static void end_loop(struct half *h)
{
	struct quoit_event_loop_result result;

	assert_int_equal(quoit_event_loop_join(h->loop, &result), 0);
	assert_int_equal(result.processed, h->count);
	assert_int_equal(result.discarded, 0);
	assert_false(result.late);
	assert_int_equal(quoit_event_loop_processed(h->loop), h->count);
	assert_int_equal(quoit_event_loop_destroy(h->loop), 0);
	if (k.kind == QUOIT_EVENT_LOOP_SPMC)
		deal_deregister_consumer(&h->spmc);
	else if (k.kind == QUOIT_EVENT_LOOP_MPMC)
		pool_deregister_consumer(&h->mpmc);
}

static uint64_t processed(size_t loops)
{
	uint64_t n = 0;

	for (size_t i = 0; i < loops; i++)
		n += quoit_event_loop_processed(k.halves[i].loop);
	return n;
}

/* One of them stops the ring in the middle of it, and all that was sent has been handled. */
static void run_kind(enum quoit_event_loop_kind kind, const struct quoit_wait *how)
{
	const size_t loops = kind == QUOIT_EVENT_LOOP_SPSC ? 1 : LOOPS;
	const size_t producers = kind == QUOIT_EVENT_LOOP_MPMC ? PRODUCERS : 1;
	pthread_t threads[PRODUCERS];
	uint64_t count = 0, sum = 0;

	memset(&k, 0, sizeof(k));
	assert_int_equal(line_init(&k.spsc, k.slots, SLOTS), 0);
	k.kind = kind;
	assert_int_equal(make_ring(), 0);
	for (size_t i = 0; i < loops; i++)
		begin_loop(&k.halves[i], how);
	for (size_t i = 0; i < producers; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fill_worker, (void *)i), 0);
	while (processed(loops) < 1000)
		quoit_yield();
	quoit_event_loop_stop(k.halves[0].loop);
	for (size_t i = 0; i < producers; i++) {
		void *told;

		assert_int_equal(pthread_join(threads[i], &told), 0);
		assert_null(told);
	}
	for (size_t i = 0; i < loops; i++) {
		end_loop(&k.halves[i]);
		assert_int_equal(k.halves[i].wrong, 0);
		count += k.halves[i].count;
		sum += k.halves[i].sum;
	}
	assert_int_equal(count, k.sent);
	assert_int_equal(sum, k.sum);
	if (kind == QUOIT_EVENT_LOOP_MPMC)
		quoit_mpmc_destroy(k.mpmc.ring);
}

/* D-18: the same for every kind, with two event loops where a ring may have several readers. */
static void every_kind_of_ring_is_handled_to_its_end(void **state)
{
	const struct quoit_wait ways[] = {{.kind = QUOIT_WAIT_BLOCK}, {.kind = QUOIT_WAIT_YIELD}};

	(void)state;
	for (size_t w = 0; w < 2; w++) {
		run_kind(QUOIT_EVENT_LOOP_SPSC, &ways[w]);
		run_kind(QUOIT_EVENT_LOOP_SPMC, &ways[w]);
		run_kind(QUOIT_EVENT_LOOP_MPMC, &ways[w]);
	}
}

/* D-18: a moment after the stop, a ring that looks closed and empty gets its last item. */
static void every_kind_waits_for_what_was_reserved_before_the_stop(void **state)
{
	const enum quoit_event_loop_kind kinds[] = {QUOIT_EVENT_LOOP_SPSC, QUOIT_EVENT_LOOP_SPMC,
						    QUOIT_EVENT_LOOP_MPMC};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct half *const h = &k.halves[0];
		struct pool_producer p;
		uint64_t *item = NULL;
		size_t n = 0;

		memset(&k, 0, sizeof(k));
		assert_int_equal(line_init(&k.spsc, k.slots, SLOTS), 0);
		k.kind = kinds[i];
		assert_int_equal(make_ring(), 0);
		if (k.kind == QUOIT_EVENT_LOOP_MPMC)
			assert_int_equal(pool_register_producer(&k.mpmc, &p), 0);
		item = k.kind == QUOIT_EVENT_LOOP_SPSC	 ? line_reserve(&k.spsc, 1, &n)
		       : k.kind == QUOIT_EVENT_LOOP_SPMC ? deal_reserve(&k.spmc, 1, &n)
							 : pool_reserve(&p, 1, &n);
		assert_non_null(item);
		*item = 7;
		begin_loop(h, NULL);
		quoit_event_loop_stop(h->loop);
		usleep(2000); /* time enough to go wrong */
		if (k.kind == QUOIT_EVENT_LOOP_SPSC) {
			line_commit(&k.spsc, 1);
			quoit_spsc_finish(&k.spsc.ring);
		} else if (k.kind == QUOIT_EVENT_LOOP_SPMC) {
			deal_commit(&k.spmc, 1);
			quoit_spmc_finish(&k.spmc.ring);
		} else {
			pool_commit(&p, 1);
			pool_deregister_producer(&p);
		}
		end_loop(h);
		assert_int_equal(h->count, 1);
		assert_int_equal(h->sum, random_mix(7));
		if (k.kind == QUOIT_EVENT_LOOP_MPMC)
			quoit_mpmc_destroy(k.mpmc.ring);
	}
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
		TEST(every_kind_of_ring_is_handled_to_its_end),
		TEST(every_kind_waits_for_what_was_reserved_before_the_stop),
		TEST(after_a_stop_it_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
