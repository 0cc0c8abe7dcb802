/* SPDX-License-Identifier: MIT */
/*
 * test_shring_process.c - a ring between this process and children of it, which stream, sleep and
 * are killed. Features B161, B162, B177 and B178; defects D-34 and D-42.
 *
 * An item is the position at which it stands, so whoever takes a role over knows what comes next,
 * and whoever reads sees at once what is lost, doubled or torn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "shring_checks.h"

#define COUNT	200000
#define ROUNDS	2000
#define KILLS	25
#define LATE_NS (QUOIT_SHRING_LOOK_NS / 2)

enum way {
	BY_SPINNING,
	BY_FUTEX,
	BY_BELL,
	HARDENED,
	WAYS,
};

static struct quoit_shring_options options_of(enum way way, enum quoit_shring_role role)
{
	struct quoit_shring_options options = shring_of(role);

	options.waits = way == BY_FUTEX || way == HARDENED;
	options.bells = way == BY_BELL;
	options.hardened = way == HARDENED;
	return options;
}

static struct quoit_wait patience(enum way way)
{
	return quoit_wait_for(way == BY_SPINNING ? QUOIT_WAIT_YIELD : QUOIT_WAIT_BLOCK,
			      INT64_C(20000000000));
}

/* Send what is missing up to `end`, in batches that differ. Gives 0, or what is wrong. */
static int produce(struct words *p, enum way way, uint64_t end)
{
	const struct quoit_wait how = patience(way);
	uint64_t items[5];
	int rc;

	while (p->ring.mine < end) {
		const size_t n = quoit_min(1 + p->ring.mine % 5, (size_t)(end - p->ring.mine));

		for (size_t i = 0; i < n; i++)
			items[i] = p->ring.mine + i;
		rc = words_send_wait(p, items, n, &how);
		if (rc == -EOWNERDEAD)
			usleep(100); /* the next one is on its way */
		else if (rc)
			return 2;
	}
	return 0;
}

static int consume(struct words *c, enum way way, uint64_t end)
{
	const struct quoit_wait how = patience(way);
	uint64_t items[3];
	size_t n;

	while (c->ring.mine < end) {
		const uint64_t first = c->ring.mine;
		const int rc = words_recv_wait(c, items, 3, &how, &n);

		if (rc == -EOWNERDEAD) {
			usleep(100); /* the next one is on its way */
			continue;
		}
		if (rc)
			return 3;
		for (size_t i = 0; i < n; i++)
			if (items[i] != first + i)
				return 4;
	}
	return 0;
}

/* --- streams --------------------------------------------------------------------------------- */

struct child {
	struct words *to;
	enum way way;
	int socket; /* for what has to come back */
};

static int produce_all(void *ctx)
{
	const struct child *const child = (struct child *)ctx;
	struct words *const p =
		shring_attach(child->to, options_of(child->way, QUOIT_SHRING_PRODUCER));
	const int part = quoit_shring_fd(&p->ring);
	int rc;

	if (child->way == HARDENED && fds_send_raw(child->socket, "", 1, &part, 1, 1) != 1)
		return 5;
	rc = produce(p, child->way, COUNT);
	quoit_shring_close(&p->ring);
	words_destroy(p);
	return rc;
}

static void join_part(struct words *c, int socket)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct quoit_reason why = {0};
	char byte;
	struct iovec all = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &all,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control)};
	int part;

	assert_int_equal(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&part, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(part));
	if (quoit_shring_join(&c->ring, part, &why))
		fail_msg("%s", why.text);
	close(part);
}

static void a_child_streams_to_its_parent_in_order(void **state)
{
	(void)state;
	for (enum way way = 0; way < WAYS; way++) {
		struct words *const c = shring_create(options_of(way, QUOIT_SHRING_CONSUMER));
		const struct quoit_wait how = patience(way);
		struct child ctx = {.to = c, .way = way};
		int pair[2];
		pid_t child;

		fds_pair(SOCK_SEQPACKET, pair);
		ctx.socket = pair[1];
		child = shring_child(produce_all, &ctx);
		if (way == HARDENED)
			join_part(c, pair[0]);
		assert_int_equal(consume(c, way, COUNT), 0);
		assert_int_equal(quoit_shring_wait_data(&c->ring, &how), -ESHUTDOWN);
		assert_int_equal(shring_joined(child), 0);
		words_destroy(c);
		fds_close(pair, 2);
	}
}

/* --- D-34: there and back, asleep in between ------------------------------------------------- */

struct echo {
	struct words *there;
	struct words *back;
	enum way way;
};

static int echo(void *ctx)
{
	const struct echo *const e = (struct echo *)ctx;
	struct words *const in = shring_attach(e->there, options_of(e->way, QUOIT_SHRING_CONSUMER));
	struct words *const out = shring_attach(e->back, options_of(e->way, QUOIT_SHRING_PRODUCER));
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED}; /* sleeps at once */
	uint64_t item = 0;
	size_t n;

	for (;;) {
		const int rc = words_recv_wait(in, &item, 1, &how, &n);

		if (rc)
			return rc == -ESHUTDOWN ? 0 : 2;
		if (!words_send_one(out, &item))
			return 3;
	}
}

static void no_wake_is_lost_in_many_round_trips(void **state)
{
	(void)state;
	for (enum way way = BY_FUTEX; way <= BY_BELL; way++) {
		struct echo e = {.way = way};
		uint64_t worst_ns = 0;
		pid_t child;

		e.there = shring_create(options_of(way, QUOIT_SHRING_PRODUCER));
		e.back = shring_create(options_of(way, QUOIT_SHRING_CONSUMER));
		child = shring_child(echo, &e);
		for (uint64_t i = 0; i < ROUNDS; i++) {
			const struct quoit_wait how = {
				.kind = QUOIT_WAIT_PHASED,
				.deadline_ns = quoit_deadline_ns(INT64_C(5000000000)),
			};
			const uint64_t since_ns = quoit_clock_now_ns();
			uint64_t item = 0;
			size_t n = 0;

			assert_true(words_send_one(e.there, &i));
			assert_int_equal(words_recv_wait(e.back, &item, 1, &how, &n), 0);
			assert_int_equal(item, i);
			if (quoit_clock_now_ns() - since_ns > worst_ns)
				worst_ns = quoit_clock_now_ns() - since_ns;
		}
		assert_in_range(worst_ns, 0, LATE_NS);
		quoit_shring_close(&e.there->ring);
		assert_int_equal(shring_joined(child), 0);
		words_destroy(e.there);
		words_destroy(e.back);
	}
}

/* --- B178, D-42: killed at any moment -------------------------------------------------------- */

static int produce_for_ever(void *ctx)
{
	const struct child *const child = (struct child *)ctx;

	return produce(shring_attach(child->to, options_of(child->way, QUOIT_SHRING_PRODUCER)),
		       child->way, UINT64_MAX);
}

static int consume_for_ever(void *ctx)
{
	const struct child *const child = (struct child *)ctx;

	return consume(shring_attach(child->to, options_of(child->way, QUOIT_SHRING_CONSUMER)),
		       child->way, UINT64_MAX);
}

static void kill_one(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(shring_joined(child), 256 + SIGKILL);
}

static void producers_are_killed_and_nothing_is_lost_torn_or_doubled(void **state)
{
	(void)state;
	for (enum way way = BY_SPINNING; way <= BY_BELL; way++) {
		struct child ctx = {.to = shring_create(options_of(way, QUOIT_SHRING_CONSUMER)),
				    .way = way};

		for (unsigned i = 0; i < KILLS; i++) {
			const pid_t child = shring_child(produce_for_ever, &ctx);
			const uint64_t more = ctx.to->ring.mine + 1 + i * 37;

			assert_int_equal(consume(ctx.to, way, more), 0);
			kill_one(child);
			assert_int_equal(quoit_shring_peer_state(&ctx.to->ring, 0),
					 QUOIT_SHRING_DEAD);
			assert_int_equal(
				consume(ctx.to, way,
					ctx.to->ring.mine + quoit_shring_length(&ctx.to->ring)),
				0);
			assert_int_equal(quoit_shring_status(&ctx.to->ring), 0);
		}
		words_destroy(ctx.to);
	}
}

static void consumers_are_killed_and_the_next_goes_on_where_they_were(void **state)
{
	(void)state;
	for (enum way way = BY_SPINNING; way <= BY_BELL; way++) {
		struct child ctx = {.to = shring_create(options_of(way, QUOIT_SHRING_PRODUCER)),
				    .way = way};

		for (unsigned i = 0; i < KILLS; i++) {
			const pid_t child = shring_child(consume_for_ever, &ctx);

			assert_int_equal(
				produce(ctx.to, way, ctx.to->ring.mine + CAPACITY + 1 + i * 37), 0);
			kill_one(child);
			assert_int_equal(quoit_shring_peer_state(&ctx.to->ring, 0),
					 QUOIT_SHRING_DEAD);
			assert_int_equal(quoit_shring_status(&ctx.to->ring), 0);
		}
		words_destroy(ctx.to);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_child_streams_to_its_parent_in_order),
		TEST(no_wake_is_lost_in_many_round_trips),
		TEST(producers_are_killed_and_nothing_is_lost_torn_or_doubled),
		TEST(consumers_are_killed_and_the_next_goes_on_where_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
