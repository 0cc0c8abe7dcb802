/* SPDX-License-Identifier: MIT */
/*
 * test_shring_pass.c - a ring handed over by hellos: asked for, offered, taken, and refused by
 * whoever does not get what it wants, with no descriptor left over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fds.h"

#include <signal.h>

#include <quoit/io/fd_server.h>
#include <quoit/io/shring_pass.h>
#include <quoit/io/unix_socket.h>
#include <quoit/rings/typed_shring.h>

QUOIT_SHRING(numbers, uint64_t);

static int a, b; /* the side that has a ring, and the one that attaches */
static struct quoit_shring *made, *got;
static struct quoit_reason why;

static struct quoit_shring_options options(enum quoit_shring_role role)
{
	const struct quoit_shring_options o = {.size = sizeof(o),
					       .role = role,
					       .slot_bytes = sizeof(uint64_t),
					       .slot_align = sizeof(uint64_t)};

	return o;
}

static void make(enum quoit_shring_role role, bool hardened)
{
	struct quoit_shring_options o = options(role);

	o.bits = 4;
	o.node = QUOIT_NODE_AUTO;
	o.bells = true;
	o.hardened = hardened;
	assert_int_equal(quoit_shring_create(&o, &made, &why), 0);
}

static int set_up(void **state)
{
	int pair[2];

	fds_count(state);
	made = got = NULL;
	why = (struct quoit_reason){0};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	a = pair[0];
	b = pair[1];
	return 0;
}

static int clean_up(void **state)
{
	quoit_shring_destroy(got);
	quoit_shring_destroy(made);
	close(a);
	close(b);
	return fds_none_is_left(state);
}

static void one_item_goes_over(void)
{
	struct quoit_shring *const from = made->role == QUOIT_SHRING_PRODUCER ? made : got;
	struct quoit_shring *const to = from == made ? got : made;
	uint64_t item = 17;

	assert_int_equal(quoit_shring_send(from, &item, 1), 1);
	item = 0;
	assert_int_equal(quoit_shring_recv(to, &item, 1), 1);
	assert_int_equal(item, 17);
	assert_int_equal(quoit_shring_peer_state(made, 0), QUOIT_SHRING_ALIVE);
	assert_int_equal(quoit_shring_peer_state(got, 0), QUOIT_SHRING_ALIVE);
	assert_true(quoit_shring_pidfd(made) >= 0);
	assert_true(quoit_shring_pidfd(got) >= 0);
}

/* --- as it should be ------------------------------------------------------------------------- */

static void a_ring_that_was_accepted_may_be_one_of_a_type(void **state)
{
	struct quoit_shring_options given = options(QUOIT_SHRING_CONSUMER);
	struct quoit_shring_options o;
	uint64_t item = 17;

	(void)state;
	given.slot_bytes = given.slot_align = 0;
	o = numbers_sized(&given);
	make(QUOIT_SHRING_PRODUCER, false);
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), 0);
	assert_true(numbers_send_one(numbers_of(made), &item));
	item = 0;
	assert_true(numbers_recv_one(numbers_of(got), &item));
	assert_int_equal(item, 17);
}

static void hand_over(enum quoit_shring_role role, bool hardened)
{
	const struct quoit_shring_options o = options(role);
	const struct quoit_hello_wanted wanted = quoit_shring_wanted(sizeof(uint64_t));
	struct quoit_hello hello;

	make(role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_CONSUMER : QUOIT_SHRING_PRODUCER,
	     hardened);
	assert_int_equal(quoit_shring_ask(b, &o, FDS_PAST, &why), 0);
	assert_int_equal(quoit_hello_recv(a, &hello, NULL, &wanted, FDS_PAST, &why), 0);
	assert_true(quoit_shring_is_ask(&hello, role));
	assert_false(quoit_shring_is_ask(&hello, made->role));
	assert_false(quoit_shring_is_offer(&hello, role));
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -ETIMEDOUT); /* not yet */
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), 0);
	one_item_goes_over();
}

static void a_ring_that_was_asked_for_is_taken(void **state)
{
	(void)state;
	hand_over(QUOIT_SHRING_PRODUCER, false);
}

static void its_other_role_can_be_asked_for_too(void **state)
{
	(void)state;
	hand_over(QUOIT_SHRING_CONSUMER, false);
}

static void both_parts_of_a_hardened_ring_change_hands(void **state)
{
	(void)state;
	hand_over(QUOIT_SHRING_PRODUCER, true);
}

static void a_ring_may_be_offered_on_by_who_has_not_made_it(void **state)
{
	const struct quoit_shring_options o = options(QUOIT_SHRING_CONSUMER);
	const uint64_t items[] = {1, 2};
	uint64_t item;

	(void)state;
	hand_over(QUOIT_SHRING_PRODUCER, false);
	assert_int_equal(quoit_shring_send(got, items, 2), 2);
	quoit_shring_destroy(made); /* and with it all that was read, but not what was not */
	made = got;
	got = NULL;
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_recv(got, &item, 1), 1);
	assert_int_equal(item, 1);
	assert_int_equal(quoit_shring_recv(got, &item, 1), 1);
	one_item_goes_over();
}

/* --- as it should not ------------------------------------------------------------------------ */

static void an_offer_of_another_role_or_size_is_refused(void **state)
{
	struct quoit_shring_options o = options(QUOIT_SHRING_CONSUMER);

	(void)state;
	make(QUOIT_SHRING_CONSUMER, false);
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), -EPROTO);
	o = options(QUOIT_SHRING_PRODUCER);
	o.slot_bytes *= 2;
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), -EPROTO);
	assert_null(got);
	assert_int_equal(quoit_shring_peer_state(made, 0), QUOIT_SHRING_ABSENT);
}

static void an_offer_of_a_role_that_is_taken_is_refused(void **state)
{
	const struct quoit_shring_options o = options(QUOIT_SHRING_PRODUCER);
	struct quoit_shring *second = NULL;

	(void)state;
	hand_over(QUOIT_SHRING_PRODUCER, false);
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &second, &why), -EBUSY);
	assert_null(second);
	one_item_goes_over();
}

static void a_generation_that_was_not_promised_is_refused(void **state)
{
	struct quoit_shring_options o = options(QUOIT_SHRING_PRODUCER);
	struct quoit_hello hello = quoit_hello_make();
	int fds[QUOIT_SHRING_FDS];

	(void)state;
	make(QUOIT_SHRING_CONSUMER, false);
	hello.flags = QUOIT_SHRING_OFFER;
	hello.role = QUOIT_SHRING_PRODUCER;
	hello.element_bytes = sizeof(uint64_t);
	hello.generation = 2;
	hello.fd_count = (uint32_t)quoit_shring_fds(made, fds);
	assert_int_equal(quoit_shring_accept_hello(b, &hello, fds, &o, &got, &why), -ESTALE);
	hello.generation = 1;
	o.generation = 7;
	assert_int_equal(quoit_shring_accept_hello(b, &hello, fds, &o, &got, &why), -ESTALE);
	hello.fd_count = 1; /* without its bells */
	o.generation = 0;
	assert_int_equal(quoit_shring_accept_hello(b, &hello, fds, &o, &got, &why), -EBADMSG);
	assert_null(got);
}

static void a_closed_ring_is_refused_until_it_is_begun_anew(void **state)
{
	const struct quoit_shring_options o = options(QUOIT_SHRING_PRODUCER);

	(void)state;
	make(QUOIT_SHRING_CONSUMER, false);
	quoit_shring_close(made);
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), -ESHUTDOWN);
	assert_null(got);
	assert_int_equal(quoit_shring_reset(made, &why), 0);
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_generation(got), 2);
	one_item_goes_over();
}

static void what_is_no_answer_to_an_offer_is_refused_and_closed(void **state)
{
	struct quoit_hello hello = quoit_hello_make();
	const int fds[] = {0, 1};

	(void)state;
	make(QUOIT_SHRING_CONSUMER, false);
	hello.role = QUOIT_SHRING_PRODUCER;
	hello.element_bytes = sizeof(uint64_t);
	hello.generation = 1;
	assert_int_equal(quoit_hello_send(b, &hello, NULL, FDS_PAST, &why), 0); /* no step */
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -EPROTO);
	hello.flags = QUOIT_SHRING_ASK;
	assert_int_equal(quoit_hello_send(b, &hello, NULL, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -EOPNOTSUPP);
	hello.flags = QUOIT_SHRING_TAKEN;
	hello.fd_count = 1; /* nobody wants it: the ring is not hardened */
	assert_int_equal(quoit_hello_send(b, &hello, fds, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -EPROTO);
	hello.fd_count = 2;
	assert_int_equal(quoit_hello_send(b, &hello, fds, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -E2BIG);
	hello.fd_count = 0;
	hello.generation = 9;
	assert_int_equal(quoit_hello_send(b, &hello, NULL, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -ESTALE);
	hello.generation = 1;
	hello.role = QUOIT_SHRING_CONSUMER;
	assert_int_equal(quoit_hello_send(b, &hello, NULL, FDS_PAST, &why), 0);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -EPROTO);
	assert_int_equal(quoit_shring_pidfd(made), -1);
}

static void a_part_that_is_no_part_of_a_hardened_ring_is_refused(void **state)
{
	struct quoit_hello hello = quoit_hello_make();
	int fd;

	(void)state;
	make(QUOIT_SHRING_CONSUMER, true);
	fd = quoit_shring_fd(made);
	hello.flags = QUOIT_SHRING_TAKEN;
	hello.role = QUOIT_SHRING_PRODUCER;
	hello.element_bytes = sizeof(uint64_t);
	hello.generation = 1;
	assert_int_equal(quoit_hello_send(b, &hello, NULL, FDS_PAST, &why), 0); /* no part */
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -EPROTO);
	hello.fd_count = 1;
	assert_int_equal(quoit_hello_send(b, &hello, &fd, FDS_PAST, &why), 0); /* our own */
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -EPROTO);
}

static void a_peer_that_closes_has_refused(void **state)
{
	const struct quoit_shring_options o = options(QUOIT_SHRING_PRODUCER);

	(void)state;
	make(QUOIT_SHRING_CONSUMER, false);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), -ETIMEDOUT);
	assert_int_equal(shutdown(a, SHUT_RDWR), 0);
	assert_int_equal(quoit_shring_accept(b, &o, FDS_PAST, &got, &why), -ESHUTDOWN);
	assert_int_equal(quoit_shring_taken(a, made, FDS_PAST, &why), -ESHUTDOWN);
	assert_int_equal(quoit_shring_offer(a, made, FDS_PAST, &why), -EPIPE);
}

/* --- two processes --------------------------------------------------------------------------- */

static int attach_and_die(const char *path)
{
	const struct quoit_shring_options o = options(QUOIT_SHRING_PRODUCER);
	const uint64_t item = 5;
	const int sock = quoit_unix_connect(path, NULL, &why);

	if (sock < 0 || quoit_shring_ask(sock, &o, FDS_ENDLESS, &why) ||
	    quoit_shring_accept(sock, &o, FDS_ENDLESS, &got, &why) ||
	    quoit_shring_send(got, &item, 1) != 1)
		return 1;
	pause();
	return 2;
}

static void each_knows_the_other_by_his_pidfd(void **state)
{
	const struct quoit_hello_wanted wanted = quoit_shring_wanted(sizeof(uint64_t));
	char folder[] = P_tmpdir "/quoit-pass-XXXXXX", path[64];
	struct quoit_fd_server server = {0};
	struct quoit_hello hello;
	uint64_t item = 0;
	pid_t child;
	int sock;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/ring", folder);
	assert_int_equal(quoit_fd_server_listen(&server, path, NULL, &why), 0);
	make(QUOIT_SHRING_CONSUMER, false);
	child = fork();
	if (!child)
		_exit(attach_and_die(path));
	sock = quoit_fd_server_accept(&server, FDS_ENDLESS, NULL, &why);
	assert_true(sock >= 0);
	assert_int_equal(quoit_hello_recv(sock, &hello, NULL, &wanted, FDS_ENDLESS, &why), 0);
	assert_int_equal(quoit_shring_offer(sock, made, FDS_ENDLESS, &why), 0);
	assert_int_equal(quoit_shring_taken(sock, made, FDS_ENDLESS, &why), 0);
	close(sock);
	assert_int_equal(quoit_shring_peer_state(made, 0), QUOIT_SHRING_ALIVE);
	while (!quoit_shring_recv(made, &item, 1))
		usleep(100);
	assert_int_equal(item, 5);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(quoit_shring_peer_state(made, 0), QUOIT_SHRING_DEAD);
	quoit_fd_server_close(&server);
	assert_int_equal(rmdir(folder), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, clean_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ring_that_was_accepted_may_be_one_of_a_type),
		TEST(a_ring_that_was_asked_for_is_taken),
		TEST(its_other_role_can_be_asked_for_too),
		TEST(both_parts_of_a_hardened_ring_change_hands),
		TEST(a_ring_may_be_offered_on_by_who_has_not_made_it),
		TEST(an_offer_of_another_role_or_size_is_refused),
		TEST(an_offer_of_a_role_that_is_taken_is_refused),
		TEST(a_generation_that_was_not_promised_is_refused),
		TEST(a_closed_ring_is_refused_until_it_is_begun_anew),
		TEST(what_is_no_answer_to_an_offer_is_refused_and_closed),
		TEST(a_part_that_is_no_part_of_a_hardened_ring_is_refused),
		TEST(a_peer_that_closes_has_refused),
		TEST(each_knows_the_other_by_his_pidfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
