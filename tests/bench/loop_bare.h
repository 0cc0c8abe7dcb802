/* SPDX-License-Identifier: MIT */
/*
 * loop_bare.h - what bench-loop compares with: lines, eventfds, io_uring and the clock, by hand.
 *
 * Each way is two threads on two cpus, a lead that samples and a follower, or a lead alone. The
 * pauses before a wake do not depend on the sleeper, so that a late one hides nothing.
 */
#ifndef TESTS_BENCH_LOOP_BARE_H
#define TESTS_BENCH_LOOP_BARE_H

#include "measure.h"

#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include <quoit/numa/thread.h>
#include <quoit/rings/notify.h>

enum {
	SAMPLES_MOST = 20000,
	WAKE_GAP_US = 100,
	TIMER_GAP_US = 300,
	PATIENCE_S = 60,
};

struct line {
	QUOIT_ISOLATED uint64_t number;
};

/* What both threads share. */
struct course {
	unsigned cpus[2];
	unsigned count;
	struct line there, back, asleep;
	struct quoit_wake wake;
	struct quoit_notify notify[2];
	pthread_barrier_t start;
	uint64_t samples[SAMPLES_MOST]; /* ticks */
	void (*lead)(struct course *c);
	void (*follow)(struct course *c);
};

/* --- two threads ----------------------------------------------------------------------------- */

static inline void *follow_worker(void *arg)
{
	struct course *const c = arg;

	if (quoit_thread_pin(c->cpus[1]))
		die("cannot run on cpu %u", c->cpus[1]);
	pthread_barrier_wait(&c->start);
	c->follow(c);
	return NULL;
}

/* Run the lead here and the follower, if there is one, on the other cpu. */
static inline void run_both(struct course *c, void (*lead)(struct course *c),
			    void (*follow)(struct course *c))
{
	pthread_t follower;

	c->lead = lead;
	c->follow = follow;
	c->there.number = c->back.number = c->asleep.number = 0;
	if (quoit_thread_pin(c->cpus[0]))
		die("cannot run on cpu %u", c->cpus[0]);
	if (!follow) {
		lead(c);
		return;
	}
	pthread_barrier_init(&c->start, NULL, 2);
	if (pthread_create(&follower, NULL, follow_worker, c))
		die("no thread");
	pthread_barrier_wait(&c->start);
	lead(c);
	pthread_join(follower, NULL);
	pthread_barrier_destroy(&c->start);
}

/* --- a round trip over two lines ------------------------------------------------------------- */

static inline void lead_lines(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		const uint64_t since = quoit_ticks();

		quoit_store_release(&c->there.number, i + 1); /* trip: pairs with follow_lines() */
		while (quoit_load_acquire(&c->back.number) != i + 1) /* trip: follow_lines() */
			;
		c->samples[i] = quoit_ticks() - since;
	}
}

static inline void follow_lines(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		while (quoit_load_acquire(&c->there.number) != i + 1) /* trip: lead_lines() */
			;
		quoit_store_release(&c->back.number, i + 1); /* trip: pairs with lead_lines() */
	}
}

static inline void bare_lines(struct course *c)
{
	run_both(c, lead_lines, follow_lines);
}

/* --- wakes ----------------------------------------------------------------------------------- */

static inline void open_bell(struct io_uring *ring, int fd)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN};
	struct io_uring_sqe *sqe;

	if (io_uring_queue_init_params(8, ring, &params))
		die("io_uring is refused here");
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_submit(ring);
}

/* Sleep until the eventfd is written to. */
static inline void await_bell(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe(ring, &cqe) || cqe->res < 0 || !(cqe->flags & IORING_CQE_F_MORE))
		die("the poll has ended");
	io_uring_cqe_seen(ring, cqe);
}

static inline void ring_bell(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		die("the bell is broken");
}

/* Let the sleeper fall asleep: the time it takes is no part of a sample. */
static inline void wait_for_sleep(struct course *c, uint64_t number)
{
	const uint64_t from_ns = quoit_clock_now_ns();

	while (quoit_load_acquire(&c->asleep.number) != number || /* asleep: the sleeper's stores */
	       quoit_clock_now_ns() - from_ns < WAKE_GAP_US * 1000)
		quoit_relax();
}

static inline void fall_asleep(struct course *c, uint64_t number)
{
	quoit_store_release(&c->asleep.number, number); /* asleep: pairs with wait_for_sleep() */
}

static inline void lead_wake(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		wait_for_sleep(c, i + 1);
		quoit_store_release(&c->there.number, quoit_ticks()); /* stamp: follow_wake() */
		ring_bell(c->notify[0].fd);
	}
	wait_for_sleep(c, c->count + 1);
}

static inline void follow_wake(struct course *c)
{
	struct io_uring ring;

	open_bell(&ring, c->notify[0].fd);
	for (unsigned i = 0; i < c->count; i++) {
		fall_asleep(c, i + 1);
		await_bell(&ring);
		c->samples[i] = quoit_ticks() - quoit_load_acquire(&c->there.number); /* stamp */
	}
	fall_asleep(c, c->count + 1);
	io_uring_queue_exit(&ring);
}

static inline void open_bells(struct course *c)
{
	for (unsigned i = 0; i < 2; i++)
		if (quoit_notify_open(&c->notify[i], &c->wake))
			die("no eventfd");
}

static inline void close_bells(struct course *c)
{
	for (unsigned i = 0; i < 2; i++)
		quoit_notify_close(&c->notify[i]);
}

static inline void bare_wake(struct course *c)
{
	open_bells(c);
	run_both(c, lead_wake, follow_wake);
	close_bells(c);
}

/* There and back between two sleepers, the bells rung as loops ring them: with the wait. */
static inline void ring_and_await(struct io_uring *ring, int fd)
{
	static const uint64_t one = 1;
	struct io_uring_sqe *const sqe = io_uring_get_sqe(ring);

	io_uring_prep_write(sqe, fd, &one, sizeof(one), 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_submit_and_wait(ring, 1);
	await_bell(ring);
}

static inline void lead_bells(struct course *c)
{
	struct io_uring ring;

	open_bell(&ring, c->notify[0].fd);
	for (unsigned i = 0; i < c->count; i++) {
		const uint64_t since = quoit_ticks();

		ring_and_await(&ring, c->notify[1].fd);
		c->samples[i] = quoit_ticks() - since;
	}
	ring_bell(c->notify[1].fd);
	io_uring_queue_exit(&ring);
}

static inline void follow_bells(struct course *c)
{
	struct io_uring ring;

	open_bell(&ring, c->notify[1].fd);
	await_bell(&ring);
	for (unsigned i = 0; i < c->count; i++)
		ring_and_await(&ring, c->notify[0].fd);
	io_uring_queue_exit(&ring);
}

static inline void bare_bells(struct course *c)
{
	open_bells(c);
	run_both(c, lead_bells, follow_bells);
	close_bells(c);
}

/* --- the clock ------------------------------------------------------------------------------- */

/* How late a thread is that sleeps until a moment; nanoseconds, not ticks. */
static inline void lead_clock(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		const uint64_t at = quoit_clock_now_ns() + TIMER_GAP_US * 1000;
		const struct timespec until = {(time_t)(at / 1000000000), (long)(at % 1000000000)};

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
			;
		c->samples[i] = quoit_clock_now_ns() - at;
	}
}

static inline void bare_clock(struct course *c)
{
	run_both(c, lead_clock, NULL);
}

/* A turn that finds nothing, by hand: the clock and a look whether the kernel has something. */
static inline void lead_look(struct course *c)
{
	struct io_uring ring;
	uint64_t sum = 0;

	open_bells(c);
	open_bell(&ring, c->notify[0].fd);
	for (unsigned i = 0; i < c->count; i++) {
		const uint64_t since = quoit_ticks();

		sum += quoit_clock_now_ns() + io_uring_cq_ready(&ring);
		c->samples[i] = quoit_ticks() - since;
	}
	if (!sum)
		die("no clock");
	io_uring_queue_exit(&ring);
	close_bells(c);
}

static inline void bare_look(struct course *c)
{
	run_both(c, lead_look, NULL);
}

#endif
