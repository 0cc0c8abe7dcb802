/* SPDX-License-Identifier: MIT */
/*
 * test_stop_channels.c - a runtime that stops with rings of every kind attached to its loops: what
 * was published before is handled, what comes later stays in the ring, and each channel leaves and
 * is told so exactly once, before its core's stop function (D-10, D-18, D-59).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/runtime/channel.h>
#include <quoit/runtime/loop_internal.h>

#include "support/random.h"
#include "support/server.h"
#include "support/skip.h"

QUOIT_SPSC(line, uint64_t);
QUOIT_MPSC(post, uint64_t);
QUOIT_SPMC(deal, uint64_t);
QUOIT_MPMC(pool, uint64_t);

#define MS	1000000ull
#define PATIENT (60000 * MS)
#define SLOTS	512
#define LANES	3 /* producers of MPSC and MPMC */
#define READERS 2 /* of SPMC and MPMC, each on a core of its own */

enum kind {
	SPSC,
	MPSC,
	SPMC,
	MPMC,
	KINDS
};

/* A core's channel, and what it was told. */
struct reader {
	struct quoit_channel channel;
	struct deal_consumer spmc;
	struct pool_consumer mpmc;
	struct quoit_core *core;
	uint64_t handled, sum;
	unsigned ended, detached;
	unsigned last_runs; /* since the core has sealed */
	int bell;	    /* the loop's eventfd */
	struct line late;   /* a ring to be attached in the last look */
	uint64_t late_slots[8];
	int refused; /* what attaching said in the last look */
	int left;    /* what detaching said then */
	/* In the stop function. */
	uint64_t handled_then;
	unsigned told_then;
	bool attached_then;
};

static struct {
	enum kind kind;
	bool own_bell;
	uint32_t budget;
	uint64_t fill;		      /* items that each producer sends before the stop */
	bool stops_at_start;	      /* with all that was sent unread */
	uint64_t timeout_ns;	      /* of that stop */
	bool finishes;		      /* the producers have had their last word by then */
	bool leaves;		      /* the handler detaches its channel in the last look */
	struct quoit_channel *victim; /* or this one, which is the first core's too */
	struct reader also;
	struct line also_ring;
	uint64_t also_slots[SLOTS];
	struct quoit_runtime *runtime;
	unsigned cores;
	struct reader readers[READERS];
	struct line spsc;
	struct deal spmc;
	struct post mpsc;
	struct pool mpmc;
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(SLOTS)];
	uint64_t slots[SLOTS];
	struct quoit_group group;
	struct post_producer posts[LANES];
	struct pool_producer pools[LANES];
	uint64_t sent[LANES], sent_sum[LANES];
	uint64_t next[LANES]; /* that SPSC and MPSC bring */
	uint64_t wrong;
	uint32_t enough;
} s;

static void blame(bool wrong)
{
	if (wrong)
		(void)quoit_add(&s.wrong, 1);
}

static unsigned lanes(void)
{
	return s.kind == SPSC || s.kind == SPMC ? 1 : LANES;
}

static unsigned readers(void)
{
	return s.kind <= MPSC ? 1 : s.cores;
}

/* --- the ring -------------------------------------------------------------------------------- */

static int make_ring(void)
{
	const struct quoit_mpsc_options mpsc = {.capacity_slots = SLOTS, .producers_most = LANES};
	const struct quoit_spmc_options spmc = {.capacity_slots = SLOTS, .consumers_most = READERS};
	const struct quoit_mpmc_options mpmc = {.capacity_slots = SLOTS,
						.producers_most = LANES,
						.consumers_most = READERS,
						.node = QUOIT_MPMC_ANYWHERE};
	int rc = 0;

	switch (s.kind) {
	case SPSC:
		rc = line_init(&s.spsc, s.slots, SLOTS);
		quoit_spsc_attach(&s.spsc.ring, &quoit_notify_nobody);
		break;
	case MPSC:
		rc = post_create(&s.mpsc, &mpsc) ||
		     quoit_mpsc_attach(s.mpsc.channel, &quoit_notify_nobody);
		for (unsigned i = 0; i < LANES; i++)
			rc = rc || post_register(&s.mpsc, &s.posts[i]);
		break;
	case SPMC:
		rc = deal_init(&s.spmc, s.slots, s.blocks, &spmc) ||
		     quoit_spmc_attach_group(&s.spmc.ring, &s.group);
		break;
	default:
		rc = pool_create(&s.mpmc, &mpmc) || quoit_mpmc_attach_group(s.mpmc.ring, &s.group);
		for (unsigned i = 0; i < LANES; i++)
			rc = rc || pool_register_producer(&s.mpmc, &s.pools[i]);
		break;
	}
	return rc;
}

/* Items tell their producer and number. */
static bool send_one(unsigned self)
{
	const uint64_t item = (uint64_t)self << 32 | s.sent[self];
	bool sent;

	switch (s.kind) {
	case SPSC:
		sent = line_send_one(&s.spsc, &item);
		break;
	case MPSC:
		quoit_mpsc_adopt(&s.posts[self].seat);
		sent = post_send_one(&s.posts[self], &item);
		break;
	case SPMC:
		sent = deal_send_one(&s.spmc, &item);
		break;
	default:
		sent = pool_send_one(&s.pools[self], &item);
		break;
	}
	s.sent[self] += sent;
	s.sent_sum[self] += sent ? random_mix(item) : 0;
	return sent;
}

static void finish(unsigned self)
{
	switch (s.kind) {
	case SPSC:
		quoit_spsc_finish(&s.spsc.ring);
		break;
	case MPSC:
		quoit_mpsc_adopt(&s.posts[self].seat);
		blame(post_deregister(&s.posts[self]) != 0);
		break;
	case SPMC:
		quoit_spmc_finish(&s.spmc.ring);
		break;
	default:
		pool_deregister_producer(&s.pools[self]);
		break;
	}
}

static void close_ring(void)
{
	if (s.kind == MPSC)
		quoit_mpsc_close(s.mpsc.channel);
	else if (s.kind == MPMC)
		quoit_mpmc_close(s.mpmc.ring);
}

static void note(uint64_t *count, uint64_t *sum, const uint64_t *item, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s.kind <= MPSC && (uint32_t)item[i] != s.next[(item[i] >> 32) % LANES]++)
			blame(true);
		*count += 1;
		*sum += random_mix(item[i]);
	}
}

/* Read what the stop has left, and free the ring. Gives how many there were. */
static uint64_t read_the_rest(uint64_t *sum)
{
	uint64_t rest = 0, item[1];

	switch (s.kind) {
	case SPSC:
		while (line_recv_one(&s.spsc, item))
			note(&rest, sum, item, 1);
		break;
	case MPSC:
		while (post_recv_one(&s.mpsc, item))
			note(&rest, sum, item, 1);
		for (unsigned i = 0; i < LANES && !s.finishes; i++)
			finish(i);
		assert_int_equal(quoit_mpsc_destroy(s.mpsc.channel), 0);
		break;
	case SPMC:
		while (deal_steal_one(&s.readers[0].spmc, item))
			note(&rest, sum, item, 1);
		for (unsigned i = 0; i < s.cores; i++)
			deal_deregister_consumer(&s.readers[i].spmc);
		break;
	default:
		while (pool_steal_one(&s.readers[0].mpmc, item))
			note(&rest, sum, item, 1);
		for (unsigned i = 0; i < s.cores; i++)
			pool_deregister_consumer(&s.readers[i].mpmc);
		for (unsigned i = 0; i < LANES && !s.finishes; i++)
			finish(i);
		quoit_mpmc_destroy(s.mpmc.ring);
		break;
	}
	return rest;
}

/* --- the cores ------------------------------------------------------------------------------- */

static void gone(struct quoit_channel *channel, void *ctx)
{
	struct reader *const r = ctx;

	blame(quoit_channel_is_attached(channel));
	r->detached++;
}

static void end(struct quoit_channel *channel, void *ctx)
{
	struct reader *const r = ctx;

	blame(quoit_channel_is_attached(channel));
	r->ended++;
}

static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	struct reader *const r = ctx;
	struct quoit_loop *const loop = quoit_core_loop(r->core);
	struct quoit_channel late;

	note(&r->handled, &r->sum, items, n);
	if (!loop->ending)
		return;
	blame(more);
	if (r->last_runs++)
		return;
	blame(line_init(&r->late, r->late_slots, 8) != 0);
	r->refused = quoit_channel_attach_spsc_of(loop, &late, &r->late, NULL, handle, r);
	if (s.leaves)
		r->left = quoit_channel_detach(s.victim ? s.victim : channel);
}

static void ignore(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	(void)channel;
	(void)items;
	(void)n;
	(void)more;
	(void)ctx;
}

static int attach(struct quoit_core *core, struct reader *r)
{
	struct quoit_loop *const loop = quoit_core_loop(core);
	const struct quoit_channel_options options = {.budget_items = s.budget,
						      .own_bell = s.own_bell,
						      .ended = end,
						      .detached = gone,
						      .name = "the one with the orders"};

	r->core = core;
	r->bell = loop->notify.fd;
	switch (s.kind) {
	case SPSC:
		return quoit_channel_attach_spsc_of(loop, &r->channel, &s.spsc, &options, handle,
						    r);
	case MPSC:
		return quoit_channel_attach_mpsc_of(loop, &r->channel, &s.mpsc, &options, handle,
						    r);
	case SPMC:
		return deal_register_consumer(&s.spmc, &r->spmc) ||
		       quoit_channel_attach_spmc_of(loop, &r->channel, &r->spmc, &options, handle,
						    r);
	default:
		return pool_register_consumer(&s.mpmc, &r->mpmc) ||
		       quoit_channel_attach_mpmc_of(loop, &r->channel, &r->mpmc, &options, handle,
						    r);
	}
}

/* A channel beside the other one, with more than it can be rid of before the stop. */
static int attach_victim(struct quoit_core *core)
{
	const struct quoit_channel_options options = {
		.budget_items = 1, .ended = end, .detached = gone};
	uint64_t item = 0;
	int rc = line_init(&s.also_ring, s.also_slots, SLOTS);

	quoit_spsc_attach(&s.also_ring.ring, &quoit_notify_nobody);
	while (line_send_one(&s.also_ring, &item))
		item++;
	return rc ? rc
		  : quoit_channel_attach_spsc_of(quoit_core_loop(core), s.victim, &s.also_ring,
						 &options, ignore, &s.also);
}

/* The first core is the producer of what is there before the stop. */
static int begin(struct quoit_core *core, void *ctx)
{
	const unsigned self = quoit_core_index(core);
	int rc = self < readers() ? attach(core, &s.readers[self]) : 0;

	(void)ctx;
	if (!self && !rc && s.victim)
		rc = attach_victim(core);
	if (self || rc)
		return rc;
	for (unsigned i = 0; i < lanes(); i++) {
		while (s.sent[i] < s.fill)
			blame(!send_one(i));
		if (s.finishes)
			finish(i);
	}
	if (s.finishes)
		close_ring();
	if (s.stops_at_start)
		quoit_runtime_stop(quoit_core_runtime(core), s.timeout_ns);
	return 0;
}

static void note_end(struct quoit_core *core, void *ctx)
{
	const unsigned self = quoit_core_index(core);
	struct reader *const r = &s.readers[self];

	(void)ctx;
	if (self >= readers())
		return;
	r->handled_then = r->handled;
	r->told_then = r->ended + r->detached;
	r->attached_then = quoit_channel_is_attached(&r->channel);
}

/* Nothing but channels: one core then seals at the end of the turn in which it is told to stop. */
static void start(enum kind kind, bool own_bell, unsigned cores)
{
	const struct quoit_config config = {.cores = cores, .start = begin, .stop = note_end};
	struct quoit_reason why = {0};
	int rc;

	s.kind = kind;
	s.own_bell = own_bell;
	s.cores = cores;
	assert_int_equal(make_ring(), 0);
	rc = quoit_runtime_start(&config, &s.runtime, &why);
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	if (rc < 0)
		fail_msg("the runtime did not start: %s", why.text);
}

static int wait_for_the_end(struct quoit_reason *why)
{
	struct quoit_runtime *const runtime = s.runtime;

	s.runtime = NULL;
	return quoit_runtime_wait(runtime, why);
}

static int forget(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	return 0;
}

static int abandon(void **state)
{
	struct quoit_reason why;

	(void)state;
	if (!s.runtime)
		return 0;
	quoit_runtime_stop(s.runtime, 0);
	(void)wait_for_the_end(&why);
	return 0;
}

/* Every item was handled or is in the ring, and each channel was told before the stop function. */
static uint64_t check_all(unsigned told)
{
	uint64_t handled = 0, sum = 0, sent = 0, sent_sum = 0, rest;

	for (unsigned i = 0; i < readers(); i++) {
		const struct reader *const r = &s.readers[i];

		assert_int_equal(r->told_then, told);
		assert_int_equal(r->ended + r->detached, told);
		assert_int_equal(r->ended, told && s.finishes);
		assert_false(r->attached_then);
		assert_int_equal(r->handled_then, r->handled);
		if (r->last_runs)
			assert_int_equal(r->refused, -ESHUTDOWN);
		handled += r->handled;
		sum += r->sum;
	}
	rest = read_the_rest(&sum);
	for (unsigned i = 0; i < lanes(); i++) {
		sent += s.sent[i];
		sent_sum += s.sent_sum[i];
	}
	assert_int_equal(handled + rest, sent);
	assert_int_equal(sum, sent_sum);
	assert_int_equal(s.wrong, 0);
	return rest;
}

/* --- what was there before ------------------------------------------------------------------- */

/* With one item a turn the core seals long before they are through. */
static void what_was_published_before_the_stop_is_handled(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 4 * KINDS; round++) {
		struct quoit_reason why = {0};

		forget(NULL);
		s.budget = 1;
		s.fill = SLOTS - 4;
		s.stops_at_start = true;
		s.timeout_ns = PATIENT;
		s.finishes = round / 2 % 2;
		start(round / 4, round % 2, 1);
		assert_int_equal(wait_for_the_end(&why), 0);
		assert_true(s.readers[0].last_runs > 1);
		for (unsigned i = 0; i < LANES && s.kind == MPSC && s.finishes; i++)
			assert_int_not_equal(quoit_mpsc_lane_state(s.mpsc.channel, i),
					     QUOIT_MPSC_CLOSING);
		/* Nobody is rung for what comes now. */
		for (unsigned i = 0; i < lanes() && !s.finishes; i++)
			assert_true(send_one(i));
		assert_int_equal(check_all(1), s.finishes ? 0 : lanes());
	}
}

/* --- producers that run on ------------------------------------------------------------------- */

static void *produce_worker(void *ctx)
{
	const unsigned self = (unsigned)(uintptr_t)ctx;

	while (!quoit_load_acquire(&s.enough))
		if (!send_one(self))
			quoit_yield();
	return NULL;
}

static bool is_flowing(void)
{
	uint64_t handled = 0;

	for (unsigned i = 0; i < readers(); i++)
		handled += quoit_channel_processed(&s.readers[i].channel);
	return handled >= 1000;
}

static void producers_that_run_on_keep_no_core_from_stopping(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2 * KINDS; round++) {
		struct quoit_reason why = {0};
		pthread_t threads[LANES];

		forget(NULL);
		s.budget = 16;
		start(round / 2, round % 2, READERS);
		for (uintptr_t i = 0; i < lanes(); i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, produce_worker, (void *)i), 0);
		assert_soon(is_flowing());
		quoit_runtime_stop(s.runtime, PATIENT);
		assert_int_equal(wait_for_the_end(&why), 0);
		quoit_store_release(&s.enough, 1);
		for (unsigned i = 0; i < lanes(); i++)
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		(void)check_all(1);
	}
}

/* --- handlers that meddle -------------------------------------------------------------------- */

static void a_handler_may_detach_its_channel_in_the_last_look(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2 * KINDS; round++) {
		struct quoit_reason why = {0};

		forget(NULL);
		s.budget = 1;
		s.fill = SLOTS - 4;
		s.stops_at_start = true;
		s.timeout_ns = PATIENT;
		s.leaves = true;
		start(round / 2, round % 2, 1);
		assert_int_equal(wait_for_the_end(&why), 0);
		assert_int_equal(s.readers[0].last_runs, 1);
		assert_int_equal(s.readers[0].left, -EINPROGRESS);
		assert_true(check_all(1) != 0);
	}
}

/* Who gets 0 has been told by that. */
static void a_handler_may_detach_another_channel_in_the_last_look(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	s.budget = 1;
	s.fill = SLOTS - 4;
	s.stops_at_start = true;
	s.timeout_ns = PATIENT;
	s.leaves = true;
	s.victim = &s.also.channel;
	start(SPSC, false, 1);
	assert_int_equal(wait_for_the_end(&why), 0);
	assert_int_equal(s.readers[0].left, 0);
	assert_int_equal(s.also.ended + s.also.detached, 0);
	assert_true(quoit_spsc_length(&s.also_ring.ring) != 0);
	assert_int_equal(check_all(1), 0);
}

/* --- the deadline ---------------------------------------------------------------------------- */

/* D-59: and says so. */
static void a_deadline_of_0_cuts_the_last_look_and_names_the_channel(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2 * KINDS; round++) {
		struct quoit_reason why = {0};

		forget(NULL);
		s.budget = 1;
		s.fill = SLOTS - 4;
		s.stops_at_start = true;
		start(round / 2, round % 2, 1);
		assert_int_equal(wait_for_the_end(&why), -ETIMEDOUT);
		assert_non_null(strstr(why.text, "the one with the orders"));
		assert_true(check_all(1) != 0);
	}
}

static void a_deadline_of_0_is_long_enough_for_channels_with_nothing_to_read(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2 * KINDS; round++) {
		struct quoit_reason why = {0};

		forget(NULL);
		start(round / 2, round % 2, READERS);
		quoit_runtime_stop(s.runtime, 0);
		assert_int_equal(wait_for_the_end(&why), 0);
		assert_int_equal(check_all(1), 0);
	}
}

/* D-10: a producer is about to ring, and takes its time. */
static void a_producer_that_holds_the_bell_is_waited_for_within_the_grace(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	start(SPSC, true, 1);
	quoit_store_release(&s.spsc.ring.ringing, 1);
	quoit_runtime_stop(s.runtime, 10 * MS);
	usleep(100000);
	quoit_store_release(&s.spsc.ring.ringing, 0);
	assert_int_equal(wait_for_the_end(&why), 0);
	assert_int_equal(check_all(1), 0);
}

static void a_producer_that_never_lets_go_is_named_and_finds_an_open_bell(void **state)
{
	struct quoit_reason why = {0};
	const struct reader *const r = &s.readers[0];

	(void)state;
	start(SPSC, false, 1);
	quoit_store_release(&s.spsc.ring.ringing, 1);
	quoit_runtime_stop(s.runtime, 10 * MS);
	assert_int_equal(wait_for_the_end(&why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "the one with the orders"));
	assert_int_equal(r->ended + r->detached, 0);
	assert_true(r->attached_then);
	assert_true(fcntl(r->bell, F_GETFD) >= 0);
	close(r->bell);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, forget, abandon)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_published_before_the_stop_is_handled),
		TEST(producers_that_run_on_keep_no_core_from_stopping),
		TEST(a_handler_may_detach_its_channel_in_the_last_look),
		TEST(a_handler_may_detach_another_channel_in_the_last_look),
		TEST(a_deadline_of_0_cuts_the_last_look_and_names_the_channel),
		TEST(a_deadline_of_0_is_long_enough_for_channels_with_nothing_to_read),
		TEST(a_producer_that_holds_the_bell_is_waited_for_within_the_grace),
		TEST(a_producer_that_never_lets_go_is_named_and_finds_an_open_bell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
