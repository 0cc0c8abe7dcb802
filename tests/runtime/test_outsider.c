/* SPDX-License-Identifier: MIT */
/*
 * test_outsider.c - posts from threads that are no cores: in order, waking the core, refused when
 * there is no room, and none of the accepted ones lost by a stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/runtime/outsider_internal.h>

#include "support/server.h"

enum {
	OP_NUMBER,
	OP_STALL,
	OP_NOBODY
};

#define THREADS 3
#define POSTS	2000
#define MS	1000000

struct body {
	uint64_t thread;
	uint64_t number;
};

static struct server server;

static struct {
	uint64_t got[THREADS], wrong, stalls, go;
	uint32_t stop_posting;
	struct quoit_outsider door;
	int rc[6];
} seen;

static int forget(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	memset(&server, 0, sizeof(server));
	server.config.cores = 2;
	server.config.calls_per_pair = 4; /* 8 slots */
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	quoit_store(&seen.go, 1);
	server_abandon(&server);
	return 0;
}

/* --- what the cores do ----------------------------------------------------------------------- */

static void take_numbers(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			 bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		struct body body;

		memcpy(&body, messages[i].body, sizeof(body));
		if (messages[i].source != QUOIT_SOURCE_OUTSIDE || messages[i].depth ||
		    body.number != seen.got[body.thread])
			quoit_count(&seen.wrong, 1);
		quoit_count(&seen.got[body.thread], 1);
		/* It goes nowhere, and does no harm. */
		quoit_reply(core, quoit_caller_of(&messages[i]), 0, NULL, 0);
	}
}

/* Keep the core from reading on until the test says so. */
static void stall(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		  bool more, void *ctx)
{
	(void)core;
	(void)messages;
	(void)more;
	(void)ctx;
	quoit_count(&seen.stalls, n);
	while (!quoit_load_acquire(&seen.go))
		sched_yield();
}

static int register_all(struct quoit_core *core, void *ctx)
{
	const int rc = quoit_on_message(core, OP_NUMBER, take_numbers, ctx);

	return rc < 0 ? rc : quoit_on_message(core, OP_STALL, stall, ctx);
}

static void serve(void)
{
	if (!server.also)
		server.also = register_all;
	server_start(&server);
}

/* --- the threads ----------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	struct quoit_runtime *runtime;
	struct quoit_outsider door;
	uint64_t index;
	uint64_t accepted;
	int last; /* what the last post said */
	bool waits;
	bool stays; /* never says goodbye */
};

static int post_next(struct worker *w)
{
	const struct quoit_wait how = quoit_wait_for(QUOIT_WAIT_BLOCK, QUOIT_FOREVER);
	const struct body body = {.thread = w->index, .number = w->accepted};

	return w->waits ? quoit_outsider_post_wait(&w->door, OP_NUMBER, &body, sizeof(body), &how)
			: quoit_outsider_post(&w->door, OP_NUMBER, &body, sizeof(body));
}

/* Post until there are enough, or until there is no more posting. */
static void *post_worker(void *arg)
{
	struct worker *w = arg;

	w->last = quoit_outsider_join(w->runtime, 1, &w->door);
	if (w->last < 0)
		return NULL;
	while (w->accepted < POSTS || quoit_load(&seen.stop_posting)) {
		w->last = post_next(w);
		if (!w->last)
			w->accepted++;
		else if (w->last == -EAGAIN)
			sched_yield();
		else
			break;
	}
	if (!w->stays)
		quoit_outsider_leave(&w->door);
	return NULL;
}

static void begin(struct worker *workers)
{
	for (uint64_t i = 0; i < THREADS; i++) {
		workers[i].runtime = server.runtime;
		workers[i].index = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, post_worker, &workers[i]),
				 0);
	}
}

static void end(struct worker *workers)
{
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void posts_of_each_thread_arrive_once_and_in_order(void **state)
{
	struct worker workers[THREADS] = {{.waits = true}, {.waits = false}, {.waits = true}};

	(void)state;
	serve();
	begin(workers);
	end(workers);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(workers[i].accepted, POSTS);
		assert_int_equal(workers[i].last, 0);
		assert_soon(quoit_load(&seen.got[i]) == POSTS); /* nobody else wakes the core */
	}
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
}

/* One at a time, each of which finds the core asleep. */
static void a_post_wakes_a_core_that_sleeps(void **state)
{
	struct worker w = {.index = 0};

	(void)state;
	serve();
	assert_int_equal(quoit_outsider_join(server.runtime, 1, &w.door), 0);
	for (; w.accepted < 50; w.accepted++) {
		const struct timespec nap = {0, 300000};

		assert_int_equal(post_next(&w), 0);
		assert_soon(quoit_load(&seen.got[0]) == w.accepted + 1);
		(void)nanosleep(&nap, NULL);
	}
	quoit_outsider_leave(&w.door);
	server_stop(&server);
}

static void what_nobody_could_handle_is_refused(void **state)
{
	const struct quoit_wait how = quoit_wait_block();
	const struct quoit_wait no_way = {.kind = (enum quoit_wait_kind)99};
	char body[QUOIT_MESSAGE_BODY + 1] = {0};
	struct quoit_outsider door = {.home = NULL};

	(void)state;
	serve();
	assert_int_equal(quoit_outsider_join(server.runtime, 2, &door), -EINVAL);
	assert_null(door.home);
	assert_int_equal(quoit_outsider_join(server.runtime, 0, &door), 0);
	assert_int_equal(quoit_outsider_post(&door, QUOIT_OPERATIONS, NULL, 0), -EINVAL);
	assert_int_equal(quoit_outsider_post(&door, OP_NOBODY, NULL, 0), -EINVAL);
	assert_int_equal(quoit_outsider_post(&door, OP_NUMBER, body, sizeof(body)), -EINVAL);
	assert_int_equal(quoit_outsider_post_wait(&door, OP_NOBODY, NULL, 0, &how), -EINVAL);
	assert_int_equal(quoit_outsider_post_wait(&door, OP_NUMBER, NULL, 0, &no_way), -EINVAL);
	quoit_outsider_leave(&door);
	quoit_outsider_leave(&door);
	server_stop(&server);
	assert_int_equal(seen.got[0], 0);
}

static void a_full_lane_refuses_and_who_waits_goes_on_when_there_is_room(void **state)
{
	struct worker w = {.index = 0};
	struct quoit_wait how;
	struct body body;

	(void)state;
	serve();
	assert_int_equal(quoit_outsider_join(server.runtime, 1, &w.door), 0);
	assert_int_equal(quoit_outsider_post(&w.door, OP_STALL, NULL, 0), 0);
	assert_soon(quoit_load(&seen.stalls) == 1);
	while (!(w.last = post_next(&w)))
		w.accepted++;
	assert_int_equal(w.last, -EAGAIN);
	assert_int_equal(w.accepted, 7); /* and the one that stalls: its slot is in use */
	body = (struct body){.number = w.accepted};
	how = quoit_wait_for(QUOIT_WAIT_BLOCK, MS);
	assert_int_equal(quoit_outsider_post_wait(&w.door, OP_NUMBER, &body, sizeof(body), &how),
			 -ETIMEDOUT);
	quoit_store_release(&seen.go, 1);
	how = quoit_wait_block();
	assert_int_equal(quoit_outsider_post_wait(&w.door, OP_NUMBER, &body, sizeof(body), &how),
			 0);
	assert_soon(quoit_load(&seen.got[0]) == 8);
	quoit_outsider_leave(&w.door);
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
}

static void only_so_many_may_join_a_core_and_who_leaves_makes_room(void **state)
{
	struct quoit_outsider first, second;

	(void)state;
	server.config.outsiders = 1;
	serve();
	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(quoit_outsider_join(server.runtime, 1, &first), 0);
		assert_int_equal(quoit_outsider_join(server.runtime, 1, &second), -EUSERS);
		assert_int_equal(quoit_outsider_post(&first, OP_NUMBER,
						     &(struct body){.number = round},
						     sizeof(struct body)),
				 0);
		quoit_outsider_leave(&first);
		assert_soon(quoit_load(&seen.got[0]) == round + 1);
		server_settle(&server); /* the core has read the lane to its end */
	}
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
}

/* --- cores ----------------------------------------------------------------------------------- */

static void fill_its_own_lane(struct quoit_core *core, void *ctx)
{
	const struct quoit_wait how = quoit_wait_block();
	struct body body = {.thread = 0};

	(void)ctx;
	seen.rc[0] =
		quoit_outsider_join(quoit_core_runtime(core), quoit_core_index(core), &seen.door);
	if (seen.rc[0] < 0)
		return;
	while (!(seen.rc[1] = quoit_outsider_post(&seen.door, OP_NUMBER, &body, sizeof(body))))
		body.number++;
	seen.rc[2] = quoit_outsider_post_wait(&seen.door, OP_NUMBER, &body, sizeof(body), &how);
	quoit_outsider_leave(&seen.door);
}

static void a_core_must_not_wait_for_room(void **state)
{
	(void)state;
	serve();
	server_run(&server, 1, fill_its_own_lane, NULL);
	assert_int_equal(seen.rc[0], 0);
	assert_int_equal(seen.rc[1], -EAGAIN);
	assert_int_equal(seen.rc[2], -EDEADLK);
	assert_soon(quoit_load(&seen.got[0]) == 8);
	server_stop(&server);
}

static struct worker early;

static int begin_early(struct quoit_core *core, void *ctx)
{
	if (quoit_core_index(core) == 0) {
		seen.rc[0] = quoit_outsider_join(quoit_core_runtime(core), 1, &seen.door);
		early = (struct worker){.runtime = quoit_core_runtime(core), .waits = true};
		if (pthread_create(&early.thread, NULL, post_worker, &early))
			return -EAGAIN;
	}
	return register_all(core, ctx);
}

static void a_thread_begun_in_a_start_function_waits_for_the_others(void **state)
{
	(void)state;
	server.also = begin_early;
	serve();
	assert_int_equal(pthread_join(early.thread, NULL), 0);
	assert_int_equal(seen.rc[0], -EDEADLK);
	assert_int_equal(early.accepted, POSTS);
	assert_soon(quoit_load(&seen.got[0]) == POSTS);
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
}

/* --- the end --------------------------------------------------------------------------------- */

static void a_stop_loses_nothing_that_was_accepted_and_waits_for_no_goodbye(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		struct worker workers[THREADS] = {
			{.waits = true}, {.stays = true}, {.waits = true, .stays = true}};

		seen.stop_posting = 1; /* go on for ever */
		memset(seen.got, 0, sizeof(seen.got));
		serve();
		begin(workers);
		for (unsigned i = 0; i < THREADS; i++)
			assert_soon(quoit_load(&seen.got[i]) > 10);
		server_stop(&server);
		end(workers);
		for (unsigned i = 0; i < THREADS; i++) {
			assert_int_equal(workers[i].last, -ESHUTDOWN);
			assert_int_equal(seen.got[i], workers[i].accepted);
			assert_int_equal(seen.wrong, 0);
			if (!workers[i].stays)
				continue;
			assert_int_equal(post_next(&workers[i]), -ESHUTDOWN); /* all is gone */
			quoit_mpsc_adopt(&workers[i].door.seat);
			quoit_outsider_leave(&workers[i].door);
		}
	}
}

static void count_from_outside(struct quoit_core *core, const struct quoit_message *messages,
			       size_t n, bool more, void *ctx)
{
	(void)core;
	(void)more;
	(void)ctx;
	seen.wrong += messages->source != QUOIT_SOURCE_OUTSIDE;
	seen.got[0] += n;
}

/*
 * A thread in the middle of a post when the core closes its door: it has a place and will use it.
 * The core must wait for it, and then for what it has posted.
 */
static void who_is_in_the_middle_of_a_post_is_waited_for(void **state)
{
	static struct quoit_mail mail;
	struct quoit_outsider door;
	size_t at = 0;

	(void)state;
	memset(&mail, 0, sizeof(mail));
	mail.handlers[OP_NUMBER].fn = count_from_outside;
	assert_int_equal(quoit_outside_open(&mail, NULL, -1, 2, 8), 0);
	assert_int_equal(quoit_mpsc_register(mail.outside->channel, &door.seat), 0);
	door.home = mail.outside;
	(void)quoit_add(&mail.outside->gates[door.seat.id].word, 1); /* it is inside ... */
	assert_int_equal(quoit_mpsc_reserve(&door.seat, 1, &at), 1);
	quoit_outside_close(mail.outside);
	assert_int_equal(quoit_outsider_post(&door, OP_NUMBER, NULL, 0), -ESHUTDOWN);
	assert_int_equal(quoit_outside_dispatch(mail.outside, 100), 0);
	assert_false(quoit_outside_is_drained(mail.outside));
	memset(quoit_mpsc_slot(&door.seat, at), 0, sizeof(struct quoit_message));
	((struct quoit_message *)quoit_mpsc_slot(&door.seat, at))->source = QUOIT_SOURCE_OUTSIDE;
	quoit_mpsc_commit(&door.seat, 1);
	assert_false(quoit_outside_is_drained(mail.outside));
	(void)quoit_add(&mail.outside->gates[door.seat.id].word, -1u); /* ... and leaves */
	assert_false(quoit_outside_is_drained(mail.outside));
	assert_int_equal(quoit_outside_dispatch(mail.outside, 100), 1);
	assert_true(quoit_outside_is_drained(mail.outside));
	assert_int_equal(seen.got[0], 1);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(quoit_mpsc_deregister(&door.seat), 0);
	quoit_outside_release(mail.outside);
}

static void stop_here(struct quoit_core *core, void *ctx)
{
	struct quoit_outsider door;

	(void)ctx;
	if (quoit_core_index(core) == 0)
		seen.rc[0] = quoit_outsider_join(quoit_core_runtime(core), 1, &door);
}

static void nobody_joins_a_runtime_that_has_stopped(void **state)
{
	(void)state;
	server.ended = stop_here;
	serve();
	server_stop(&server);
	assert_int_equal(seen.rc[0], -ESHUTDOWN);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(posts_of_each_thread_arrive_once_and_in_order),
		CASE(a_post_wakes_a_core_that_sleeps),
		CASE(what_nobody_could_handle_is_refused),
		CASE(a_full_lane_refuses_and_who_waits_goes_on_when_there_is_room),
		CASE(only_so_many_may_join_a_core_and_who_leaves_makes_room),
		CASE(a_core_must_not_wait_for_room),
		CASE(a_thread_begun_in_a_start_function_waits_for_the_others),
		CASE(a_stop_loses_nothing_that_was_accepted_and_waits_for_no_goodbye),
		CASE(who_is_in_the_middle_of_a_post_is_waited_for),
		CASE(nobody_joins_a_runtime_that_has_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
