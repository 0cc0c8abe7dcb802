/* SPDX-License-Identifier: MIT */
/*
 * test_shring_wait.c - sleeping on a ring between processes: what ends a sleep, and that something
 * always does. Features B170 and B177; defect D-34.
 *
 * The longest sleep on a futex is a second, so what comes later than half of one was not woken but
 * has looked by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "shring_checks.h"

#define MS	UINT64_C(1000000)
#define LATE_NS (QUOIT_SHRING_LOOK_NS / 2)

/* One who waits, in a thread of his own. */
struct sleeper {
	struct words *q;
	size_t want; /* a producer's */
	int64_t timeout_ns;
	int rc;
	uint64_t took_ns;
	long switches;
	pthread_t thread;
};

static void *sleeper_worker(void *arg)
{
	struct sleeper *const s = (struct sleeper *)arg;
	const struct quoit_wait how = shring_blocking(s->timeout_ns);
	const uint64_t since_ns = quoit_clock_now_ns();
	struct rusage before, after;

	(void)getrusage(RUSAGE_THREAD, &before);
	s->rc = s->want ? quoit_shring_wait_space(&s->q->ring, s->want, &how)
			: quoit_shring_wait_data(&s->q->ring, &how);
	(void)getrusage(RUSAGE_THREAD, &after);
	s->took_ns = quoit_clock_now_ns() - since_ns;
	s->switches = after.ru_nvcsw - before.ru_nvcsw;
	return NULL;
}

static bool sleeps(const struct words *q)
{
	return quoit_load(q->ring.waiters) & QUOIT_SHRING_ASLEEP;
}

/* Begin to wait, and come back when it sleeps, or is about to. */
static void fall_asleep(struct sleeper *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, sleeper_worker, s), 0);
	while (!sleeps(s->q))
		usleep(100);
	usleep(20000);
}

static void wakes(struct sleeper *s, int rc)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	assert_int_equal(s->rc, rc);
	assert_false(sleeps(s->q));
}

static void wakes_at_once(struct sleeper *s, int rc)
{
	const uint64_t since_ns = quoit_clock_now_ns();

	wakes(s, rc);
	assert_in_range(quoit_clock_now_ns() - since_ns, 0, LATE_NS);
}

/* --- what it sleeps on ----------------------------------------------------------------------- */

enum way {
	BY_FUTEX,
	BY_BELL,
	BY_BOTH,
	BY_BELL_AND_PIDFD,
	HARDENED,
	WAYS,
};

static struct shring_pair begin(enum way way)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	struct shring_pair pair;

	options.waits = way != BY_BELL;
	options.bells = way != BY_FUTEX;
	options.hardened = way == HARDENED;
	pair = shring_begin(options);
	if (way == BY_BELL_AND_PIDFD) {
		const int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

		assert_int_equal(quoit_shring_set_peer(&pair.p->ring, self), 0);
		assert_int_equal(quoit_shring_set_peer(&pair.c->ring, self), 0);
		close(self);
	}
	return pair;
}

static const uint32_t sleeps_on[WAYS] = {
	[BY_FUTEX] = QUOIT_SHRING_ASLEEP_FUTEX, [BY_BELL] = QUOIT_SHRING_ASLEEP_BELL,
	[BY_BOTH] = QUOIT_SHRING_ASLEEP_FUTEX,	[BY_BELL_AND_PIDFD] = QUOIT_SHRING_ASLEEP_BELL,
	[HARDENED] = QUOIT_SHRING_ASLEEP_FUTEX,
};

static void what_is_sent_wakes_a_sleeping_consumer(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper s = {.q = pair.c, .timeout_ns = QUOIT_FOREVER};
		uint64_t item = way;

		fall_asleep(&s);
		assert_int_equal(quoit_load(pair.c->ring.waiters) & QUOIT_SHRING_ASLEEP,
				 sleeps_on[way]);
		assert_true(words_send_one(pair.p, &item));
		wakes_at_once(&s, 0);
		assert_true(words_recv_one(pair.c, &item));
		fall_asleep(&s); /* the next sleep is another one */
		assert_true(words_send_one(pair.p, &item));
		wakes_at_once(&s, 0);
		assert_int_equal(pair.p->ring.bells_rung, 2);
		shring_end(&pair);
	}
}

static void what_is_freed_wakes_a_sleeping_producer(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper s = {.q = pair.p, .want = 2, .timeout_ns = QUOIT_FOREVER};
		uint64_t items[CAPACITY] = {0};

		assert_int_equal(words_send(pair.p, items, CAPACITY), CAPACITY);
		fall_asleep(&s);
		assert_true(words_recv_one(pair.c, items)); /* one is not enough: it sleeps on */
		while (quoit_load(pair.p->ring.waiters) == pair.c->ring.answered)
			usleep(100);
		assert_true(words_recv_one(pair.c, items));
		wakes_at_once(&s, 0);
		assert_int_equal(words_send(pair.p, items, 2), 2);
		shring_end(&pair);
	}
}

/* B170. */
static void a_close_wakes_the_other_side(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper c = {.q = pair.c, .timeout_ns = QUOIT_FOREVER};
		struct sleeper p = {.q = pair.p, .want = 1, .timeout_ns = QUOIT_FOREVER};
		const uint64_t items[CAPACITY] = {0};

		fall_asleep(&c);
		quoit_shring_close(&pair.p->ring);
		wakes_at_once(&c, -ESHUTDOWN);
		shring_end(&pair);

		pair = begin(way);
		p.q = pair.p;
		assert_int_equal(words_send(pair.p, items, CAPACITY), CAPACITY);
		fall_asleep(&p);
		quoit_shring_close(&pair.c->ring);
		wakes_at_once(&p, -ESHUTDOWN);
		shring_end(&pair);
	}
}

static void a_close_ends_the_sleep_of_another_thread_of_this_side(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper c = {.q = pair.c, .timeout_ns = QUOIT_FOREVER};

		fall_asleep(&c);
		quoit_shring_close(&pair.c->ring);
		wakes_at_once(&c, -ESHUTDOWN);
		shring_end(&pair);
	}
}

static void who_leaves_wakes_the_other_side(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper c = {.q = pair.c, .timeout_ns = QUOIT_FOREVER};

		fall_asleep(&c);
		words_destroy(pair.p);
		wakes_at_once(&c, -EOWNERDEAD);
		words_destroy(pair.c);
	}
}

/* --- deadlines ------------------------------------------------------------------------------- */

static void a_wait_ends_at_its_deadline(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper c = {.q = pair.c, .timeout_ns = 50 * MS};
		struct sleeper past = {.q = pair.c, .timeout_ns = 0};

		(void)sleeper_worker(&c);
		assert_int_equal(c.rc, -ETIMEDOUT);
		assert_in_range(c.took_ns, 50 * MS, LATE_NS);
		(void)sleeper_worker(&past);
		assert_int_equal(past.rc, -ETIMEDOUT);
		shring_end(&pair);
	}
}

static void kinds_that_do_not_sleep_need_no_way_to(void **state)
{
	struct shring_pair pair = shring_begin(shring_of(QUOIT_SHRING_PRODUCER));
	const enum quoit_wait_kind kinds[] = {QUOIT_WAIT_SPIN, QUOIT_WAIT_YIELD, QUOIT_WAIT_SLEEP};
	const uint64_t items[CAPACITY] = {0};
	struct quoit_wait how;
	uint64_t out;
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		how = quoit_wait_for(kinds[i], 5 * (int64_t)MS);
		assert_int_equal(quoit_shring_wait_data(&pair.c->ring, &how), -ETIMEDOUT);
	}
	assert_int_equal(words_send_wait(pair.p, items, CAPACITY, &how), 0);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, 1, &how), -ETIMEDOUT);
	assert_int_equal(words_recv_wait(pair.c, &out, 1, &how, &got), 0);
	assert_int_equal(got, 1);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, 1, &how), 0);
	how = shring_blocking(0);
	assert_int_equal(quoit_shring_wait_data(&pair.c->ring, &how), -EINVAL);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, 1, &how), -EINVAL);
	how = quoit_wait_for(QUOIT_WAIT_SPIN, 0);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, 0, &how), -EINVAL);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, CAPACITY + 1, &how), -EINVAL);
	how.kind = (enum quoit_wait_kind)99;
	assert_int_equal(quoit_shring_wait_data(&pair.c->ring, &how), -EINVAL);
	quoit_shring_close(&pair.p->ring);
	how = quoit_wait_for(QUOIT_WAIT_SPIN, QUOIT_FOREVER);
	assert_int_equal(words_send_wait(pair.p, items, 1, &how), -ESHUTDOWN);
	shring_end(&pair);
}

/* No sleep is announced, for which the other side would have to pay. */
static void what_is_there_is_not_waited_for(void **state)
{
	struct shring_pair pair = begin(BY_BOTH);
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED}; /* which sleeps at once */
	const uint32_t sleeps_before[2] = {pair.p->ring.asleep, pair.c->ring.asleep};
	const uint64_t item = 1;

	(void)state;
	assert_true(words_send_one(pair.p, &item));
	assert_int_equal(quoit_shring_wait_data(&pair.c->ring, &how), 0);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, CAPACITY - 1, &how), 0);
	assert_int_equal(pair.p->ring.asleep, sleeps_before[0]);
	assert_int_equal(pair.c->ring.asleep, sleeps_before[1]);
	shring_end(&pair);
}

/* However much room there is: nothing can be sent any more. */
static void space_of_a_closed_ring_is_not_waited_for(void **state)
{
	const struct quoit_wait how = shring_blocking(QUOIT_FOREVER);

	(void)state;
	for (int ours = 0; ours < 2; ours++) {
		struct shring_pair pair = begin(BY_BOTH);

		quoit_shring_close(ours ? &pair.p->ring : &pair.c->ring);
		assert_int_equal(quoit_shring_wait_space(&pair.p->ring, 1, &how), -ESHUTDOWN);
		shring_end(&pair);
	}
}

static void a_wait_that_cannot_be_is_refused(void **state)
{
	const struct quoit_wait how = {.kind = (enum quoit_wait_kind)99};
	struct shring_pair pair = begin(BY_BOTH);

	(void)state;
	assert_int_equal(quoit_shring_wait_data(&pair.c->ring, &how), -EINVAL);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, 1, &how), -EINVAL);
	shring_end(&pair);
}

/* Nobody has to wake them, who would pay for it with a system call. */
static void nor_do_they_use_it_where_it_is(void **state)
{
	static const enum quoit_wait_kind kinds[] = {QUOIT_WAIT_SPIN, QUOIT_WAIT_YIELD,
						     QUOIT_WAIT_SLEEP};
	struct shring_pair pair = begin(BY_BOTH);
	const uint32_t sleeps_before = pair.c->ring.asleep;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct quoit_wait how = {.kind = kinds[i],
					       .deadline_ns = quoit_deadline_ns(2 * (int64_t)MS)};

		assert_int_equal(quoit_shring_wait_data(&pair.c->ring, &how), -ETIMEDOUT);
	}
	assert_int_equal(pair.c->ring.asleep, sleeps_before);
	shring_end(&pair);
}

/* --- the handshake: D-34 --------------------------------------------------------------------- */

static void one_sleep_is_woken_once(void **state)
{
	struct shring_pair pair = begin(BY_BOTH);
	const uint64_t item = 1;
	struct pollfd bell = {.fd = quoit_shring_bell(&pair.c->ring), .events = POLLIN};

	(void)state;
	assert_true(words_send_one(pair.p, &item));
	assert_int_equal(poll(&bell, 1, 0), 0); /* nobody sleeps */
	quoit_shring_arm(&pair.c->ring);
	assert_true(quoit_shring_has_news(&pair.c->ring));
	assert_true(words_send_one(pair.p, &item));
	assert_int_equal(poll(&bell, 1, 0), 1);
	quoit_shring_hush(&pair.c->ring);
	assert_int_equal(poll(&bell, 1, 0), 0);
	assert_true(words_send_one(pair.p, &item)); /* it was called already */
	assert_int_equal(poll(&bell, 1, 0), 0);
	quoit_shring_arm(&pair.c->ring);
	assert_true(words_send_one(pair.p, &item));
	assert_int_equal(poll(&bell, 1, 0), 1);
	quoit_shring_disarm(&pair.c->ring);
	assert_int_equal(pair.p->ring.bells_rung, 2);
	assert_int_equal(pair.p->ring.bells_saved, 2);
	shring_end(&pair);
}

/* Nobody is woken for nothing. */
static void a_receive_of_nothing_frees_nothing(void **state)
{
	struct shring_pair pair = begin(BY_BOTH);
	uint64_t out;

	(void)state;
	quoit_shring_arm(&pair.p->ring);
	assert_int_equal(words_recv(pair.c, &out, 1), 0);
	assert_int_equal(quoit_shring_recv(&pair.c->ring, &out, 1), 0);
	assert_int_equal(pair.c->ring.bells_rung, 0);
	quoit_shring_disarm(&pair.p->ring);
	shring_end(&pair);
}

/* A close rings its own side too, which is over with what was closed. */
static void a_ring_begun_anew_is_not_rung_for_what_was_before(void **state)
{
	struct shring_pair pair = begin(BY_BOTH);
	struct pollfd own = {.fd = pair.p->ring.home.own_bell, .events = POLLIN};

	(void)state;
	quoit_shring_close(&pair.p->ring);
	assert_int_equal(poll(&own, 1, 0), 1);
	words_destroy(pair.c);
	assert_int_equal(quoit_shring_reset(&pair.p->ring, NULL), 0);
	assert_int_equal(poll(&own, 1, 0), 0);
	words_destroy(pair.p);
}

/* Whoever rings by other means is told when to, once. */
static void a_bell_may_be_rung_by_its_producer_itself(void **state)
{
	struct shring_pair pair = begin(BY_BOTH), mute = begin(BY_FUTEX);
	struct shring_pair deaf = shring_begin(shring_of(QUOIT_SHRING_PRODUCER));
	size_t n;

	(void)state;
	assert_non_null(words_reserve(pair.p, 2, &n));
	quoit_shring_commit_later(&pair.p->ring, 1);
	quoit_shring_publish(&pair.p->ring);
	assert_false(quoit_shring_owes_bell(&pair.p->ring));
	quoit_shring_arm(&pair.c->ring);
	assert_true(quoit_shring_owes_bell(&pair.p->ring));
	assert_false(quoit_shring_owes_bell(&pair.p->ring));
	assert_int_equal(pair.p->ring.home.bells[0], quoit_shring_peer_bell(&pair.p->ring));
	assert_int_equal(pair.c->ring.home.bells[1], quoit_shring_peer_bell(&pair.c->ring));
	assert_false(quoit_shring_owes_bell(&deaf.p->ring)); /* on which nobody can sleep */
	shring_end(&deaf);
	quoit__shring_arm(&mute.c->ring, QUOIT_SHRING_ASLEEP_FUTEX);
	assert_false(quoit_shring_owes_bell(&mute.p->ring));
	assert_int_equal(quoit__shring_key(&mute.c->ring), 1); /* woken */
	shring_end(&mute);
	shring_end(&pair);
}

/* The word that is slept on changes with each wake: one that comes between look and sleep counts.
 */
static void a_wake_between_the_look_and_the_sleep_is_not_lost(void **state)
{
	struct shring_pair pair = begin(BY_FUTEX);
	const uint64_t item = 1;
	uint32_t key;

	(void)state;
	quoit__shring_arm(&pair.c->ring, QUOIT_SHRING_ASLEEP_FUTEX);
	key = quoit__shring_key(&pair.c->ring);
	assert_false(quoit_shring_has_news(&pair.c->ring));
	assert_true(words_send_one(pair.p, &item));
	assert_int_equal(quoit__sys_futex_wait_shared(pair.c->ring.peer_seq, key,
						      quoit_deadline_ns(LATE_NS)),
			 -EAGAIN);
	shring_end(&pair);
}

/* A new owner of a role counts on: else its first sleep could be one that was ended already. */
static void the_sleeps_of_a_role_are_counted_across_its_owners(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_CONSUMER);
	struct shring_pair pair = begin(BY_FUTEX);
	struct sleeper s = {.timeout_ns = QUOIT_FOREVER};
	uint64_t item = 1;

	(void)state;
	for (int owner = 0; owner < 3; owner++) {
		s.q = pair.c;
		fall_asleep(&s);
		assert_true(words_send_one(pair.p, &item));
		wakes_at_once(&s, 0);
		assert_true(words_recv_one(pair.c, &item));
		words_destroy(pair.c);
		pair.c = shring_attach(pair.p, options);
	}
	shring_end(&pair);
}

static void what_was_committed_later_is_published_before_its_producer_waits(void **state)
{
	struct shring_pair pair = begin(BY_FUTEX);
	const struct quoit_wait how = shring_blocking(0);
	size_t n;

	(void)state;
	assert_non_null(words_reserve(pair.p, 5, &n));
	quoit_shring_commit_later(&pair.p->ring, 5);
	assert_int_equal(quoit_shring_wait_space(&pair.p->ring, 4, &how), -ETIMEDOUT);
	assert_int_equal(quoit_shring_length(&pair.c->ring), 5);
	shring_end(&pair);
}

/* --- peers that do not play by the rules ----------------------------------------------------- */

static void a_peer_that_never_rings_is_found_out_in_a_second(void **state)
{
	struct shring_pair pair = begin(BY_FUTEX);
	struct sleeper s = {.q = pair.c, .timeout_ns = QUOIT_FOREVER};

	(void)state;
	fall_asleep(&s);
	quoit_store(&shring_shared(pair.p)->tail, UINT64_C(1));
	wakes(&s, 0);
	assert_in_range(s.took_ns, LATE_NS, 3 * QUOIT_SHRING_LOOK_NS);
	shring_end(&pair);
}

static void a_ring_that_is_spoilt_ends_the_sleep(void **state)
{
	struct shring_pair pair = begin(BY_FUTEX);
	struct sleeper s = {.q = pair.c, .timeout_ns = QUOIT_FOREVER};

	(void)state;
	fall_asleep(&s);
	quoit_store(&shring_shared(pair.p)->tail, UINT64_MAX);
	quoit__shring_stir(&pair.p->ring, QUOIT_SHRING_ASLEEP);
	wakes_at_once(&s, -EUCLEAN);
	shring_end(&pair);

	pair = begin(BY_FUTEX);
	s.q = pair.c;
	fall_asleep(&s);
	quoit_store(&shring_shared(pair.p)->id.generation, 2u);
	quoit__shring_stir(&pair.p->ring, QUOIT_SHRING_ASLEEP);
	wakes_at_once(&s, -ESTALE);
	shring_end(&pair);
}

static void *rings_worker(void *arg)
{
	struct words *const q = (struct words *)arg;
	const uint64_t until_ns = quoit_clock_now_ns() + 300 * MS;

	while (quoit_clock_now_ns() < until_ns)
		quoit__shring_stir(&q->ring, QUOIT_SHRING_ASLEEP);
	return NULL;
}

static void a_peer_that_rings_for_ever_does_not_keep_it_from_its_deadline(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper s = {.q = pair.c, .timeout_ns = 50 * MS};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, rings_worker, pair.p), 0);
		(void)sleeper_worker(&s);
		assert_int_equal(s.rc, -ETIMEDOUT);
		assert_in_range(s.took_ns, 50 * MS, LATE_NS);
		assert_int_equal(pthread_join(thread, NULL), 0);
		shring_end(&pair);
	}
}

/* --- peers that die -------------------------------------------------------------------------- */

static int attach_and_pause(void *ctx)
{
	const uint64_t item = 7;
	struct words *const p =
		shring_attach((struct words *)ctx, shring_of(QUOIT_SHRING_PRODUCER));

	(void)words_send_one(p, &item);
	pause();
	return 0;
}

/* With a pidfd and a bell at once, with the lock alone when it looks. */
static void a_death_ends_the_sleep_after_what_was_published(void **state)
{
	(void)state;
	for (int exact = 0; exact < 2; exact++) {
		struct quoit_shring_options options = shring_of(QUOIT_SHRING_CONSUMER);
		const struct quoit_wait how = shring_blocking(QUOIT_FOREVER);
		struct sleeper s = {.timeout_ns = QUOIT_FOREVER};
		uint64_t item;
		pid_t child;

		options.waits = true;
		options.bells = exact;
		s.q = shring_create(options);
		child = shring_child(attach_and_pause, s.q);
		assert_int_equal(words_recv_wait(s.q, &item, 1, &how, &(size_t){0}), 0);
		assert_int_equal(item, 7);
		if (exact) {
			const int pidfd = (int)syscall(SYS_pidfd_open, child, 0);

			assert_int_equal(quoit_shring_set_peer(&s.q->ring, pidfd), 0);
			close(pidfd);
		}
		fall_asleep(&s);
		assert_int_equal(kill(child, SIGKILL), 0);
		if (exact)
			wakes_at_once(&s, -EOWNERDEAD);
		else
			wakes(&s, -EOWNERDEAD);
		assert_in_range(s.took_ns, 0, 3 * QUOIT_SHRING_LOOK_NS);
		assert_int_equal(shring_joined(child), 256 + SIGKILL);
		words_destroy(s.q);
	}
}

/* --- idle ------------------------------------------------------------------------------------ */

static void an_idle_side_makes_no_context_switches(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct shring_pair pair = begin(way);
		struct sleeper s = {.q = pair.c, .timeout_ns = 700 * MS};

		(void)sleeper_worker(&s);
		assert_int_equal(s.rc, -ETIMEDOUT);
		/* To sleep, and what the ten yields before it gave away. */
		assert_in_range(s.switches, 1, 1 + 10);
		assert_int_equal(pair.c->ring.asleep, QUOIT_SHRING_SLEEP_STEP); /* one sleep */
		shring_end(&pair);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_sent_wakes_a_sleeping_consumer),
		TEST(what_is_freed_wakes_a_sleeping_producer),
		TEST(a_close_wakes_the_other_side),
		TEST(a_close_ends_the_sleep_of_another_thread_of_this_side),
		TEST(who_leaves_wakes_the_other_side),
		TEST(a_wait_ends_at_its_deadline),
		TEST(kinds_that_do_not_sleep_need_no_way_to),
		TEST(nor_do_they_use_it_where_it_is),
		TEST(what_is_there_is_not_waited_for),
		TEST(space_of_a_closed_ring_is_not_waited_for),
		TEST(a_wait_that_cannot_be_is_refused),
		TEST(one_sleep_is_woken_once),
		TEST(a_receive_of_nothing_frees_nothing),
		TEST(a_ring_begun_anew_is_not_rung_for_what_was_before),
		TEST(a_bell_may_be_rung_by_its_producer_itself),
		TEST(a_wake_between_the_look_and_the_sleep_is_not_lost),
		TEST(the_sleeps_of_a_role_are_counted_across_its_owners),
		TEST(what_was_committed_later_is_published_before_its_producer_waits),
		TEST(a_peer_that_never_rings_is_found_out_in_a_second),
		TEST(a_ring_that_is_spoilt_ends_the_sleep),
		TEST(a_peer_that_rings_for_ever_does_not_keep_it_from_its_deadline),
		TEST(a_death_ends_the_sleep_after_what_was_published),
		TEST(an_idle_side_makes_no_context_switches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
