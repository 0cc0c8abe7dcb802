/* SPDX-License-Identifier: MIT */
/*
 * test_shring_role.c - who may be which side, how one sees that the other lives, and how another
 * process goes on after a death. Features B171 and B178 to B180; defects D-40, D-41 and D-42.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "shring_checks.h"

#define PRODUCER shring_of(QUOIT_SHRING_PRODUCER)
#define CONSUMER shring_of(QUOIT_SHRING_CONSUMER)

static int attach_rc(struct words *to, struct quoit_shring_options options, struct words **q)
{
	const int fd = quoit_shring_fd(&to->ring);

	return words_attach(&fd, 1, &options, q, NULL);
}

/* --- D-42 ------------------------------------------------------------------------------------ */

static void a_role_has_one_owner_at_a_time(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	struct words *const c = shring_attach(p, CONSUMER);
	struct words *other = NULL;

	(void)state;
	assert_int_equal(attach_rc(p, PRODUCER, &other), -EBUSY);
	assert_int_equal(attach_rc(p, CONSUMER, &other), -EBUSY);
	words_destroy(c);
	assert_int_equal(attach_rc(p, PRODUCER, &other), -EBUSY);
	assert_int_equal(attach_rc(p, CONSUMER, &other), 0);
	words_destroy(other);
	words_destroy(p);
}

/* A child that is one side of a ring, up to a step, and then waits to be killed. */
struct victim {
	struct words *to;
	int step;
	int ready; /* a pipe */
};

static int produce_until_killed(void *ctx)
{
	const struct victim *const v = (struct victim *)ctx;
	struct words *const p = shring_attach(v->to, PRODUCER);
	uint64_t *slots;
	size_t n;

	for (uint64_t i = 1; i <= 3; i++)
		(void)words_send_one(p, &i);
	if (v->step >= 1) {
		slots = words_reserve(p, 2, &n);
		slots[0] = slots[1] = 99;
	}
	if (v->step >= 2)
		quoit_shring_commit_later(&p->ring, 2);
	if (v->step >= 3)
		quoit_shring_publish(&p->ring); /* and nobody is told */
	(void)!write(v->ready, "", 1);
	pause();
	return 0;
}

static int consume_until_killed(void *ctx)
{
	const struct victim *const v = (struct victim *)ctx;
	struct quoit_shring_options options = CONSUMER;
	const uint64_t *seen;
	struct words *c;
	uint64_t out[2];
	size_t n = 0;

	options.trusted = true;
	c = shring_attach(v->to, options);
	(void)words_recv(c, out, 2);
	seen = words_readable(c, &n);
	(void)*(const volatile uint64_t *)seen;
	(void)!write(v->ready, "", 1);
	pause();
	return 0;
}

static pid_t begin_victim(struct words *to, int (*side)(void *), int step)
{
	struct victim victim = {.to = to, .step = step};
	int ends[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	victim.ready = ends[1];
	child = shring_child(side, &victim);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
	return child;
}

static void kill_victim(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(shring_joined(child), 256 + SIGKILL);
}

/* B178, and the end of a role by death: D-42. */
static void a_producer_that_dies_has_sent_what_it_published_and_another_goes_on(void **state)
{
	(void)state;
	for (int step = 0; step <= 3; step++) {
		struct words *const c = shring_create(CONSUMER);
		const pid_t child = begin_victim(c, produce_until_killed, step);
		const size_t sent = step == 3 ? 5 : 3;
		struct words *p = NULL;
		uint64_t out[CAPACITY], item = 4;

		assert_int_equal(attach_rc(c, PRODUCER, &p), -EBUSY);
		assert_int_equal(quoit_shring_peer_state(&c->ring, 0), QUOIT_SHRING_ALIVE);
		kill_victim(child);
		assert_int_equal(quoit_shring_peer_state(&c->ring, 0), QUOIT_SHRING_DEAD);
		p = shring_attach(c, PRODUCER);
		assert_int_equal(quoit_shring_peer_state(&c->ring, 0), QUOIT_SHRING_ALIVE);
		assert_true(words_send_one(p, &item));
		assert_int_equal(words_recv(c, out, CAPACITY), sent + 1);
		assert_int_equal(out[2], 3);
		assert_int_equal(out[sent], 4);
		words_destroy(p);
		words_destroy(c);
	}
}

static void a_consumer_that_dies_leaves_what_it_had_not_freed(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	const uint64_t items[5] = {1, 2, 3, 4, 5};
	struct words *c;
	uint64_t out[CAPACITY];
	pid_t child;

	(void)state;
	assert_int_equal(words_send(p, items, 5), 5);
	child = begin_victim(p, consume_until_killed, 0);
	kill_victim(child);
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_DEAD);
	c = shring_attach(p, CONSUMER);
	assert_int_equal(words_recv(c, out, CAPACITY), 3);
	assert_int_equal(out[0], 3); /* looked at, not freed: again */
	assert_int_equal(words_send(p, items, 5), 5);
	assert_int_equal(words_recv(c, out, CAPACITY), 5);
	words_destroy(c);
	words_destroy(p);
}

/* A fork has the same open file: it must neither give the role back nor be it after its parent. */
static int destroy_inherited(void *ctx)
{
	words_destroy((struct words *)ctx);
	return 0;
}

static void a_forked_child_does_not_give_its_parents_role_back(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	struct words *other = NULL;

	(void)state;
	assert_int_equal(shring_joined(shring_child(destroy_inherited, p)), 0);
	assert_int_equal(attach_rc(p, PRODUCER, &other), -EBUSY);
	words_destroy(p);
}

static int outlive(void *ctx)
{
	(void)ctx;
	pause();
	return 0;
}

/* The lock is the open file's, which the child still has. */
static void nor_does_it_keep_a_role_that_its_parent_gives_back(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	const int fd = fcntl(quoit_shring_fd(&p->ring), F_DUPFD_CLOEXEC, 3);
	const struct quoit_shring_options options = PRODUCER;
	const pid_t child = shring_child(outlive, NULL);
	struct words *other = NULL;

	(void)state;
	words_destroy(p);
	assert_int_equal(words_attach(&fd, 1, &options, &other, NULL), 0);
	words_destroy(other);
	kill_victim(child);
	close(fd);
}

/* The first process of a namespace of its own has the pid of the first one of ours. */
static int destroy_as_if_of_that_pid(void *ctx)
{
	struct words *const q = (struct words *)ctx;

	q->ring.home.pid = getpid();
	words_destroy(q);
	return 0;
}

static void nor_does_one_with_the_pid_of_its_parent(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	struct words *other = NULL;

	(void)state;
	assert_int_equal(shring_joined(shring_child(destroy_as_if_of_that_pid, p)), 0);
	assert_int_equal(attach_rc(p, PRODUCER, &other), -EBUSY);
	words_destroy(p);
	assert_null(other);
}

/* --- B171, D-40 ------------------------------------------------------------------------------ */

static void a_peer_that_never_came_is_not_dead(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	struct words *c;

	(void)state;
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_ABSENT);
	c = shring_attach(p, CONSUMER);
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_ALIVE);
	assert_int_equal(quoit_shring_peer_state(&c->ring, 0), QUOIT_SHRING_ALIVE);
	words_destroy(c);
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_DEAD);
	words_destroy(p);
}

/* Nobody may have looked at it while it was there. */
static void a_peer_that_came_and_left_between_two_looks_is_dead(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	struct quoit_reason why = {0};

	(void)state;
	words_destroy(shring_attach(p, CONSUMER));
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_DEAD);
	assert_int_equal(quoit_shring_reset(&p->ring, &why), 0);
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_ABSENT);
	words_destroy(p);
}

/* Defect D-40: that it sends nothing is no sign of death, for either side. */
static void an_idle_peer_is_alive_and_one_that_does_not_beat_is_stale(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t ms = 1000000;
	const uint64_t item = 1;

	(void)state;
	assert_int_equal(quoit_shring_peer_state(&pair.c->ring, 20 * ms), QUOIT_SHRING_ALIVE);
	usleep(30000);
	assert_int_equal(quoit_shring_peer_state(&pair.c->ring, 0), QUOIT_SHRING_ALIVE);
	assert_int_equal(quoit_shring_peer_state(&pair.c->ring, 20 * ms), QUOIT_SHRING_STALE);
	assert_true(words_send_one(pair.p, &item)); /* traffic is no beat */
	assert_int_equal(quoit_shring_peer_state(&pair.c->ring, 20 * ms), QUOIT_SHRING_STALE);
	quoit_shring_beat(&pair.p->ring);
	assert_int_equal(quoit_shring_peer_state(&pair.c->ring, 20 * ms), QUOIT_SHRING_ALIVE);
	/* What stands there is nobody's time of day: any change will do. */
	shring_shared(pair.p)->producer_beat = UINT64_MAX;
	usleep(30000);
	assert_int_equal(quoit_shring_peer_state(&pair.c->ring, 20 * ms), QUOIT_SHRING_ALIVE);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 20 * ms), QUOIT_SHRING_ALIVE);
	shring_end(&pair);
}

static void a_new_owner_is_not_stale_at_once(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t ms = 1000000;

	(void)state;
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 20 * ms), QUOIT_SHRING_ALIVE);
	words_destroy(pair.c);
	usleep(30000);
	pair.c = shring_attach(pair.p, CONSUMER);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 20 * ms), QUOIT_SHRING_ALIVE);
	shring_end(&pair);
}

static int wait_to_be_killed(void *ctx)
{
	(void)ctx;
	pause();
	return 0;
}

/* By the process itself, even where a lock would outlive it. */
static void a_pidfd_tells_the_death_of_the_peer(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const pid_t child = shring_child(wait_to_be_killed, NULL);
	const int pidfd = (int)syscall(SYS_pidfd_open, child, 0);

	(void)state;
	assert_true(pidfd >= 0);
	assert_int_equal(quoit_shring_pidfd(&pair.p->ring), -1);
	assert_int_equal(quoit_shring_set_peer(&pair.p->ring, pidfd), 0);
	close(pidfd);
	assert_true(quoit_shring_pidfd(&pair.p->ring) >= 0);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 0), QUOIT_SHRING_ALIVE);
	kill_victim(child);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 0), QUOIT_SHRING_DEAD);
	assert_int_equal(quoit_shring_set_peer(&pair.p->ring, -1), 0);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 0), QUOIT_SHRING_ALIVE);
	assert_int_equal(quoit_shring_set_peer(&pair.p->ring, 100000), -EBADF);
	shring_end(&pair);
}

/* --- B179 ------------------------------------------------------------------------------------ */

static void the_memory_goes_with_its_last_user(void **state)
{
	struct words *const p = shring_create(PRODUCER);
	char path[64], link[64] = "";

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", quoit_shring_fd(&p->ring));
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_non_null(strstr(link, "(deleted)")); /* it has no name that could be left */
	words_destroy(p);
}

/* --- B180, D-41 ------------------------------------------------------------------------------ */

static void a_ring_begun_anew_is_of_the_next_generation(void **state)
{
	struct quoit_shring_options options = CONSUMER;
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t items[3] = {1, 2, 3};
	struct words *c = NULL;
	uint64_t out[CAPACITY];

	(void)state;
	assert_int_equal(quoit_shring_generation(&pair.c->ring), 1);
	assert_int_equal(words_send(pair.p, items, 3), 3);
	quoit_shring_close(&pair.p->ring);
	assert_int_equal(quoit_shring_reset(&pair.p->ring, NULL), -EBUSY); /* it is being read */
	words_destroy(pair.c);
	assert_int_equal(quoit_shring_reset(&pair.p->ring, NULL), 0);
	assert_int_equal(quoit_shring_generation(&pair.p->ring), 2);
	assert_false(quoit_shring_is_closed(&pair.p->ring));
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 0), QUOIT_SHRING_ABSENT);
	options.generation = 1;
	assert_int_equal(attach_rc(pair.p, options, &c), -ESTALE);
	options.generation = 2;
	assert_int_equal(attach_rc(pair.p, options, &c), 0);
	assert_true(quoit_shring_is_empty(&c->ring));
	assert_int_equal(words_send(pair.p, items, 2), 2);
	assert_int_equal(words_recv(c, out, CAPACITY), 2);
	words_destroy(c);
	words_destroy(pair.p);
}

/* Whatever both sides left there: whoever comes next finds a ring that nobody has been at. */
static void nothing_is_left_in_the_header_of_a_ring_begun_anew(void **state)
{
	(void)state;
	for (int role = QUOIT_SHRING_PRODUCER; role <= QUOIT_SHRING_CONSUMER; role++) {
		struct shring_pair pair = shring_begin(PRODUCER);
		struct words *const stays = role == QUOIT_SHRING_PRODUCER ? pair.p : pair.c;
		struct words *const leaves = stays == pair.p ? pair.c : pair.p;
		const struct quoit_shring_header *const h = shring_shared(stays);
		const uint64_t item = 1;

		assert_true(words_send_one(pair.p, &item));
		quoit_shring_close(&pair.p->ring);
		quoit_shring_close(&pair.c->ring);
		words_destroy(leaves);
		assert_int_equal(quoit_shring_reset(&stays->ring, NULL), 0);
		assert_int_equal(h->tail, 1);
		assert_int_equal(h->head, 1);
		assert_int_equal(h->producer_closed, 0);
		assert_int_equal(h->consumer_closed, 0);
		assert_int_equal(h->producer_owner, stays == pair.p ? getpid() : 0);
		assert_int_equal(h->consumer_owner, stays == pair.c ? getpid() : 0);
		words_destroy(stays);
	}
}

/* The process whose end was to be told is not that of whoever comes next. */
static void with_a_ring_begun_anew_its_last_peer_is_forgotten(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const pid_t child = shring_child(wait_to_be_killed, NULL);
	const int pidfd = (int)syscall(SYS_pidfd_open, child, 0);

	(void)state;
	assert_int_equal(quoit_shring_set_peer(&pair.p->ring, pidfd), 0);
	close(pidfd);
	kill_victim(child);
	words_destroy(pair.c);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 1), QUOIT_SHRING_DEAD);
	assert_int_equal(quoit_shring_reset(&pair.p->ring, NULL), 0);
	assert_int_equal(quoit_shring_pidfd(&pair.p->ring), -1);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 1), QUOIT_SHRING_ABSENT);
	pair.c = shring_attach(pair.p, CONSUMER);
	assert_int_equal(quoit_shring_peer_state(&pair.p->ring, 1), QUOIT_SHRING_ALIVE);
	shring_end(&pair);
}

static void a_poisoned_ring_can_be_begun_anew(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t item = 1;
	uint64_t out;

	(void)state;
	shring_shared(pair.p)->head = 77;
	assert_true(quoit_shring_has_room(&pair.p->ring, 1));
	assert_int_equal(quoit_shring_status(&pair.p->ring), -EUCLEAN);
	words_destroy(pair.c);
	assert_int_equal(quoit_shring_reset(&pair.p->ring, NULL), 0);
	assert_int_equal(quoit_shring_status(&pair.p->ring), 0);
	assert_int_equal(quoit_shring_why(&pair.p->ring)->error, 0);
	pair.c = shring_attach(pair.p, CONSUMER);
	assert_true(words_send_one(pair.p, &item));
	assert_true(words_recv_one(pair.c, &out));
	shring_end(&pair);
}

/* Defect D-41: whoever has it from before is told. */
static void a_handle_of_an_earlier_generation_is_stale(void **state)
{
	(void)state;
	for (int looked = 0; looked < 2; looked++) {
		struct shring_pair pair = shring_begin(PRODUCER);
		uint64_t out;

		shring_shared(pair.p)->id.generation = 2; /* by one who does not ask for roles */
		shring_shared(pair.p)->tail = 100;
		if (looked) /* that this cannot be has a better explanation than malice */
			assert_int_equal(words_recv(pair.c, &out, 1), 0);
		assert_int_equal(quoit_shring_status(&pair.c->ring), -ESTALE);
		assert_int_equal(quoit_shring_why(&pair.c->ring)->error, -ESTALE);
		assert_true(quoit_shring_is_closed(&pair.c->ring));
		assert_int_equal(words_recv(pair.c, &out, 1), 0);
		shring_end(&pair);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_role_has_one_owner_at_a_time),
		TEST(a_producer_that_dies_has_sent_what_it_published_and_another_goes_on),
		TEST(a_consumer_that_dies_leaves_what_it_had_not_freed),
		TEST(a_forked_child_does_not_give_its_parents_role_back),
		TEST(nor_does_it_keep_a_role_that_its_parent_gives_back),
		TEST(nor_does_one_with_the_pid_of_its_parent),
		TEST(a_peer_that_never_came_is_not_dead),
		TEST(a_peer_that_came_and_left_between_two_looks_is_dead),
		TEST(an_idle_peer_is_alive_and_one_that_does_not_beat_is_stale),
		TEST(a_new_owner_is_not_stale_at_once),
		TEST(a_pidfd_tells_the_death_of_the_peer),
		TEST(the_memory_goes_with_its_last_user),
		TEST(a_ring_begun_anew_is_of_the_next_generation),
		TEST(nothing_is_left_in_the_header_of_a_ring_begun_anew),
		TEST(with_a_ring_begun_anew_its_last_peer_is_forgotten),
		TEST(a_poisoned_ring_can_be_begun_anew),
		TEST(a_handle_of_an_earlier_generation_is_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
