/* SPDX-License-Identifier: MIT */
/*
 * test_shring_look.c - how often a side looks by itself how its peer is: often enough whatever the
 * peer does, and not so often that a peer who makes it slow gains by that. Defects D-34 and D-40.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "fcntl_calls.h"
#include "shring_checks.h"

#define MS	UINT64_C(1000000)
#define LATE_NS (QUOIT_SHRING_LOOK_NS / 2)

static bool time_flies;	      /* no sleep on bells is longer than 50 ms */
static uint64_t longest_ns;   /* such a sleep that was asked for; UINT64_MAX: for ever */
static unsigned asked;	      /* whether a role is locked */
static unsigned sleeps_asked; /* for, on bells, */
static unsigned short_sleeps; /* until it is time to ask again */

int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *left, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *left, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *left, const sigset_t *mask)
{
	const struct timespec soon = {.tv_nsec = 50 * (long)MS};
	const uint64_t ns =
		left ? (uint64_t)left->tv_sec * 1000 * MS + (uint64_t)left->tv_nsec : UINT64_MAX;

	if (n > 1) { /* not the question whether a process lives */
		(void)quoit_add(&sleeps_asked, 1);
		(void)quoit_add(&short_sleeps, ns <= QUOIT_SHRING_LOOK_NS / 100);
	}
	if (!time_flies || ns < 50 * MS)
		return __real_ppoll(fds, n, left, mask);
	longest_ns = ns > longest_ns ? ns : longest_ns;
	return __real_ppoll(fds, n, &soon, mask);
}

static bool on_fcntl(int what)
{
	if (what == F_OFD_GETLK)
		asked++;
	return true;
}

/* One who waits, in a thread of his own. */
struct sleeper {
	struct words *q;
	struct quoit_wait how;
	int rc;
	uint64_t took_ns;
	pthread_t thread;
};

static void *sleeper_worker(void *arg)
{
	struct sleeper *const s = (struct sleeper *)arg;
	const uint64_t since_ns = quoit_clock_now_ns();

	s->rc = quoit_shring_wait_data(&s->q->ring, &s->how);
	s->took_ns = quoit_clock_now_ns() - since_ns;
	return NULL;
}

static void begin_to_wait(struct sleeper *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, sleeper_worker, s), 0);
	usleep(30000);
}

static void ends(struct sleeper *s, int rc)
{
	const uint64_t since_ns = quoit_clock_now_ns();

	assert_int_equal(pthread_join(s->thread, NULL), 0);
	assert_int_equal(s->rc, rc);
	assert_in_range(quoit_clock_now_ns() - since_ns, 0, LATE_NS);
}

static struct shring_pair with_bells(void)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);

	options.bells = true;
	return shring_begin(options);
}

static struct shring_pair with_bells_and_a_pidfd(void)
{
	const int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct shring_pair pair = with_bells();

	assert_true(self >= 0);
	assert_int_equal(quoit_shring_set_peer(&pair.c->ring, self), 0);
	close(self);
	return pair;
}

/* As an exec does: the descriptor is closed, and the process lives on. */
static void lose_the_role(struct words *q)
{
	assert_int_equal(
		quoit__sys_lock_byte(q->ring.home.claim, QUOIT_SHRING_LOCK_PRODUCER, F_UNLCK), 0);
}

/* --- often enough ---------------------------------------------------------------------------- */

/* Its consumer waits for ever, ends by looking itself, and asked for sleeps of so long at most. */
static void ends_by_looking(struct shring_pair pair, void (*event)(struct words *p), int rc,
			    uint64_t least_ns, uint64_t most_ns)
{
	struct sleeper s = {.q = pair.c, .how = shring_blocking(QUOIT_FOREVER)};

	longest_ns = 0;
	time_flies = true;
	begin_to_wait(&s);
	event(pair.p);
	ends(&s, rc);
	time_flies = false;
	assert_in_range(longest_ns, least_ns, most_ns);
	shring_end(&pair);
}

static void a_peer_that_lives_on_without_its_role_is_found_out_by_looking(void **state)
{
	(void)state;
	ends_by_looking(with_bells_and_a_pidfd(), lose_the_role, -EOWNERDEAD, QUOIT_SHRING_LOOK_NS,
			10 * QUOIT_SHRING_LOOK_NS);
}

/* Then nothing but our own looks tells of a death either. */
static void without_a_pidfd_it_looks_once_a_second(void **state)
{
	(void)state;
	ends_by_looking(with_bells(), lose_the_role, -EOWNERDEAD, QUOIT_SHRING_LOOK_NS / 2,
			QUOIT_SHRING_LOOK_NS);
}

static void publish_silently(struct words *p)
{
	quoit_store(&shring_shared(p)->tail, UINT64_C(1));
}

static void so_is_an_item_that_no_bell_told_of(void **state)
{
	(void)state;
	ends_by_looking(with_bells_and_a_pidfd(), publish_silently, 0, QUOIT_SHRING_LOOK_NS,
			10 * QUOIT_SHRING_LOOK_NS);
}

/* However long a step of its strategy takes. */
static void who_does_not_sleep_until_woken_looks_by_the_clock(void **state)
{
	const struct quoit_wait hows[] = {
		{.kind = QUOIT_WAIT_SPIN},
		{.kind = QUOIT_WAIT_YIELD},
		{.kind = QUOIT_WAIT_SLEEP},
		{.kind = QUOIT_WAIT_SLEEP, .sleep_ns = 20 * MS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		struct shring_pair pair = shring_begin(shring_of(QUOIT_SHRING_PRODUCER));
		struct sleeper s = {.q = pair.c, .how = hows[i]};

		begin_to_wait(&s);
		lose_the_role(pair.p);
		ends(&s, -EOWNERDEAD);
		shring_end(&pair);
	}
}

/* --- not too often --------------------------------------------------------------------------- */

static void *rings_worker(void *arg)
{
	struct words *const q = (struct words *)arg;
	const uint64_t until_ns = quoit_clock_now_ns() + 400 * MS;

	while (quoit_clock_now_ns() < until_ns)
		quoit__shring_stir(&q->ring, QUOIT_SHRING_ASLEEP);
	return NULL;
}

/* A look at a file with many locks is slow, and they are the peer's to take. */
static void a_peer_that_rings_for_ever_is_not_looked_at_each_time(void **state)
{
	(void)state;
	for (int bells = 0; bells < 2; bells++) {
		struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
		struct shring_pair pair;
		struct sleeper s;
		pthread_t thread;

		options.bells = bells;
		options.waits = !bells;
		pair = shring_begin(options);
		s = (struct sleeper){.q = pair.c, .how = shring_blocking(300 * MS)};
		assert_int_equal(pthread_create(&thread, NULL, rings_worker, pair.p), 0);
		asked = 0;
		(void)sleeper_worker(&s);
		assert_int_equal(s.rc, -ETIMEDOUT);
		assert_in_range(asked, 1, 2 + s.took_ns / (10 * MS));
		assert_int_equal(pthread_join(thread, NULL), 0);
		shring_end(&pair);
	}
}

/* Nor is what was too early forgotten: the sleep is as short as it takes. */
static void who_is_rung_too_early_to_ask_sleeps_until_it_may(void **state)
{
	struct shring_pair pair = with_bells_and_a_pidfd();
	struct sleeper s = {.q = pair.c, .how = shring_blocking(QUOIT_FOREVER)};
	const uint64_t item = 1;
	uint64_t since_ns;

	(void)state;
	quoit_store(&short_sleeps, 0u);
	begin_to_wait(&s);
	for (int i = 0; i < 10000 && !quoit_load(&short_sleeps); i++) {
		quoit__shring_stir(&pair.p->ring, QUOIT_SHRING_ASLEEP_BELL);
		usleep(200);
	}
	assert_int_not_equal(quoit_load(&short_sleeps), 0);
	/* Each ring is one wake: whatever made it wake is not there any more when it sleeps again.
	 */
	quoit_store(&sleeps_asked, 0u);
	since_ns = quoit_clock_now_ns();
	quoit__shring_stir(&pair.p->ring, QUOIT_SHRING_ASLEEP_BELL);
	usleep(50000);
	assert_in_range(quoit_load(&sleeps_asked), 0, 10 + (quoit_clock_now_ns() - since_ns) / MS);
	assert_true(words_send_one(pair.p, &item));
	ends(&s, 0);
	shring_end(&pair);
}

/* --- a close of our own ---------------------------------------------------------------------- */

static void spoil(int bell)
{
	assert_int_equal(fcntl(bell, F_SETFL, 0), 0);
}

/* Both bells are the peer's too: that wakes us whatever he has made of them. */
/* It may be made a blocking one between our look and our write, by whoever has done it before. */
static void a_bell_that_was_spoilt_is_not_rung_any_more(void **state)
{
	struct shring_pair pair = with_bells();
	const int bell = quoit_shring_bell(&pair.c->ring);
	struct pollfd rung = {.fd = bell, .events = POLLIN};

	(void)state;
	for (int spoilt = 0; spoilt < 3; spoilt++) {
		quoit_shring_hush(&pair.c->ring);
		if (spoilt == 1)
			spoil(bell);
		quoit__shring_stir(&pair.p->ring, QUOIT_SHRING_ASLEEP_BELL);
		if (spoilt == 1)
			assert_int_equal(fcntl(bell, F_SETFL, O_NONBLOCK), 0);
		if (spoilt != 1)
			assert_int_equal(poll(&rung, 1, 0), !spoilt);
	}
	shring_end(&pair);
}

static void our_own_close_ends_our_sleep_whatever_became_of_the_bells(void **state)
{
	(void)state;
	for (unsigned spoilt = 1; spoilt < 4; spoilt++) {
		struct shring_pair pair = with_bells_and_a_pidfd();
		struct sleeper s = {.q = pair.c, .how = shring_blocking(QUOIT_FOREVER)};
		uint64_t rung = 0;

		begin_to_wait(&s);
		for (unsigned i = 0; i < 2; i++)
			if (spoilt & 1u << i)
				spoil(pair.p->ring.home.bells[i]);
		quoit_shring_close(&pair.c->ring);
		ends(&s, -ESHUTDOWN);
		if (!(spoilt & 1)) /* the one that was not is rung, for a loop */
			assert_int_equal(quoit__sys_read_now(quoit_shring_bell(&pair.c->ring),
							     &rung, sizeof(rung)),
					 sizeof(rung));
		shring_end(&pair);
	}
}

/* --- asked by another thread ----------------------------------------------------------------- */

static void *asks_until_closed(void *arg)
{
	struct words *const q = (struct words *)arg;

	while (!quoit_shring_is_closed(&q->ring))
		quoit_yield();
	return NULL;
}

/* Nothing that it reads is changed by the thread of this side: ThreadSanitizer would see that. */
static void any_thread_may_ask_whether_it_is_closed_while_it_is_poisoned(void **state)
{
	struct shring_pair pair = shring_begin(shring_of(QUOIT_SHRING_PRODUCER));
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, asks_until_closed, pair.c), 0);
	usleep(1000);
	quoit_store(&shring_shared(pair.p)->tail, UINT64_C(1000));
	assert_true(quoit_shring_has_news(&pair.c->ring));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(quoit_shring_status(&pair.c->ring), -EUCLEAN);
	shring_end(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peer_that_lives_on_without_its_role_is_found_out_by_looking),
		TEST(without_a_pidfd_it_looks_once_a_second),
		TEST(so_is_an_item_that_no_bell_told_of),
		TEST(who_does_not_sleep_until_woken_looks_by_the_clock),
		TEST(a_peer_that_rings_for_ever_is_not_looked_at_each_time),
		TEST(who_is_rung_too_early_to_ask_sleeps_until_it_may),
		TEST(a_bell_that_was_spoilt_is_not_rung_any_more),
		TEST(our_own_close_ends_our_sleep_whatever_became_of_the_bells),
		TEST(any_thread_may_ask_whether_it_is_closed_while_it_is_poisoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
