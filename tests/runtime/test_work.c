/* SPDX-License-Identifier: MIT */
/*
 * test_work.c - blocking work on other threads: every submit is told its end exactly once, on the
 * loop that submitted, in order, whatever is cancelled, refused or destroyed meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <cmocka.h>

#include <quoit/numa/atomic.h>
#include <quoit/runtime/work.h>

#include "runtime/loop_kinds.h"

#define MANY  2000
#define LOOPS 4

static struct quoit_workers *make_workers(unsigned threads, unsigned slots)
{
	const struct quoit_workers_options options = {
		.threads = threads, .queue_slots = slots, .name = "pool"};
	struct quoit_workers *workers = NULL;
	struct quoit_reason why = {0};

	assert_int_equal(quoit_workers_create(&options, &workers, &why), 0);
	return workers;
}

struct job {
	struct quoit_work work;
	struct driven *d;
	struct quoit_workers *workers;
	sem_t *gate; /* waited for by `fn` */
	sem_t *entered;
	int input;
	int output; /* plain memory of the worker's, for ThreadSanitizer to look at */
	unsigned done;
	int result;
	unsigned order;
	unsigned again;
	pthread_t ran_on;
};

static unsigned told; /* by all loops of a test that has one thread for them */

static int twice(struct quoit_work *work, void *ctx)
{
	struct job *job = ctx;

	(void)work;
	job->ran_on = pthread_self();
	if (job->entered)
		sem_post(job->entered);
	if (job->gate)
		sem_wait(job->gate);
	job->output = 2 * job->input;
	return job->input;
}

static void on_done(struct quoit_work *work, int result, void *ctx)
{
	struct job *job = ctx;

	job->done++;
	job->result = result;
	job->order = told++;
	if (job->again) {
		job->again--;
		if (quoit_work_submit(job->workers, job->d->loop, work) < 0)
			job->result = -1;
	}
}

static void prepare(struct job *job, struct driven *d, struct quoit_workers *workers, int input)
{
	*job = (struct job){.d = d, .workers = workers, .input = input};
	job->work = (struct quoit_work){.fn = twice, .done = on_done, .ctx = job};
	job->result = -1000;
}

static int submit(struct job *job)
{
	return quoit_work_submit(job->workers, job->d->loop, &job->work);
}

static void results_come_back_to_every_kind_of_loop(void **state)
{
	static struct job jobs[MANY];
	struct quoit_workers *workers = make_workers(3, MANY);

	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct driven d;

		told = 0;
		drive_open(&d, kind, NULL);
		for (int i = 0; i < MANY; i++) {
			prepare(&jobs[i], &d, workers, i);
			assert_int_equal(submit(&jobs[i]), 0);
		}
		assert_int_equal(submit(&jobs[0]), -EBUSY); /* whether it is back or not */
		assert_int_equal(quoit_loop_destroy(d.loop), -EBUSY);
		drive_until(&d, told == MANY);
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(jobs[i].done, 1);
			assert_int_equal(jobs[i].result, i);
			assert_int_equal(jobs[i].output, 2 * i);
			assert_false(pthread_equal(jobs[i].ran_on, pthread_self()));
		}
		drive_close(&d);
	}
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

/* The loop sleeps for good each time: a bell that is not rung is a hang. */
static void a_sleeping_loop_is_woken_by_each_result(void **state)
{
	struct quoit_workers *workers = make_workers(1, 1);

	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct driven d;
		struct job job;

		told = 0;
		drive_open(&d, kind, NULL);
		prepare(&job, &d, workers, 5);
		job.again = 499; /* from its own `done` */
		assert_int_equal(submit(&job), 0);
		drive_until(&d, told == 500);
		assert_int_equal(job.done, 500);
		assert_int_equal(job.result, 5);
		drive_close(&d);
	}
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

static void with_one_worker_the_order_is_that_of_submitting(void **state)
{
	static struct job jobs[MANY];
	struct quoit_workers *workers = make_workers(1, MANY);
	struct driven d;

	(void)state;
	told = 0;
	drive_open(&d, KIND_OWN, NULL);
	for (int i = 0; i < MANY; i++) {
		prepare(&jobs[i], &d, workers, i);
		assert_int_equal(submit(&jobs[i]), 0);
	}
	drive_until(&d, told == MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(jobs[i].order, i);
	drive_close(&d);
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

static void a_full_queue_refuses_and_takes_again_when_there_is_room(void **state)
{
	struct quoit_workers *workers = make_workers(1, 2);
	sem_t gate, entered;
	struct job jobs[4];
	struct driven d;

	(void)state;
	told = 0;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	drive_open(&d, KIND_OWN, NULL);
	for (int i = 0; i < 4; i++)
		prepare(&jobs[i], &d, workers, i);
	jobs[0].gate = &gate;
	jobs[0].entered = &entered;
	assert_int_equal(submit(&jobs[0]), 0);
	sem_wait(&entered); /* it runs, so the queue is empty */
	assert_int_equal(submit(&jobs[1]), 0);
	assert_int_equal(submit(&jobs[2]), 0);
	assert_int_equal(submit(&jobs[3]), -EAGAIN);
	assert_int_equal(quoit_work_cancel(&jobs[3].work), -ENOENT);
	sem_post(&gate);
	drive_until(&d, told == 3);
	assert_int_equal(jobs[3].done, 0);
	assert_int_equal(submit(&jobs[3]), 0);
	drive_until(&d, told == 4);
	drive_close(&d);
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

static void what_waits_can_be_cancelled_and_is_told_so_once(void **state)
{
	struct quoit_workers *workers = make_workers(1, 8);

	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		sem_t gate, entered;
		struct job jobs[3];
		struct driven d;

		told = 0;
		sem_init(&gate, 0, 0);
		sem_init(&entered, 0, 0);
		drive_open(&d, kind, NULL);
		for (int i = 0; i < 3; i++)
			prepare(&jobs[i], &d, workers, i);
		jobs[0].gate = &gate;
		jobs[0].entered = &entered;
		for (int i = 0; i < 3; i++)
			assert_int_equal(submit(&jobs[i]), 0);
		sem_wait(&entered);
		assert_int_equal(quoit_work_cancel(&jobs[0].work), -EALREADY); /* it runs */
		assert_int_equal(quoit_work_cancel(&jobs[1].work), 0);
		assert_int_equal(quoit_work_cancel(&jobs[1].work), -EALREADY);
		assert_int_equal(jobs[1].done, 0); /* not by the call itself */
		drive_until(&d, told == 1);
		assert_int_equal(jobs[1].result, -ECANCELED);
		assert_int_equal(jobs[1].output, 0);
		assert_int_equal(quoit_work_cancel(&jobs[1].work), -ENOENT);
		sem_post(&gate);
		drive_until(&d, told == 3);
		assert_int_equal(jobs[0].result, 0);
		assert_int_equal(jobs[2].result, 2);
		drive_close(&d);
	}
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

static void destroying_the_workers_loses_no_result(void **state)
{
	static struct job jobs[MANY];
	struct driven d;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	for (int round = 0; round < 5; round++) {
		struct quoit_workers *workers = make_workers(4, MANY);

		told = 0;
		for (int i = 0; i < MANY; i++) {
			prepare(&jobs[i], &d, workers, i);
			assert_int_equal(submit(&jobs[i]), 0);
		}
		assert_int_equal(quoit_workers_destroy(workers), 0);
		assert_int_equal(told, 0);
		/* They are back, and their workers are gone. */
		assert_int_equal(quoit_work_cancel(&jobs[9].work), -EALREADY);
		drive_until(&d, told == MANY);
	}
	drive_close(&d);
	assert_int_equal(quoit_workers_destroy(NULL), 0);
}

/* The worker may still be about to ring when the loop has told the result, and is freed. */
static void a_loop_may_be_destroyed_as_soon_as_its_last_result_was_told(void **state)
{
	struct quoit_workers *workers = make_workers(2, 8);

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct driven d;
		struct job job;

		told = 0;
		drive_open(&d, round % 2 ? KIND_INSIDE : KIND_OWN, NULL);
		prepare(&job, &d, workers, 1);
		assert_int_equal(submit(&job), 0);
		drive_until(&d, told == 1);
		drive_close(&d);
	}
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

/* --- several loops --------------------------------------------------------------------------- */

static void count_one(struct quoit_work *work, int result, void *ctx)
{
	struct job *job = ctx;

	(void)work;
	job->result = result;
	job->done++;
}

static int loop_worker_result(struct quoit_workers *workers)
{
	static const int input = 3;
	struct quoit_loop *loop;
	struct job *jobs = calloc(MANY, sizeof(*jobs));
	struct driven d = {.kind = KIND_OWN};
	unsigned done = 0;
	unsigned next = 0;

	if (!jobs || quoit_loop_create(NULL, &loop, NULL) < 0)
		return 1;
	d.loop = loop;
	while (done < MANY) {
		int rc = 0;

		while (next < MANY && rc == 0) {
			struct job *job = &jobs[next];

			job->work = (struct quoit_work){.fn = twice, .ctx = job};
			job->input = input;
			job->d = &d;
			job->work.done = NULL;
			if (quoit_work_submit(workers, loop, &job->work) != -EINVAL)
				return 2; /* nobody to tell */
			job->work.done = count_one;
			rc = quoit_work_submit(workers, loop, &job->work);
			next += rc == 0;
		}
		if (rc && rc != -EAGAIN)
			return 3;
		if (quoit_loop_run_once(loop, rc ? 1000000 : QUOIT_FOREVER) < 0)
			return 4;
		done = 0;
		for (unsigned i = 0; i < next; i++)
			done += jobs[i].done;
	}
	for (unsigned i = 0; i < MANY; i++)
		if (jobs[i].done != 1 || jobs[i].output != 2 * input)
			return 5;
	free(jobs);
	return quoit_loop_destroy(loop) ? 6 : 0;
}

static void *loop_worker(void *ctx)
{
	return (void *)(intptr_t)loop_worker_result(ctx);
}

static void several_loops_share_the_workers_and_each_gets_its_own(void **state)
{
	struct quoit_workers *workers = make_workers(3, 16);
	pthread_t threads[LOOPS];
	struct driven probe;

	(void)state;
	drive_open(&probe, KIND_OWN, NULL); /* skips where io_uring is refused */
	drive_close(&probe);
	for (int i = 0; i < LOOPS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, loop_worker, workers), 0);
	for (int i = 0; i < LOOPS; i++) {
		void *verdict;

		pthread_join(threads[i], &verdict);
		assert_int_equal((intptr_t)verdict, 0);
	}
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

/* --- making ---------------------------------------------------------------------------------- */

static int look_around(struct quoit_work *work, void *ctx)
{
	struct quoit_workers **workers = ctx;
	char name[16] = "";
	sigset_t blocked;

	(void)work;
	if (quoit_workers_destroy(*workers) != -EDEADLK)
		return 1;
	if (prctl(PR_GET_NAME, name) || strncmp(name, "pool-", 5) != 0)
		return 2;
	if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) || sigismember(&blocked, SIGTERM) != 1)
		return 3;
	return 0;
}

static int seen_around = -1;

static void note_around(struct quoit_work *work, int result, void *ctx)
{
	(void)work;
	(void)ctx;
	seen_around = result;
}

static void workers_have_names_and_no_signals_and_cannot_end_themselves(void **state)
{
	struct quoit_workers *workers = make_workers(1, 1);
	struct quoit_work work = {.fn = look_around, .done = note_around, .ctx = &workers};
	struct driven d;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	assert_int_equal(quoit_work_submit(workers, d.loop, &work), 0);
	drive_until(&d, seen_around >= 0);
	assert_int_equal(seen_around, 0);
	drive_close(&d);
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

static void impossible_options_are_refused_in_words(void **state)
{
	const struct quoit_workers_options wrong[] = {
		{.threads = 257}, {.queue_slots = (1u << 20) + 1}, {.name = "a name of 17 here"}};
	struct quoit_workers *workers = (void *)&wrong;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct quoit_reason why = {0};

		assert_int_equal(quoit_workers_create(&wrong[i], &workers, &why), -EINVAL);
		assert_ptr_equal(workers, &wrong);
		assert_non_null(strstr(why.text, "give"));
	}
	assert_int_equal(quoit_workers_create(NULL, &workers, NULL), 0);
	assert_int_equal(quoit_workers_destroy(workers), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_come_back_to_every_kind_of_loop),
		cmocka_unit_test(a_sleeping_loop_is_woken_by_each_result),
		cmocka_unit_test(with_one_worker_the_order_is_that_of_submitting),
		cmocka_unit_test(a_full_queue_refuses_and_takes_again_when_there_is_room),
		cmocka_unit_test(what_waits_can_be_cancelled_and_is_told_so_once),
		cmocka_unit_test(destroying_the_workers_loses_no_result),
		cmocka_unit_test(a_loop_may_be_destroyed_as_soon_as_its_last_result_was_told),
		cmocka_unit_test(several_loops_share_the_workers_and_each_gets_its_own),
		cmocka_unit_test(workers_have_names_and_no_signals_and_cannot_end_themselves),
		cmocka_unit_test(impossible_options_are_refused_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
