/* SPDX-License-Identifier: MIT */
/*
 * test_line.c - measuring how long a line is on its way: what is refused, what is an answer, and
 * what the two ends say to each other. The source is included, so that one end can be played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <sched.h>

#include <quoit/rings/line.c>

#include <support/skip.h>

#define PATIENCE_NS UINT64_C(80000000000) /* 8192 turns on a cpu that others want too */

/* --- an unwilling system --------------------------------------------------------------------- */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);
int __real_pthread_join(pthread_t thread, void **value);
int __wrap_pthread_join(pthread_t thread, void **value);

static int creates_left = -1; /* below 0: any number */
static int running;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg)
{
	int rc;

	if (!creates_left)
		return EAGAIN;
	creates_left--;
	rc = __real_pthread_create(thread, attr, fn, arg);
	running += !rc;
	return rc;
}

int __wrap_pthread_join(pthread_t thread, void **value)
{
	running--;
	return __real_pthread_join(thread, value);
}

static void a_thread_that_cannot_be_had_is_told(void **state)
{
	uint64_t ticks = 77;

	(void)state;
	for (int n = 0; n < 2; n++) {
		creates_left = n;
		assert_int_equal(quoit_line_round_trip(0, 1, &ticks), -EAGAIN);
		assert_int_equal(running, 0); /* nobody is left behind */
	}
	creates_left = -1;
	assert_int_equal(ticks, 77);
}

/* --- one end played here --------------------------------------------------------------------- */

struct pair {
	struct end theirs; /* runs on a thread */
	struct end ours;
	pthread_t thread;
};

static void *end_worker(void *arg)
{
	struct end *const end = arg;

	end->rc = end->leads ? lead(end) : follow(end);
	return NULL;
}

static void begin(struct pair *p, bool leads)
{
	*p = (struct pair){.theirs = {.other = &p->ours, .leads = leads}, .ours.other = &p->theirs};
	p->theirs.until_ns = p->ours.until_ns = quoit_clock_now_ns() + PATIENCE_NS;
	assert_int_equal(pthread_create(&p->thread, NULL, end_worker, &p->theirs), 0);
}

/* What the other end does of itself it has had time for. */
static void linger(void)
{
	for (int i = 0; i < 20; i++)
		quoit_relax();
	sched_yield();
}

/* Wait, as the source does not: with patience, and on one cpu too. */
static bool comes(const struct pair *p, uint64_t number)
{
	while (quoit_load(&p->theirs.sent) < number) {
		if (quoit_clock_now_ns() > p->ours.until_ns)
			return false;
		sched_yield();
	}
	return true;
}

static void the_leader_sends_the_next_when_the_last_was_answered(void **state)
{
	static struct pair p;
	bool came = true, early = false;

	(void)state;
	begin(&p, true);
	for (uint64_t number = 1; came && number <= BATCHES * TRIPS; number++) {
		came = comes(&p, number);
		if (number % 16 == 0) {
			linger();
			early |= quoit_load(&p.theirs.sent) != number;
		}
		quoit_store(&p.ours.sent, number);
	}
	assert_int_equal(pthread_join(p.thread, NULL), 0);
	assert_true(came);
	assert_false(early);
	assert_int_equal(p.theirs.rc, 0);
	for (size_t i = 0; i < BATCHES; i++)
		assert_true(p.theirs.trip_ticks[i] > 0);
}

static void the_follower_answers_each_number(void **state)
{
	static struct pair p;
	bool came = true, early = false;

	(void)state;
	begin(&p, false);
	for (uint64_t number = 1; came && number <= BATCHES * TRIPS; number++) {
		if (number % 16 == 0) {
			linger();
			early |= quoit_load(&p.theirs.sent) != number - 1;
		}
		quoit_store(&p.ours.sent, number);
		came = comes(&p, number);
	}
	assert_int_equal(pthread_join(p.thread, NULL), 0);
	assert_true(came);
	assert_false(early);
	assert_int_equal(p.theirs.rc, 0);
}

static void an_end_without_another_gives_up(void **state)
{
	struct end nobody = {.sent = 0};
	struct end end = {.other = &nobody};

	(void)state;
	assert_int_equal(lead(&end), -ETIMEDOUT);
	assert_int_equal(end.sent, 1);
	end.sent = 0;
	assert_int_equal(follow(&end), -ETIMEDOUT);
	assert_int_equal(end.sent, 0);
}

static void the_answer_is_the_median(void **state)
{
	static struct end end;

	(void)state;
	for (size_t i = 0; i < BATCHES; i++)
		end.trip_ticks[i] = (i * 37 + 5) % BATCHES * 10;
	assert_int_equal(median(&end), BATCHES / 2 * 10);
	assert_int_equal(by_size(&end.trip_ticks[3], &end.trip_ticks[3]), 0);
	assert_int_equal(by_size(&end.trip_ticks[3], &end.trip_ticks[4]), -1);
	assert_int_equal(by_size(&end.trip_ticks[4], &end.trip_ticks[3]), 1);
}

/* --- as it is called ------------------------------------------------------------------------- */

static void a_round_trip_takes_some_ticks(void **state)
{
	struct quoit_idset cpus;
	int cpu[2] = {-1, -1};
	uint64_t ticks = 0;
	int rc;

	(void)state;
	assert_int_equal(quoit_thread_affinity(&cpus), 0);
	for (int i = 0, n = 0; i < QUOIT_CPUS_MAX && n < 2; i++)
		if (quoit_idset_has(&cpus, i))
			cpu[n++] = i;
	if (cpu[1] < 0)
		skip_because("one cpu only: nothing to pass a line to");
	rc = quoit_line_round_trip((unsigned)cpu[0], (unsigned)cpu[1], &ticks);
	if (rc == -ETIMEDOUT)
		skip_because("the two cpus were never free together");
	assert_int_equal(rc, 0);
	assert_true(ticks > 0);
}

static void one_cpu_twice_and_no_cpu_at_all_are_refused(void **state)
{
	uint64_t ticks = 77;

	(void)state;
	assert_int_equal(quoit_line_round_trip(0, 0, &ticks), -EINVAL);
	assert_int_equal(quoit_line_round_trip(0, QUOIT_CPUS_MAX + 1, &ticks), -EINVAL);
	assert_int_equal(quoit_line_round_trip(QUOIT_CPUS_MAX + 1, 0, &ticks), -EINVAL);
	assert_int_equal(ticks, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_round_trip_takes_some_ticks),
		cmocka_unit_test(a_thread_that_cannot_be_had_is_told),
		cmocka_unit_test(the_leader_sends_the_next_when_the_last_was_answered),
		cmocka_unit_test(the_follower_answers_each_number),
		cmocka_unit_test(an_end_without_another_gives_up),
		cmocka_unit_test(the_answer_is_the_median),
		cmocka_unit_test(one_cpu_twice_and_no_cpu_at_all_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
