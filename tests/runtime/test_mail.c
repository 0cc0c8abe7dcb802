/* SPDX-License-Identifier: MIT */
/*
 * test_mail.c - runs of messages as handlers see them, among two and four cores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

enum {
	OP_A,
	OP_B,
	OP_ALL
};

#define RUNS 64

struct run {
	uint16_t op;
	uint16_t source;
	bool more;
	size_t n;
	uint32_t first; /* number in the first message's body */
};

static struct {
	uint64_t runs, messages, wrong, done;
	struct run run[RUNS];
	uint64_t from[SERVER_CORES][SERVER_CORES]; /* [to][from] */
	uint64_t told[SERVER_CORES];
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 2);
}

static uint32_t number_of(const struct quoit_message *message)
{
	uint32_t number;

	memcpy(&number, message->body, sizeof(number));
	return number;
}

static void note_run(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		     bool more, void *ctx)
{
	const uint64_t at = seen.runs;

	(void)core;
	for (size_t i = 0; i < n; i++) {
		if (messages[i].op != *(const int *)ctx || messages[i].source != 0 ||
		    number_of(&messages[i]) != number_of(messages) + i)
			quoit_count(&seen.wrong, 1);
	}
	if (at < RUNS)
		seen.run[at] = (struct run){.op = messages->op,
					    .source = messages->source,
					    .more = more,
					    .n = n,
					    .first = number_of(messages)};
	seen.runs++;
	quoit_add(&seen.messages, n);
}

static int ops[] = {OP_A, OP_B};

static int register_runs(struct quoit_core *core, void *ctx)
{
	int rc = quoit_on_message(core, OP_A, note_run, &ops[0]);

	(void)ctx;
	if (rc >= 0)
		rc = quoit_on_message(core, OP_B, note_run, &ops[1]);
	return rc;
}

/* AAABBA, six messages of one turn. */
static void post_six(struct quoit_core *core, void *ctx)
{
	static const unsigned order[] = {OP_A, OP_A, OP_A, OP_B, OP_B, OP_A};

	for (uint32_t i = 0; i < 6; i++)
		*(int *)ctx |= quoit_post(core, 1, order[i], &i, sizeof(i));
}

static void one_turn_arrives_in_whole_runs_of_one_operation_and_says_if_more_follow(void **state)
{
	static const struct run expected[] = {
		{OP_A, 0, true, 3, 0}, {OP_B, 0, true, 2, 3}, {OP_A, 0, false, 1, 5}};
	int rc = 0;

	(void)state;
	server.also = register_runs;
	server_start(&server);
	server_run(&server, 0, post_six, &rc);
	assert_soon(quoit_load_acquire(&seen.messages) == 6);
	server_stop(&server);
	assert_int_equal(rc, 0);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(seen.runs, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(seen.run[i].op, expected[i].op);
		assert_int_equal(seen.run[i].source, 0);
		assert_int_equal(seen.run[i].more, expected[i].more);
		assert_int_equal(seen.run[i].n, expected[i].n);
		assert_int_equal(seen.run[i].first, expected[i].first);
	}
}

/* --- everybody to everybody ------------------------------------------------------------------ */

enum {
	EACH = 3000
};

static struct quoit_core *cores[SERVER_CORES];
static uint32_t sent[SERVER_CORES][SERVER_CORES]; /* [from][to] */

static void take_in_order(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			  bool more, void *ctx)
{
	const unsigned to = quoit_core_index(core);

	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		uint64_t *count = &seen.from[to][messages[i].source];

		if (number_of(&messages[i]) != *count)
			quoit_add(&seen.wrong, 1);
		quoit_count(count, 1);
	}
	quoit_add(&seen.done, n);
}

static void post_to_all(struct quoit_core *core)
{
	const unsigned from = quoit_core_index(core);

	for (unsigned to = 0; to < quoit_core_count(core); to++)
		while (sent[from][to] < EACH &&
		       quoit_post(core, to, OP_ALL, &sent[from][to], sizeof(uint32_t)) == 0)
			sent[from][to]++;
}

static void post_more(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	(void)depth;
	(void)to;
	(void)ctx;
	quoit_count(&seen.told[quoit_core_index(core)], 1);
	post_to_all(core);
}

static int register_all(struct quoit_core *core, void *ctx)
{
	cores[quoit_core_index(core)] = core;
	quoit_on_credit(core, post_more, ctx);
	return quoit_on_message(core, OP_ALL, take_in_order, ctx);
}

static void begin_posting(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	post_to_all(core);
}

static void all_cores_post_to_all_through_full_lanes_and_nothing_is_lost_or_overtaken(void **state)
{
	(void)state;
	memset(sent, 0, sizeof(sent));
	server.config.cores = SERVER_CORES;
	server.config.calls_per_pair = 8;
	server.also = register_all;
	server_start(&server);
	for (unsigned i = 0; i < SERVER_CORES; i++)
		server_run(&server, i, begin_posting, NULL);
	assert_soon(quoit_load_acquire(&seen.done) == SERVER_CORES * SERVER_CORES * EACH);
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
	for (unsigned to = 0; to < SERVER_CORES; to++) {
		assert_true(seen.told[to] > 0);
		for (unsigned from = 0; from < SERVER_CORES; from++)
			assert_int_equal(seen.from[to][from], EACH);
	}
}

/* A sleeping core wakes for each message, one at a time: no bell is lost. */
static void post_one(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	if (quoit_post(core, 1, OP_ALL, &sent[0][1], sizeof(uint32_t)) == 0)
		sent[0][1]++;
}

static void single_messages_wake_a_sleeping_core_each_time(void **state)
{
	(void)state;
	memset(sent, 0, sizeof(sent));
	server.config.never_spin = true;
	server.also = register_all;
	server_start(&server);
	for (unsigned i = 1; i <= 300; i++) {
		server_run(&server, 0, post_one, NULL);
		assert_soon(quoit_load_acquire(&seen.done) == i);
	}
	assert_true(server_stats(&server).bells_rung > 0);
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(one_turn_arrives_in_whole_runs_of_one_operation_and_says_if_more_follow),
		CASE(all_cores_post_to_all_through_full_lanes_and_nothing_is_lost_or_overtaken),
		CASE(single_messages_wake_a_sleeping_core_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
