/* SPDX-License-Identifier: MIT */
/*
 * test_gather.c - one question to many cores: one call of fn with all the answers, whatever was
 * refused, late or cancelled; and posts to all or to none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "runtime/sides.h"

#define CORES	3
#define CREDITS 2
#define LANE	(2 * CREDITS)

enum {
	ASK,
	KEEP,
	POST
};

static struct quoit_gather_part parts[CORES + 1];
static struct quoit_gather gather;
static unsigned finished;

/* Answers with the first byte of the question, and one more for each core. */
static void answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		   bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		const unsigned char body = (unsigned char)(messages[i].body[0] + core->index);

		quoit_reply(core, quoit_caller_of(&messages[i]), (int)core->index, &body, 1);
	}
}

static void count_finished(struct quoit_core *core, struct quoit_gather *g, void *ctx)
{
	(void)core;
	(void)g;
	++*(unsigned *)ctx;
}

static int set_up(void **state)
{
	finished = 0;
	memset(parts, 0xa5, sizeof(parts)); /* nothing depends on what was there */
	memset(&gather, 0xa5, sizeof(gather));
	gather = (struct quoit_gather){
		.parts = parts, .op = ASK, .fn = count_finished, .ctx = &finished};
	if (sides_open(state, CORES, CREDITS, 2) < 0)
		return -1;
	for (uint32_t i = 0; *state && i < CORES; i++) {
		struct quoit_core *core = &sides[i].core;

		if (quoit_on_message(core, ASK, answer, &sides[i]) < 0 ||
		    quoit_on_message(core, KEEP, side_keep_callers, &sides[i]) < 0 ||
		    quoit_on_message(core, POST, side_count_posts, &sides[i]) < 0)
			return -1;
		quoit_on_credit(core, side_got_credit, &sides[i]);
	}
	return 0;
}

/* What a core asks itself takes three turns: asked, answered, told. */
static void turns(unsigned n)
{
	while (n--)
		for (unsigned i = 0; i < CORES; i++)
			side_turn(&sides[i]);
}

static void all_cores_are_asked_and_fn_is_called_once_with_their_answers(void **state)
{
	struct side *a = sides_or_skip(state);

	for (unsigned round = 0; round < 5; round++) {
		gather.body = &(unsigned char){(unsigned char)(10 * round)};
		gather.len = 1;
		assert_int_equal(quoit_gather_all(&a->core, &gather), 0);
		assert_int_equal(finished, round);
		turns(3);
		assert_int_equal(finished, round + 1);
		for (unsigned i = 0; i < CORES; i++) {
			assert_int_equal(parts[i].answer.source, i);
			assert_int_equal(parts[i].answer.status, i);
			assert_int_equal(parts[i].answer.body[0], 10 * round + i);
		}
	}
}

static void each_part_may_ask_its_own_question_of_any_core(void **state)
{
	const unsigned char questions[] = {50, 60, 70};
	struct side *a = sides_or_skip(state);

	gather.count = 3;
	gather.len = 1;
	for (unsigned i = 0; i < 3; i++)
		parts[i] = (struct quoit_gather_part){.to = i & 1, .body = &questions[i]};
	assert_int_equal(quoit_gather_start(&a->core, &gather), 0);
	turns(3);
	assert_int_equal(finished, 1);
	assert_int_equal(parts[0].answer.body[0], 50);
	assert_int_equal(parts[1].answer.body[0], 61);
	assert_int_equal(parts[2].answer.body[0], 70);
}

static void what_cannot_be_asked_is_refused_as_a_whole(void **state)
{
	const struct quoit_caller deepest = {.token = 1, .depth = 1};
	struct side *a = sides_or_skip(state);

	gather.count = 0;
	assert_int_equal(quoit_gather_start(&a->core, &gather), -EINVAL);
	gather.count = CORES + 1;
	for (unsigned i = 0; i <= CORES; i++)
		parts[i] = (struct quoit_gather_part){.to = i};
	assert_int_equal(quoit_gather_start(&a->core, &gather), -EINVAL); /* no core 3 */
	gather.len = 1;
	assert_int_equal(quoit_gather_all(&a->core, &gather), -EINVAL); /* no body */
	gather.len = 0;
	gather.op = QUOIT_OPERATIONS;
	assert_int_equal(quoit_gather_all(&a->core, &gather), -EINVAL);
	gather.op = ASK;
	gather.fn = NULL;
	assert_int_equal(quoit_gather_all(&a->core, &gather), -EINVAL);
	gather.fn = count_finished;
	gather.options.caller = &deepest;
	assert_int_equal(quoit_gather_all(&a->core, &gather), -ELOOP);
	gather.options.caller = NULL;
	a->core.mail.sealed = true;
	assert_int_equal(quoit_gather_all(&a->core, &gather), -ESHUTDOWN);
	a->core.mail.sealed = false;
	assert_int_equal(a->core.mail.calls_open, 0);
	assert_int_equal(finished, 0);
}

/* --- no credit ------------------------------------------------------------------------------- */

static void use_up_the_credits_to_core_1(struct side *a)
{
	for (unsigned i = 0; i < CREDITS; i++)
		assert_int_equal(quoit_call(&a->core, 1, KEEP, NULL, 0, side_got_reply, a), 0);
	turns(1);
}

static void who_has_no_credit_stands_in_line_before_those_who_come_later(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	use_up_the_credits_to_core_1(a);
	assert_int_equal(quoit_gather_all(&a->core, &gather), 0);
	turns(3);
	assert_int_equal(gather.left, 1);
	assert_int_equal(quoit_call(&a->core, 1, KEEP, NULL, 0, side_got_reply, a), -EAGAIN);
	assert_int_equal(a->core.mail.calls_open, CREDITS + 1);
	quoit_reply(&b->core, b->callers[0], 0, NULL, 0);
	turns(3);
	assert_int_equal(finished, 1);
	assert_int_equal(parts[1].answer.status, 1);
	turns(1);
	assert_int_equal(a->credits_told, 1);
	assert_int_equal(quoit_call(&a->core, 1, KEEP, NULL, 0, side_got_reply, a), 0);
}

static void ask_again(struct quoit_core *core, struct quoit_gather *g, void *ctx)
{
	count_finished(core, g, ctx);
	if (finished < 40 && quoit_gather_all(core, g) < 0)
		abort();
}

static unsigned calls_told;

static void call_when_told(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	(void)depth;
	calls_told++;
	while (!quoit_call(core, to, ASK, NULL, 0, side_got_reply, ctx))
		;
}

/* A gather that asks again and again, and calls that take whatever they get. */
static void the_line_and_those_who_are_told_take_turns(void **state)
{
	struct side *a = sides_or_skip(state);

	calls_told = 0;
	gather.fn = ask_again;
	quoit_on_credit(&a->core, call_when_told, a);
	for (unsigned to = 0; to < CORES; to++)
		call_when_told(&a->core, to, 0, a);
	assert_int_equal(quoit_gather_all(&a->core, &gather), 0);
	turns(200);
	assert_int_equal(finished, 40);
	assert_true(calls_told > 40);
}

/* --- the time -------------------------------------------------------------------------------- */

static void when_the_time_is_up_the_answers_that_are_there_count(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1, *c = a + 2;

	gather.op = KEEP;
	gather.options.timeout_ns = 1000000000;
	use_up_the_credits_to_core_1(a); /* its part will stand in line */
	assert_int_equal(quoit_gather_all(&a->core, &gather), 0);
	turns(2);
	assert_int_equal(a->caller_count, 1);
	assert_int_equal(c->caller_count, 1);
	quoit_reply(&a->core, a->callers[0], 7, NULL, 0);
	turns(2);
	assert_int_equal(gather.left, 2);
	side_expire(a);
	assert_int_equal(finished, 1);
	assert_int_equal(parts[0].answer.status, 7);
	assert_int_equal(parts[1].answer.status, -ETIMEDOUT);
	assert_int_equal(parts[2].answer.status, -ETIMEDOUT);
	assert_int_equal(a->core.mail.calls_open, CREDITS);
	assert_int_equal(a->core.mail.counts.timed_out, 2);
	memset(parts, 0xa5, sizeof(parts)); /* ours again */
	quoit_reply(&c->core, c->callers[0], 9, NULL, 0);
	quoit_reply(&b->core, b->callers[0], 0, NULL, 0);
	turns(3);
	assert_int_equal(finished, 1);
	assert_int_equal(((unsigned char *)parts)[sizeof(parts) / 2], 0xa5);
	assert_int_equal(b->caller_count, CREDITS); /* what stood in line was never sent */
	assert_int_equal(quoit_call(&a->core, 1, KEEP, NULL, 0, side_got_reply, a), 0);
}

static void answers_in_time_stop_the_clock(void **state)
{
	struct side *a = sides_or_skip(state);

	gather.options.timeout_ns = UINT64_MAX;
	assert_int_equal(quoit_gather_all(&a->core, &gather), 0);
	turns(3);
	assert_int_equal(finished, 1);
	assert_false(quoit_timer_armed(&gather.timer));
}

/* --- the end --------------------------------------------------------------------------------- */

static void a_stop_cancels_what_was_asked_and_what_stands_in_line(void **state)
{
	struct side *a = sides_or_skip(state), *c = a + 2;

	gather.op = KEEP;
	gather.options.timeout_ns = 1000000000;
	use_up_the_credits_to_core_1(a);
	assert_int_equal(quoit_gather_all(&a->core, &gather), 0);
	turns(2);
	quoit_reply(&c->core, c->callers[0], 3, NULL, 0);
	turns(2);
	assert_int_equal(quoit_mail_cancel_calls(&a->core.mail), CREDITS + 2);
	assert_int_equal(finished, 1);
	assert_int_equal(parts[0].answer.status, -ECANCELED);
	assert_int_equal(parts[1].answer.status, -ECANCELED);
	assert_int_equal(parts[2].answer.status, 3);
	side_expire(a);
	assert_int_equal(finished, 1);
	assert_int_equal(a->core.mail.calls_open, 0);
	assert_int_equal(quoit_gather_all(&a->core, &gather), -ESHUTDOWN);
}

/* --- broadcasts ------------------------------------------------------------------------------ */

static void a_broadcast_goes_to_all_or_to_none(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1, *c = a + 2;

	assert_int_equal(quoit_broadcast(&a->core, QUOIT_OPERATIONS, NULL, 0), -EINVAL);
	assert_int_equal(quoit_broadcast(&a->core, POST, a, QUOIT_MESSAGE_BODY + 1), -EINVAL);
	assert_int_equal(quoit_broadcast(&a->core, POST, NULL, 0), 0);
	for (unsigned i = 0; i < LANE - 1; i++)
		assert_int_equal(quoit_post(&a->core, 2, POST, NULL, 0), 0);
	assert_int_equal(quoit_broadcast(&a->core, POST, NULL, 0), -EAGAIN);
	turns(2);
	assert_int_equal(a->posts_got, 1);
	assert_int_equal(b->posts_got, 1);
	assert_int_equal(c->posts_got, LANE);
	assert_int_equal(a->credits_told, 1);
	assert_int_equal(a->told_to, 2);
	assert_int_equal(a->told_depth, QUOIT_CREDIT_POST);
	assert_int_equal(quoit_broadcast(&a->core, POST, NULL, 0), 0);
	turns(2);
	assert_int_equal(a->posts_got + b->posts_got + c->posts_got, LANE + 5);
	a->core.mail.sealed = true;
	assert_int_equal(quoit_broadcast(&a->core, POST, NULL, 0), -ESHUTDOWN);
	a->core.mail.sealed = false;
}

#define WITH_SIDES(test) cmocka_unit_test_setup_teardown(test, set_up, sides_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SIDES(all_cores_are_asked_and_fn_is_called_once_with_their_answers),
		WITH_SIDES(each_part_may_ask_its_own_question_of_any_core),
		WITH_SIDES(what_cannot_be_asked_is_refused_as_a_whole),
		WITH_SIDES(who_has_no_credit_stands_in_line_before_those_who_come_later),
		WITH_SIDES(the_line_and_those_who_are_told_take_turns),
		WITH_SIDES(when_the_time_is_up_the_answers_that_are_there_count),
		WITH_SIDES(answers_in_time_stop_the_clock),
		WITH_SIDES(a_stop_cancels_what_was_asked_and_what_stands_in_line),
		WITH_SIDES(a_broadcast_goes_to_all_or_to_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
