/* SPDX-License-Identifier: MIT */
/*
 * test_enters.c - how often a loop enters the kernel: at most once a turn, and not while it spins
 * or sleeps.
 *
 * Linked with --wrap=syscall: the real calls are counted too, so that the library's own counters
 * are not believed blindly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include <quoit/numa/topology.h>

#include "support/server.h"
#include "support/skip.h"

enum {
	OP_ECHO,
	OP_SLOW
};

#define MS 1000000ull

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static uint64_t real_enters;

/* Only what was passed may be read. */
static unsigned arguments_of(long number)
{
	switch (number) {
	case SYS_io_uring_setup:
		return 2;
	case SYS_io_uring_register:
		return 4;
	case SYS_io_uring_enter:
	case SYS_mbind:
	case SYS_move_pages:
		return 6;
	default:
		return 3;
	}
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < arguments_of(number); i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_io_uring_enter)
		quoit_add(&real_enters, 1);
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static struct server server;

static struct {
	uint64_t replies;
	struct quoit_stats before, after;
} seen;

static int forget(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	memset(&server, 0, sizeof(server));
	server.config.cores = 2;
	quoit_store(&real_enters, 0);
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

/* --- under load ------------------------------------------------------------------------------ */

static void answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		   bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&messages[i]), 0, messages[i].body,
			    QUOIT_MESSAGE_BODY);
}

struct request {
	struct quoit_stream_id id;
	unsigned char byte;
};

static void send_answer(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct request request;
	struct quoit_stream *stream;

	(void)ctx;
	memcpy(&request, reply->body, sizeof(request));
	stream = quoit_core_stream(core, request.id);
	if (stream)
		quoit_stream_send(stream, &request.byte, 1);
}

/* Each byte goes to the other core and back. */
static void ask_other(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct quoit_core *core = quoit_stream_core(stream);
	const unsigned other = quoit_core_count(core) - 1 - quoit_core_index(core);

	(void)ctx;
	for (size_t i = 0; i < in.len; i++) {
		const struct request request = {.id = quoit_stream_id(stream),
						.byte = ((const unsigned char *)in.data)[i]};

		if (quoit_call(core, other, OP_ECHO, &request, sizeof(request), send_answer, NULL) <
		    0)
			quoit_stream_abort(stream, -EBUSY);
	}
}

/* Answers when it has looked at core 0's counters twice, with a long time in between. */
static void answer_slowly(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			  bool more, void *ctx)
{
	const struct quoit_runtime *runtime = quoit_core_runtime(core);
	const uint64_t began = quoit_clock_now_ns();
	int rc = 0;

	(void)n;
	(void)more;
	(void)ctx;
	while (quoit_clock_now_ns() - began < 30 * MS)
		quoit_relax();
	rc |= quoit_runtime_stats(runtime, 0, &seen.before);
	while (quoit_clock_now_ns() - began < 90 * MS)
		quoit_relax();
	rc |= quoit_runtime_stats(runtime, 0, &seen.after);
	quoit_reply(core, quoit_caller_of(messages), rc, NULL, 0);
}

static int register_both(struct quoit_core *core, void *ctx)
{
	const int rc = quoit_on_message(core, OP_ECHO, answer, ctx);

	return rc < 0 ? rc : quoit_on_message(core, OP_SLOW, answer_slowly, ctx);
}

static void serve(void)
{
	server.events.data = ask_other;
	server.also = register_both;
	server_start(&server);
}

static void load(unsigned clients, unsigned rounds)
{
	int fds[32];
	char bytes[8];

	for (unsigned i = 0; i < clients; i++) {
		fds[i] = client_connect(server.port);
		assert_true(fds[i] >= 0);
	}
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < clients; i++)
			assert_int_equal(client_send(fds[i], "12", 2), 0);
		for (unsigned i = 0; i < clients; i++)
			assert_int_equal(client_receive(fds[i], bytes, 2), 2);
	}
	for (unsigned i = 0; i < clients; i++)
		client_close(fds[i]);
}

static void expect_one_enter_a_turn(void)
{
	struct quoit_stats early;
	struct quoit_stats late;

	server_settle(&server);
	for (unsigned i = 0; i < 2; i++) {
		/* Counters are read one by one: an enter of the first reading has its turn in the
		 * second. */
		assert_int_equal(quoit_runtime_stats(server.runtime, i, &early), 0);
		assert_int_equal(quoit_runtime_stats(server.runtime, i, &late), 0);
		assert_in_range(early.enters, 1, late.turns);
		assert_int_equal(late.enters_forced, 0);
		assert_int_equal(late.stale, 0);
		assert_int_equal(late.overflows, 0);
		assert_true(late.messages_in > 0);
	}
}

static void under_load_a_turn_enters_the_kernel_at_most_once(void **state)
{
	(void)state;
	serve();
	load(20, 100);
	expect_one_enter_a_turn();
	server_stop(&server);
}

static void one_client_at_a_time_too(void **state)
{
	(void)state;
	serve();
	load(1, 1000);
	expect_one_enter_a_turn();
	server_stop(&server);
}

static void and_without_spinning(void **state)
{
	(void)state;
	server.config.never_spin = true;
	serve();
	load(20, 50);
	expect_one_enter_a_turn();
	assert_int_equal(server_stats(&server).spins, 0);
	server_stop(&server);
}

static void the_counter_of_enters_is_the_number_of_real_calls(void **state)
{
	uint64_t counted;

	(void)state;
	serve();
	load(4, 20);
	server_settle(&server);
	assert_soon((counted = server_stats(&server).enters,
		     counted && counted == quoit_load(&real_enters)));
	server_stop(&server);
}

/* --- without load ---------------------------------------------------------------------------- */

static void note_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_add(&seen.replies, reply->status == 0);
}

static void call_slow(struct quoit_core *core, void *ctx)
{
	*(int *)ctx = quoit_call(core, 1, OP_SLOW, NULL, 0, note_reply, NULL);
}

static void have_two_cpus(void)
{
	struct quoit_topology topology;
	unsigned cpus;

	assert_int_equal(quoit_topology_load(&topology, NULL, NULL), 0);
	cpus = topology.cpu_count;
	quoit_topology_fini(&topology);
	if (cpus < 2)
		skip_because("two cores on one cpu never spin");
}

static void a_core_that_spins_for_an_answer_does_not_enter_the_kernel(void **state)
{
	int rc = -1;

	(void)state;
	have_two_cpus();
	server.config.spin_ns = 10000 * MS;
	serve();
	server_run(&server, 0, call_slow, &rc);
	assert_int_equal(rc, 0);
	assert_soon(quoit_load_acquire(&seen.replies) == 1);
	assert_true(seen.after.spins > 0);
	assert_int_equal(seen.after.spins, seen.before.spins); /* the same one all the time */
	assert_int_equal(seen.after.turns, seen.before.turns);
	assert_int_equal(seen.after.enters, seen.before.enters);
	assert_int_equal(seen.after.sleeps, seen.before.sleeps);
	server_stop(&server);
}

static void a_core_that_may_not_spin_sleeps_for_an_answer(void **state)
{
	int rc = -1;

	(void)state;
	server.config.never_spin = true;
	serve();
	server_run(&server, 0, call_slow, &rc);
	assert_int_equal(rc, 0);
	assert_soon(quoit_load_acquire(&seen.replies) == 1);
	assert_int_equal(seen.after.spins, 0);
	assert_true(seen.after.sleeps > 0);
	assert_int_equal(seen.after.turns, seen.before.turns);
	assert_int_equal(seen.after.enters, seen.before.enters);
	server_stop(&server);
}

static void a_runtime_with_nothing_to_do_sleeps(void **state)
{
	const struct timespec while_ = {0, 100 * 1000 * 1000};
	struct quoit_stats before;
	struct quoit_stats after;

	(void)state;
	serve();
	load(4, 10);
	server_settle(&server);
	nanosleep(&while_, NULL); /* the clients' ends arrive */
	before = server_stats(&server);
	nanosleep(&while_, NULL);
	after = server_stats(&server);
	assert_int_equal(after.turns, before.turns);
	assert_int_equal(after.enters, before.enters);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(under_load_a_turn_enters_the_kernel_at_most_once),
		CASE(one_client_at_a_time_too),
		CASE(and_without_spinning),
		CASE(the_counter_of_enters_is_the_number_of_real_calls),
		CASE(a_core_that_spins_for_an_answer_does_not_enter_the_kernel),
		CASE(a_core_that_may_not_spin_sleeps_for_an_answer),
		CASE(a_runtime_with_nothing_to_do_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
