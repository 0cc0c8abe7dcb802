/* SPDX-License-Identifier: MIT */
/*
 * test_loop_sleep.c - what a loop does before it sleeps, with a publisher that comes at the worst
 * moment: on the same thread, from inside the steps of the turn.
 *
 * The loop is given five seconds of sleep. Whoever uses them up slept beside an item.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <quoit/rings/spsc.h>
#include <quoit/runtime/loop_internal.h>

#include <support/skip.h>

#define GUARD_NS 5000000000ull

/* Where in the turn the publisher strikes. */
enum moment {
	BEFORE_ARMING,
	BEFORE_THE_LOOK,
	AFTER_THE_LOOK,
	NEVER,
};

struct fixture {
	struct quoit_source source;
	struct quoit_spsc ring;
	struct quoit_loop loop;
	struct quoit_bell bells[1];
	struct quoit_timer guard;
	enum moment moment;
	uint64_t from_turn; /* not before this turn */
	size_t sent, received;
	bool overslept;
	uint32_t armed_when_looking;
};

static void strike(struct fixture *f, enum moment moment)
{
	size_t at;

	if (f->moment != moment || f->loop.counts.turns < f->from_turn)
		return;
	f->moment = NEVER;
	f->sent += quoit_spsc_reserve(&f->ring, 1, &at);
	quoit_spsc_commit(&f->ring, 1);
}

static size_t dispatch(struct quoit_source *source, size_t budget)
{
	struct fixture *f = quoit_container_of(source, struct fixture, source);
	size_t at;
	const size_t n = quoit_min(budget, quoit_spsc_readable(&f->ring, &at));

	quoit_spsc_advance(&f->ring, n);
	f->received += n;
	return n;
}

static bool has_news(struct quoit_source *source)
{
	struct fixture *f = quoit_container_of(source, struct fixture, source);
	bool news;

	f->armed_when_looking = quoit_load(&f->loop.wake.armed);
	strike(f, BEFORE_THE_LOOK);
	news = quoit_spsc_has_news(&f->ring);
	strike(f, AFTER_THE_LOOK);
	return news;
}

static bool expects_news(const struct quoit_source *source)
{
	(void)source;
	return false;
}

static void flush(struct quoit_source *source)
{
	strike(quoit_container_of(source, struct fixture, source), BEFORE_ARMING);
}

static void guard_fired(struct quoit_timer *timer, void *ctx)
{
	struct fixture *f = ctx;

	(void)timer;
	f->overslept = true;
}

static int set_up(void **state)
{
	struct quoit_reason why = {0};
	static struct fixture fixture;
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	f->moment = NEVER;
	f->source = (struct quoit_source){.dispatch = dispatch,
					  .has_news = has_news,
					  .expects_news = expects_news,
					  .flush = flush};
	*state = NULL;
	if (quoit_loop_open(&f->loop, 64, -1, f->bells, 1, &why) < 0) {
		print_message("io_uring: %s\n", why.text);
		return 0;
	}
	if (quoit_spsc_init(&f->ring, 8) < 0)
		return -1;
	quoit_spsc_attach(&f->ring, &f->loop.notify);
	quoit_loop_add_source(&f->loop, &f->source);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	quoit_timers_stop(&f->loop.timers, &f->guard);
	quoit_loop_silence_bell(&f->loop);
	while (!quoit_loop_bell_is_silent(&f->loop))
		quoit_loop_turn(&f->loop, false);
	quoit_loop_close(&f->loop);
	quoit_loop_close_bell(&f->loop);
	return 0;
}

/* Turn until what is sent at that moment was received, or the loop has slept through it. */
static void strike_and_turn(struct fixture *f, enum moment moment, uint64_t from_turn)
{
	f->moment = moment;
	f->from_turn = from_turn;
	quoit_timers_start(&f->loop.timers, &f->guard, f->loop.now_ns + GUARD_NS, guard_fired, f);
	while ((f->moment != NEVER || f->received < f->sent) && !f->overslept)
		quoit_loop_turn(&f->loop,
				f->moment != NEVER); /* with it received, nothing is left */
	quoit_timers_stop(&f->loop.timers, &f->guard);
	assert_false(f->overslept);
	assert_int_equal(f->moment, NEVER);
	assert_int_equal(f->received, f->sent);
	assert_int_equal(f->loop.wake.armed, 0); /* awake: nobody need ring */
}

static struct fixture *fixture_or_skip(void **state)
{
	if (!*state)
		skip_because("io_uring is refused");
	return *state;
}

/* --- the tests ------------------------------------------------------------------------------- */

static void an_item_published_before_the_flag_is_up_is_seen_by_the_last_look(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (int i = 0; i < 3; i++) {
		strike_and_turn(f, BEFORE_ARMING, 0);
		strike_and_turn(f, BEFORE_THE_LOOK, 0);
	}
	assert_int_equal(f->loop.counts.sleeps, 0);
}

static void an_item_published_after_the_last_look_rings(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (uint64_t i = 1; i <= 3; i++) {
		strike_and_turn(f, AFTER_THE_LOOK, 0);
		assert_int_equal(f->armed_when_looking, 1);
		assert_int_equal(f->ring.bells_rung, i);
		assert_true(f->loop.counts.sleeps >= i);
	}
	assert_true(f->loop.counts.bells_heard);
}

/* The poll on the bell may end: the completion queue was full, or somebody cancelled it. */
static void a_bell_whose_poll_has_ended_is_polled_again_before_the_loop_sleeps(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (int i = 0; i < 3; i++) {
		quoit_loop_turn(&f->loop, false);
		assert_true(f->loop.bell_armed);
		assert_int_equal(
			quoit_uring_cancel(&f->loop.uring,
					   quoit_op_data(QUOIT_OP_BELL_HEARD, &f->loop.bell),
					   QUOIT_OP_CANCEL_BELL, &f->loop.bell),
			0);
		quoit_loop_turn(&f->loop, false); /* submits it; the next turn hears the end */
		strike_and_turn(f, AFTER_THE_LOOK, f->loop.counts.turns + 1);
	}
}

/* The kernel could not store a completion: the bell is polled once more, and both polls must end.
 */
static void a_loop_that_lost_a_completion_still_falls_silent(void **state)
{
	struct fixture *f = fixture_or_skip(state);

	for (unsigned lost = 0; lost < 2; lost++) {
		quoit_loop_turn(&f->loop, false);
		f->loop.uring.lost = true;
		quoit_loop_turn(&f->loop, false);
		assert_int_equal(f->loop.bell.pending, 2);
		if (lost) { /* and what was lost was the end of a third one */
			f->loop.uring.counts.dropped_resyncs = 1;
			f->loop.bell.pending++;
		}
		quoit_loop_silence_bell(&f->loop);
		for (unsigned turns = 0; turns < 20; turns++)
			quoit_loop_turn(&f->loop, false);
		assert_true(quoit_loop_bell_is_silent(&f->loop));
		f->loop.closing = false;
		f->loop.bell_armed = false;
	}
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(an_item_published_before_the_flag_is_up_is_seen_by_the_last_look),
		WITH_FIXTURE(an_item_published_after_the_last_look_rings),
		WITH_FIXTURE(a_bell_whose_poll_has_ended_is_polled_again_before_the_loop_sleeps),
		WITH_FIXTURE(a_loop_that_lost_a_completion_still_falls_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
