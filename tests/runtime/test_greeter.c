/* SPDX-License-Identifier: MIT */
/*
 * test_greeter.c - who says a good hello arrives, in every kind of loop; who says nothing, half, or
 * something else holds nobody up, and leaves nothing behind. B185, D-46, D-47.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/greeter_host.h"

#include <sys/resource.h>

/* --- those who arrive ------------------------------------------------------------------------ */

static void a_good_hello_arrives_with_all_it_brings_in_every_kind_of_loop(void **state)
{
	int sent[2];

	(void)state;
	fds_make(sent, 2);
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		struct host host = {.keep = true};
		struct driven d;

		drive_open(&d, (enum kind)(i / 2), NULL);
		open_host(&d, &host, i % 2, LONG_NS);
		for (uint32_t n = 0; n <= 2; n++) {
			const int client = connect_there(i % 2);

			for (unsigned k = 0; k < 5; k++) /* nobody is in a hurry */
				drive(&d);
			say(client, n, sent);
			drive_until(&d, host.arrived == n + 1);
			assert_int_equal(host.last.peer.pid, getpid());
			assert_int_equal(host.last.hello.fd_count, n);
			assert_int_equal(fcntl(host.last.sock, F_GETFD), FD_CLOEXEC);
			fds_check(host.fds, sent, n);
			fds_close(host.fds, n);
			assert_int_equal(send(host.last.sock, "x", 1, MSG_NOSIGNAL), 1);
			fds_close(&host.last.sock, 1);
			fds_close(&client, 1);
		}
		assert_int_equal(host.refused, 0);
		close_host(&d, &host);
		assert_int_equal(host.error, 0);
		drive_close(&d);
	}
	fds_close(sent, 2);
}

static void one_who_comes_byte_by_byte_arrives_too(void **state)
{
	const struct quoit_hello hello = good(2);
	struct host host = {0};
	struct driven d;
	int sent[2], client;

	(void)state;
	fds_make(sent, 2);
	drive_open(&d, KIND_OWN, NULL);
	open_host(&d, &host, true, LONG_NS);
	client = connect_there(true);
	for (size_t i = 0; i < sizeof(hello); i++) {
		const unsigned with = i == 3 || i == 20;

		assert_int_equal(host.arrived, 0);
		assert_int_equal(
			fds_send_raw(client, (const char *)&hello + i, 1, sent, with, with), 1);
		for (unsigned k = 0; k < 3; k++)
			drive(&d);
	}
	drive_until(&d, host.arrived == 1);
	assert_int_equal(host.last.hello.fd_count, 2);
	fds_close(&client, 1);
	close_host(&d, &host);
	drive_close(&d);
	fds_close(sent, 2);
}

/* --- those who do not ------------------------------------------------------------------------ */

static void who_says_nothing_holds_nobody_up_and_is_closed_in_the_end(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct host host = {0};
		struct driven d;
		int silent[PLACES - 1];

		drive_open(&d, kind, NULL);
		open_host(&d, &host, true, SHORT_NS);
		for (unsigned i = 0; i < PLACES - 1; i++) {
			silent[i] = connect_there(true);
			if (i) /* half a hello is no better */
				assert_int_equal(
					send(silent[i], &(struct quoit_hello){0}, i * 13, 0),
					i * 13);
		}
		drive_until(&d, host.refused == PLACES - 1);
		for (unsigned i = 0; i < PLACES - 1; i++) {
			assert_int_equal(host.errors[i], -ETIMEDOUT);
			/* Unread bytes make a reset of the end. */
			assert_true(i ? recv(silent[i], &(char){0}, 1, MSG_DONTWAIT) <= 0
				      : is_closed(silent[i]));
		}
		assert_int_equal(host.greeter.counts.timed_out, PLACES - 1);
		fds_close(silent, PLACES - 1);
		close_host(&d, &host);
		drive_close(&d);
	}
}

static void others_arrive_beside_those_who_say_nothing(void **state)
{
	struct host host = {0};
	struct driven d;
	int silent[PLACES - 1];

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	open_host(&d, &host, false, LONG_NS);
	for (unsigned i = 0; i < PLACES - 1; i++)
		silent[i] = connect_there(false);
	for (unsigned i = 0; i < 50; i++) { /* one place is enough, again and again */
		const int client = connect_there(false);

		say(client, 0, NULL);
		drive_until(&d, host.arrived == i + 1);
		fds_close(&client, 1);
	}
	assert_int_equal(host.refused, 0);
	fds_close(silent, PLACES - 1); /* now they go, without a word */
	drive_until(&d, host.refused == PLACES - 1);
	assert_int_equal(host.greeter.counts.no_hello, PLACES - 1);
	assert_int_equal(host.errors[0], -ESHUTDOWN);
	close_host(&d, &host);
	drive_close(&d);
}

static void what_is_no_hello_is_refused_with_what_it_brought(void **state)
{
	struct host host = {0};
	struct driven d;
	int sent[8], client;

	(void)state;
	fds_make(sent, 8);
	drive_open(&d, KIND_OWN, NULL);
	open_host(&d, &host, false, LONG_NS);
	for (unsigned i = 0; i < 8; i++) {
		static const int expected[] = {-EPROTO, -EPROTONOSUPPORT, -EPROTO,   -EBADMSG,
					       -E2BIG,	-EBADMSG,	  -EMSGSIZE, -EBADMSG};
		struct quoit_hello hello[2] = {good(2), good(0)};
		const unsigned fds = (const unsigned[]){2, 2, 2, 1, 8, 2, 2, 0}[i];
		size_t bytes = sizeof(hello[0]);

		hello->magic += i == 0;
		hello->version += i == 1;
		hello->element_bytes += i == 2;
		bytes = i == 5 ? bytes - 1 : i == 6 ? sizeof(hello) : bytes;
		client = connect_there(false);
		assert_int_equal(fds_send_raw(client, hello, bytes, sent, fds, fds), bytes);
		drive_until(&d, host.refused == i + 1);
		assert_int_equal(host.errors[i], expected[i]);
		assert_true(is_closed(client));
		fds_close(&client, 1);
	}
	assert_int_equal(host.arrived, 0);
	assert_int_equal(host.greeter.counts.no_hello, 8);
	close_host(&d, &host);
	drive_close(&d);
	fds_close(sent, 8);
}

static void a_flood_takes_no_more_than_the_places(void **state)
{
	struct host host = {0};
	struct driven d;
	int clients[60];
	unsigned before;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	open_host(&d, &host, true, LONG_NS);
	before = fds_open();
	for (unsigned i = 0; i < 60; i++)
		clients[i] = connect_there(true);
	drive_until(&d, host.greeter.counts.accepted == 60);
	assert_int_equal(host.greeter.counts.no_place, 60 - PLACES);
	assert_int_equal(host.errors[0], -ENOBUFS);
	assert_int_equal(fds_open(), before + 60 + PLACES);
	fds_close(clients, 60);
	drive_until(&d, host.refused == 60);
	assert_int_equal(fds_open(), before);
	clients[0] = connect_there(true); /* and the places are free again */
	say(clients[0], 0, NULL);
	drive_until(&d, host.arrived == 1);
	fds_close(clients, 1);
	close_host(&d, &host);
	drive_close(&d);
}

static void a_loop_without_operations_left_has_no_place(void **state)
{
	const struct quoit_loop_options few = {.operations = 3};
	struct host host = {0};
	struct driven d;
	int clients[PLACES];

	(void)state;
	drive_open(&d, KIND_OWN, &few);
	open_host(&d, &host, true, LONG_NS);
	for (unsigned i = 0; i < PLACES; i++)
		clients[i] = connect_there(true);
	drive_until(&d, host.refused);
	assert_int_equal(host.errors[0], -ENOBUFS);
	assert_true(host.greeter.counts.no_place > 0);
	fds_close(clients, PLACES);
	close_host(&d, &host);
	drive_close(&d);
}

static void without_descriptors_accepting_pauses_and_goes_on(void **state)
{
	struct host host = {0};
	struct rlimit limit, low;
	struct driven d;
	int client, lowest;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	drive_open(&d, KIND_OWN, NULL);
	open_host(&d, &host, false, LONG_NS);
	client = connect_there(false);
	lowest = dup(0);
	assert_int_equal(close(lowest), 0);
	low.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	drive_until(&d, host.greeter.counts.pauses == 2);
	assert_int_equal(host.arrived + host.refused, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	say(client, 0, NULL);
	drive_until(&d, host.arrived == 1);
	fds_close(&client, 1);
	close_host(&d, &host);
	assert_int_equal(host.error, 0);

	/* Stopped within a pause, it does not wait for its end. */
	host = (struct host){0};
	open_host(&d, &host, false, LONG_NS);
	client = connect_there(false);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	drive_until(&d, host.greeter.counts.pauses == 1);
	quoit_greeter_stop(&host.greeter);
	drive_until(&d, host.stopped);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close_host(&d, &host);
	fds_close(&client, 1);
	drive_close(&d);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		CASE(a_good_hello_arrives_with_all_it_brings_in_every_kind_of_loop),
		CASE(one_who_comes_byte_by_byte_arrives_too),
		CASE(who_says_nothing_holds_nobody_up_and_is_closed_in_the_end),
		CASE(others_arrive_beside_those_who_say_nothing),
		CASE(what_is_no_hello_is_refused_with_what_it_brought),
		CASE(a_flood_takes_no_more_than_the_places),
		CASE(a_loop_without_operations_left_has_no_place),
		CASE(without_descriptors_accepting_pauses_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
