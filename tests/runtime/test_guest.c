/* SPDX-License-Identifier: MIT */
/*
 * test_guest.c - a loop on an application's own io_uring, and a loop inside somebody's epoll. The
 * application's traffic must come through untouched, whatever set-up flags it chose. D-85.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/runtime/loop_internal.h>

#include "support/skip.h"

#define MS 1000000ull

struct app {
	struct io_uring ring;
	struct quoit_loop *loop;
	struct quoit_timer timer;
	struct quoit_timer later;
	unsigned fired;
	uint64_t early;
	uint64_t own;	  /* completions of the application */
	uint64_t strange; /* of nobody */
};

static void set_up_ring(struct app *app, unsigned entries, unsigned flags)
{
	struct io_uring_params params = {.flags = flags};
	const int rc = io_uring_queue_init_params(entries, &app->ring, &params);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %d", rc);
	assert_int_equal(rc, 0);
}

static void attach(struct app *app)
{
	struct quoit_reason why = {0};

	assert_int_equal(quoit_loop_attach(&app->ring, NULL, &app->loop, &why), 0);
}

static void fire(struct quoit_timer *timer, void *ctx)
{
	struct app *app = ctx;

	app->early += quoit_clock_now_ns() < timer->deadline_ns;
	app->fired++;
}

static void start_timer(struct app *app, struct quoit_timer *timer, uint64_t after_ns)
{
	quoit_timers_start(quoit_loop_timers(app->loop), timer, quoit_clock_now_ns() + after_ns,
			   fire, app);
}

static void reap(struct app *app)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&app->ring, head, cqe)
	{
		n++;
		if (quoit_loop_handle_cqe(app->loop, cqe))
			continue;
		app->own += cqe->user_data == 7;
		app->strange += cqe->user_data != 7;
	}
	io_uring_cq_advance(&app->ring, n);
}

/* The application's main loop, as loop.h shows it, but that it has seen enough when a timer fired.
 */
static void turn(struct app *app)
{
	const unsigned before = app->fired;
	bool wait;

	quoit_loop_prepare(app->loop);
	wait = quoit_loop_before_wait(app->loop) && app->fired == before;
	(void)io_uring_submit_and_wait(&app->ring, wait ? 1 : 0);
	reap(app);
}

static void leave(struct app *app)
{
	int rc;

	while ((rc = quoit_loop_destroy(app->loop)) == -EAGAIN) {
		(void)io_uring_submit_and_wait(&app->ring, 1);
		reap(app);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(app->strange, 0);
	io_uring_queue_exit(&app->ring);
}

static void own_nop(struct app *app)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&app->ring);

	assert_non_null(sqe);
	io_uring_prep_nop(sqe);
	sqe->user_data = 7;
}

static void *wake_worker(void *ctx)
{
	quoit_loop_wake(ctx);
	return NULL;
}

static void live_together(unsigned flags)
{
	struct app app = {0};
	struct quoit_loop_stats stats;
	pthread_t thread;

	set_up_ring(&app, 64, flags);
	attach(&app);
	for (unsigned i = 1; i <= 5; i++) {
		own_nop(&app);
		start_timer(&app, &app.timer, MS);
		while (app.fired < i)
			turn(&app);
	}
	assert_int_equal(app.own, 5);
	assert_int_equal(app.early, 0);

	assert_int_equal(pthread_create(&thread, NULL, wake_worker, app.loop), 0);
	do {
		turn(&app);
		quoit_loop_read_stats(app.loop, &stats);
	} while (!stats.bells_heard);
	pthread_join(thread, NULL);
	assert_int_equal(stats.enters, 0); /* that is the application's part */
	leave(&app);
}

static void both_live_on_a_plain_ring(void **state)
{
	(void)state;
	live_together(0);
}

static void both_live_on_a_ring_with_deferred_work(void **state)
{
	(void)state;
	live_together(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
}

static void both_live_on_a_ring_with_wide_entries(void **state)
{
	(void)state;
	live_together(IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_COOP_TASKRUN);
}

static void both_live_on_a_ring_with_a_kernel_thread(void **state)
{
	(void)state;
	live_together(IORING_SETUP_SQPOLL);
}

static void a_ring_that_polls_for_completions_is_refused_in_words(void **state)
{
	struct app app = {0};
	struct quoit_reason why = {0};

	(void)state;
	set_up_ring(&app, 8, IORING_SETUP_IOPOLL);
	assert_int_equal(quoit_loop_attach(&app.ring, NULL, &app.loop, &why), -EINVAL);
	assert_non_null(strstr(why.text, "IOPOLL"));
	assert_null(app.loop);
	assert_int_equal(quoit_loop_attach(NULL, NULL, &app.loop, &why), -EINVAL);
	io_uring_queue_exit(&app.ring);
}

/* D-85: a chain of linked entries that is half written must not be submitted by us. */
static void a_full_submission_queue_is_left_to_the_application(void **state)
{
	struct app app = {0};

	(void)state;
	set_up_ring(&app, 4, 0);
	attach(&app);
	start_timer(&app, &app.timer, MS);
	for (int i = 0; i < 4; i++)
		own_nop(&app);
	quoit_loop_prepare(app.loop);
	assert_int_equal(io_uring_sq_ready(&app.ring), 4);
	/* The bell could not be armed: asleep, nobody would hear it. */
	assert_false(quoit_loop_before_wait(app.loop));
	assert_int_equal(io_uring_sq_ready(&app.ring), 4);
	while (!app.fired)
		turn(&app);
	assert_int_equal(app.own, 4);
	leave(&app);
}

static void an_earlier_timer_moves_the_alarm_and_a_stopped_one_harms_nobody(void **state)
{
	struct app app = {0};

	(void)state;
	set_up_ring(&app, 16, 0);
	attach(&app);
	start_timer(&app, &app.later, 3600 * 1000 * MS);
	quoit_loop_prepare(app.loop);
	assert_true(quoit_loop_before_wait(app.loop)); /* the alarm stands at an hour */
	assert_int_equal(io_uring_submit(&app.ring), 2);
	start_timer(&app, &app.timer, 2 * MS);
	while (!app.fired)
		turn(&app);
	assert_int_equal(app.fired, 1);
	assert_int_equal(app.early, 0);
	assert_true(quoit_timers_stop(quoit_loop_timers(app.loop), &app.later));
	leave(&app);
}

static void after_a_lost_completion_the_bell_and_the_alarm_are_set_again(void **state)
{
	struct app app = {0};
	struct quoit_loop_stats stats;
	uint64_t heard;

	(void)state;
	set_up_ring(&app, 16, 0);
	attach(&app);
	start_timer(&app, &app.timer, 20 * MS);
	quoit_loop_prepare(app.loop);
	assert_true(quoit_loop_before_wait(app.loop));
	assert_int_equal(io_uring_submit(&app.ring), 2);
	quoit_loop_completion_lost(app.loop);
	while (!app.fired)
		turn(&app);
	assert_int_equal(app.early, 0);
	quoit_loop_read_stats(app.loop, &stats);
	heard = stats.bells_heard;
	quoit_loop_wake(app.loop);
	do {
		turn(&app);
		quoit_loop_read_stats(app.loop, &stats);
	} while (stats.bells_heard == heard);
	leave(&app);
}

/* Destroying takes several rounds of the main loop, which asks as always whether it may wait. */
static void a_guest_does_not_wait_beside_what_may_be_lost(void **state)
{
	struct app app = {0};

	(void)state;
	set_up_ring(&app, 16, 0);
	attach(&app);
	quoit_loop_prepare(app.loop);
	assert_true(quoit_loop_before_wait(app.loop));
	quoit_loop_completion_lost(app.loop);
	assert_false(quoit_loop_before_wait(app.loop)); /* its bell may be the one */
	quoit_loop_prepare(app.loop);
	assert_true(quoit_loop_before_wait(app.loop));
	/* The kernel gives -EBADR only to who waits with nothing to submit, but it counts. */
	++*app.ring.cq.koverflow;
	assert_false(quoit_loop_before_wait(app.loop));
	quoit_loop_prepare(app.loop);
	assert_true(quoit_loop_before_wait(app.loop));
	assert_int_equal(app.loop->uring.counts.dropped_resyncs, 2);
	leave(&app);
}

static void the_main_loop_goes_on_while_a_guest_leaves(void **state)
{
	struct app app = {0};
	int rc;

	(void)state;
	set_up_ring(&app, 4, 0);
	attach(&app);
	quoit_loop_wake(app.loop);
	turn(&app); /* no alarm was ever set */
	start_timer(&app, &app.later, 3600 * 1000 * MS);
	for (int i = 0; i < 4; i++)
		own_nop(&app);
	while ((rc = quoit_loop_destroy(app.loop)) == -EAGAIN) {
		const bool wait = quoit_loop_before_wait(app.loop);

		/* The queue was full at first: nothing was asked of the kernel yet. */
		assert_true(!wait || app.own == 4);
		(void)io_uring_submit_and_wait(&app.ring, wait ? 1 : 0);
		reap(&app);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(app.own, 4);
	assert_int_equal(app.strange, 0);
	io_uring_queue_exit(&app.ring);
}

static void a_stop_only_wakes_a_guest(void **state)
{
	struct app app = {0};

	(void)state;
	set_up_ring(&app, 16, 0);
	attach(&app);
	quoit_loop_stop(app.loop);
	turn(&app); /* the bell */
	quoit_loop_prepare(app.loop);
	assert_true(quoit_loop_before_wait(app.loop)); /* it does not keep the application awake */
	leave(&app);
}

static void a_guest_does_not_drive_itself(void **state)
{
	struct app app = {0};

	(void)state;
	set_up_ring(&app, 16, 0);
	attach(&app);
	assert_int_equal(quoit_loop_run_once(app.loop, 0), -EPERM);
	assert_int_equal(quoit_loop_run(app.loop), -EPERM);
	leave(&app);
}

/* --- inside epoll ---------------------------------------------------------------------------- */

static int wait_in(int epoll, int timeout_ms)
{
	struct epoll_event event;
	int n;

	do
		n = epoll_wait(epoll, &event, 1, timeout_ms);
	while (n < 0 && errno == EINTR); /* as loop.h says */
	return n;
}

static int set_up_inside(struct app *app)
{
	const struct quoit_loop_options options = {.pollable = true};
	struct epoll_event event = {.events = EPOLLIN};
	struct quoit_reason why = {0};
	const int rc = quoit_loop_create(&options, &app->loop, &why);
	const int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	assert_true(epoll >= 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, quoit_loop_fd(app->loop), &event), 0);
	assert_int_equal(quoit_loop_run_ready(app->loop), 0);
	return epoll;
}

static void the_descriptor_tells_of_timers_and_of_wakes(void **state)
{
	struct app app = {0};
	const int epoll = set_up_inside(&app);
	struct quoit_loop_stats stats;
	pthread_t thread;

	(void)state;
	assert_int_equal(wait_in(epoll, 0), 0); /* nothing to do */
	start_timer(&app, &app.timer, 2 * MS);
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	while (!app.fired) {
		assert_int_equal(wait_in(epoll, 10000), 1);
		assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	}
	assert_int_equal(app.early, 0);
	for (unsigned i = 0; i < 50; i++) {
		quoit_loop_read_stats(app.loop, &stats);
		const uint64_t heard = stats.bells_heard;

		assert_int_equal(pthread_create(&thread, NULL, wake_worker, app.loop), 0);
		do {
			assert_int_equal(wait_in(epoll, 10000), 1);
			assert_int_equal(quoit_loop_run_ready(app.loop), 0);
			quoit_loop_read_stats(app.loop, &stats);
		} while (stats.bells_heard == heard);
		pthread_join(thread, NULL);
	}
	assert_int_equal(wait_in(epoll, 0), 0);
	assert_int_equal(quoit_loop_destroy(app.loop), 0);
	close(epoll);
}

static void lose(struct quoit_timer *timer, void *ctx)
{
	struct app *app = ctx;

	(void)timer;
	app->fired++;
	app->loop->uring.lost = true; /* as an enter that gave -EBADR in the middle of a turn */
}

static void a_loss_within_a_call_is_dealt_with_before_it_returns(void **state)
{
	struct app app = {0};
	const int epoll = set_up_inside(&app);

	(void)state;
	quoit_timers_start(quoit_loop_timers(app.loop), &app.timer, 0, lose, &app);
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	assert_int_equal(app.fired, 1);
	assert_false(app.loop->uring.lost);
	++*app.loop->uring.ring->cq.koverflow; /* inside another loop it never waits: not told */
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	assert_int_equal(app.loop->uring.counts.dropped_resyncs, 1);
	quoit_loop_wake(app.loop);
	assert_int_equal(wait_in(epoll, 5000), 1);
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	assert_int_equal(quoit_loop_destroy(app.loop), 0);
	close(epoll);
}

struct endless {
	struct quoit_source source;
	uint64_t turns;
};

static size_t endless_dispatch(struct quoit_source *source, size_t budget)
{
	(void)budget;
	return ++quoit_container_of(source, struct endless, source)->turns;
}

static bool endless_news(struct quoit_source *source)
{
	(void)source;
	return true;
}

static bool endless_expects(const struct quoit_source *source)
{
	(void)source;
	return false;
}

static void endless_flush(struct quoit_source *source)
{
	(void)source;
}

static void a_source_that_never_ends_leaves_the_other_loop_its_turn(void **state)
{
	struct app app = {0};
	const int epoll = set_up_inside(&app);
	struct endless endless = {.source = {.dispatch = endless_dispatch,
					     .has_news = endless_news,
					     .expects_news = endless_expects,
					     .flush = endless_flush}};

	(void)state;
	quoit_loop_add_source(app.loop, &endless.source);
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	assert_true(endless.turns >= 1 && endless.turns <= 64);
	assert_int_equal(wait_in(epoll, 10000), 1); /* it wants to be called again */
	assert_int_equal(quoit_loop_destroy(app.loop), -EBUSY);
	quoit_loop_remove_source(&endless.source);
	assert_int_equal(quoit_loop_destroy(app.loop), 0);
	close(epoll);
}

/* As whoever publishes to a ring of the loop does. */
static void publish(struct quoit_loop *loop)
{
	quoit_wake_fence();
	if (quoit_wake_owed(loop->notify.wake))
		(void)quoit_notify_ring(&loop->notify);
}

static bool has_fired(void *ctx)
{
	return ((struct app *)ctx)->fired != 0;
}

/* D-85: between two calls nobody knows whether the thread sleeps, whichever call the last one was.
 */
static void who_turned_it_by_hand_is_told_to_come_back(void **state)
{
	struct app app = {0};
	const int epoll = set_up_inside(&app);

	(void)state;
	start_timer(&app, &app.later, 5 * MS);
	assert_int_equal(quoit_loop_run_once(app.loop, 0), 0); /* sets no alarm */
	while (!app.fired) {
		assert_int_equal(wait_in(epoll, 5000), 1);
		assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	}
	assert_int_equal(quoit_loop_run_once(app.loop, MS), 0); /* has slept, and woken up */
	publish(app.loop);
	assert_int_equal(wait_in(epoll, 5000), 1);
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);

	app.fired = 0;
	start_timer(&app, &app.timer, MS);
	assert_int_equal(quoit_loop_run_until(app.loop, has_fired, &app, 5000 * MS), 0);
	publish(app.loop);
	assert_int_equal(wait_in(epoll, 5000), 1);
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);

	quoit_loop_stop(app.loop);
	assert_int_equal(quoit_loop_run(app.loop), 0);
	publish(app.loop);
	assert_int_equal(wait_in(epoll, 5000), 1);
	assert_int_equal(quoit_loop_run_ready(app.loop), 0);
	assert_int_equal(wait_in(epoll, 0), 0); /* and not without end */
	assert_int_equal(quoit_loop_destroy(app.loop), 0);
	close(epoll);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_live_on_a_plain_ring),
		cmocka_unit_test(both_live_on_a_ring_with_deferred_work),
		cmocka_unit_test(both_live_on_a_ring_with_wide_entries),
		cmocka_unit_test(both_live_on_a_ring_with_a_kernel_thread),
		cmocka_unit_test(a_ring_that_polls_for_completions_is_refused_in_words),
		cmocka_unit_test(a_full_submission_queue_is_left_to_the_application),
		cmocka_unit_test(an_earlier_timer_moves_the_alarm_and_a_stopped_one_harms_nobody),
		cmocka_unit_test(after_a_lost_completion_the_bell_and_the_alarm_are_set_again),
		cmocka_unit_test(a_guest_does_not_wait_beside_what_may_be_lost),
		cmocka_unit_test(the_main_loop_goes_on_while_a_guest_leaves),
		cmocka_unit_test(a_stop_only_wakes_a_guest),
		cmocka_unit_test(a_guest_does_not_drive_itself),
		cmocka_unit_test(the_descriptor_tells_of_timers_and_of_wakes),
		cmocka_unit_test(a_loss_within_a_call_is_dealt_with_before_it_returns),
		cmocka_unit_test(a_source_that_never_ends_leaves_the_other_loop_its_turn),
		cmocka_unit_test(who_turned_it_by_hand_is_told_to_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
