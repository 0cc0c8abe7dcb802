/* SPDX-License-Identifier: MIT */
/*
 * test_mpmc_group.c - readers of an MPMC ring with bells of their own, who come and go: what the
 * ring does under its lock. Step by step on one thread; tests/model/targets/mpmc_group.c goes
 * through the orders. The lock is wrapped by the linker: whoever lets go of it must have it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <quoit/rings/typed_shared.h>

#define SLOTS	4
#define READERS 2

QUOIT_MPMC(jobs, uint64_t);

/* --- the lock -------------------------------------------------------------------------------- */

static bool is_locked, is_busy;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	(void)mutex;
	assert_false(is_locked);
	is_locked = true;
	return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	return is_busy ? EBUSY : __wrap_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	(void)mutex;
	assert_true(is_locked);
	is_locked = false;
	return 0;
}

/* --- the ring and its bells ------------------------------------------------------------------ */

ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);

struct fixture {
	struct jobs q;
	struct jobs_producer p;
	struct jobs_consumer c;
	struct quoit_group group;
	struct quoit_wake wakes[READERS];
	struct quoit_notify notifies[READERS];
	int places[READERS];
};

static struct fixture f;
static bool sleeps_again;     /* whoever is rung looks at once, and finds nothing */
static unsigned heard_closed; /* unless the ring is closed: these readers */

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	for (unsigned i = 0; i < READERS; i++) {
		if (!sleeps_again || fd != f.notifies[i].fd)
			continue;
		if (quoit_mpmc_is_closed(f.q.ring))
			heard_closed |= 1u << i;
		else
			quoit_wake_arm(&f.wakes[i]);
	}
	return __real_write(fd, data, bytes);
}

static int set_up(void **state)
{
	const struct quoit_mpmc_options options = {.capacity_slots = SLOTS,
						   .producers_most = 2,
						   .consumers_most = READERS,
						   .node = QUOIT_MPMC_ANYWHERE};

	(void)state;
	f = (struct fixture){.places = {0}};
	sleeps_again = false;
	heard_closed = 0;
	if (jobs_create(&f.q, &options) || jobs_register_producer(&f.q, &f.p) ||
	    jobs_register_consumer(&f.q, &f.c) || quoit_mpmc_attach_group(f.q.ring, &f.group))
		return -1;
	for (size_t i = 0; i < READERS; i++) {
		if (quoit_notify_open(&f.notifies[i], &f.wakes[i]))
			return -1;
		f.places[i] = quoit_mpmc_join(f.q.ring, &f.notifies[i]);
		quoit_wake_arm(&f.wakes[i]);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < READERS; i++)
		quoit_notify_close(&f.notifies[i]);
	jobs_deregister_producer(&f.p);
	jobs_deregister_consumer(&f.c);
	quoit_mpmc_destroy(f.q.ring);
	return is_locked ? -1 : 0;
}

/* Whose bells rang: a bit for each reader. */
static unsigned heard(void)
{
	unsigned who = 0;

	for (unsigned i = 0; i < READERS; i++) {
		uint64_t count;

		if (read(f.notifies[i].fd, &count, sizeof(count)) > 0)
			who |= 1u << i;
	}
	return who;
}

static void send_one(void)
{
	assert_true(jobs_send_one(&f.p, &(uint64_t){1}));
}

static void a_place_can_be_had_again(void **state)
{
	(void)state;
	assert_int_equal(f.places[0], 0);
	assert_int_equal(f.places[1], 1);
	assert_int_equal(quoit_mpmc_join(f.q.ring, &f.notifies[0]), -EUSERS);
	assert_int_equal(quoit_mpmc_leave(f.q.ring, 0), 0);
	send_one();
	assert_int_equal(heard(), 2);
	assert_int_equal(quoit_mpmc_join(f.q.ring, &f.notifies[0]), 0);
	send_one();
	assert_int_equal(heard(), 1);
}

/* While somebody opens a lane it cannot be told who rings there: ask again. Nobody rings for us. */
static void who_leaves_is_not_rung_any_more_while_it_waits(void **state)
{
	(void)state;
	is_busy = true;
	assert_int_equal(quoit_mpmc_leave(f.q.ring, 0), -EAGAIN);
	is_busy = false;
	send_one();
	assert_int_equal(heard(), 2);
	assert_int_equal(quoit_mpmc_leave(f.q.ring, 0), 0);
}

/* D-10, and what was meant for who left goes to another. */
static void who_leaves_waits_for_who_rings_and_passes_on(void **state)
{
	struct quoit_lane *const lane = &f.q.ring->lanes[0]->lane;

	(void)state;
	assert_false(quoit_mpmc_pass_on(f.q.ring)); /* there is nothing */
	assert_int_equal(heard(), 0);
	lane->ringing = 1; /* a producer is about to look at the places */
	assert_int_equal(quoit_mpmc_leave(f.q.ring, 0), -EAGAIN);
	lane->ringing = 0;
	f.group.callers = 1;
	assert_int_equal(quoit_mpmc_leave(f.q.ring, 0), -EAGAIN);
	f.group.callers = 0;
	quoit_wake_disarm(&f.wakes[1]);
	send_one();
	assert_false(quoit_mpmc_pass_on(f.q.ring)); /* nobody sleeps */
	assert_int_equal(heard(), 0);
	quoit_wake_arm(&f.wakes[1]);
	assert_int_equal(quoit_mpmc_leave(f.q.ring, 0), 0);
	assert_int_equal(heard(), 2);
}

/* Lanes that are opened later know the group, too. */
static void a_late_producer_rings(void **state)
{
	struct jobs_producer late;

	(void)state;
	assert_int_equal(jobs_register_producer(&f.q, &late), 0);
	assert_true(jobs_send_one(&late, &(uint64_t){1}));
	assert_int_equal(heard(), 1);
	jobs_deregister_producer(&late);
}

/* Each lane's own close has rung them; so does the ring's, for who looked before it was closed. */
static void a_close_rings_all_once_more_when_it_is_done(void **state)
{
	(void)state;
	quoit_lane_close(&f.q.ring->lanes[0]->lane);
	assert_int_equal(heard(), 3);
	for (size_t i = 0; i < READERS; i++)
		quoit_wake_arm(&f.wakes[i]);
	sleeps_again = true;
	quoit_mpmc_close(f.q.ring);
	assert_int_equal(heard(), 3);
	assert_int_equal(heard_closed, 3);
}

#define WITH_FIXTURE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_place_can_be_had_again),
		WITH_FIXTURE(who_leaves_is_not_rung_any_more_while_it_waits),
		WITH_FIXTURE(who_leaves_waits_for_who_rings_and_passes_on),
		WITH_FIXTURE(a_late_producer_rings),
		WITH_FIXTURE(a_close_rings_all_once_more_when_it_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
