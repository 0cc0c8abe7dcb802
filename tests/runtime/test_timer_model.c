/* SPDX-License-Identifier: MIT */
/*
 * test_timer_model.c - the timing wheel against a model that knows nothing of wheels.
 *
 * Time is a number here: nothing sleeps, and no test looks at the clock. Every test prints its
 * seed; SEED=n runs it again with it.
 */
#include <quoit/runtime/timer.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define TICK_NS (UINT64_C(1) << QUOIT_TIMER_TICK_SHIFT)

static uint64_t random_state;

/* splitmix64 (Vigna) */
static uint64_t random_u64(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t random_below(uint64_t n)
{
	return random_u64() % n;
}

/* Every order of magnitude up to `bits` bits is equally likely. */
static uint64_t random_span(unsigned bits)
{
	return random_u64() >> (64 - 1 - random_below(bits));
}

static void seed_random(const char *test)
{
	const char *const given = getenv("SEED");

	random_state = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	print_message("%s: SEED=%llu\n", test, (unsigned long long)random_state);
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The moment from which a timer must fire, found by division instead of shifts; 0 if none. */
static bool fires_at(uint64_t deadline_ns, uint64_t *at_ns)
{
	const uint64_t over = deadline_ns % TICK_NS;

	if (over && deadline_ns > UINT64_MAX - (TICK_NS - over))
		return false;
	*at_ns = over ? deadline_ns + (TICK_NS - over) : deadline_ns;
	return true;
}

/* The model is an array that is searched, beside the wheel that is tested. */

enum {
	MODEL_TIMERS = 200
};

struct model_timer {
	struct quoit_timer timer;
	bool armed;
	bool was_ahead; /* started with a deadline that was not due at once: has a place in order */
	uint64_t deadline_ns;
	uint64_t started; /* count of starts by then */
	uint64_t pass;	  /* pass in which it was started */
};

struct model {
	struct quoit_timers wheel;
	struct model_timer timers[MODEL_TIMERS];
	uint64_t now_ns;
	uint64_t starts;
	uint64_t pass;
	size_t fired;
	size_t meddling; /* percentage of callbacks that start and stop other timers */
	uint64_t last_at_ns, last_started;
};

static void model_fire(struct quoit_timer *t, void *ctx);

static void model_start(struct model *m, size_t i, uint64_t deadline_ns)
{
	struct model_timer *const mt = &m->timers[i];
	uint64_t at_ns;

	mt->armed = true;
	mt->deadline_ns = deadline_ns;
	mt->started = ++m->starts;
	mt->pass = m->pass;
	mt->was_ahead = fires_at(deadline_ns, &at_ns) && at_ns > m->now_ns;
	quoit_timers_start(&m->wheel, &mt->timer, deadline_ns, model_fire, m);
	assert_true(quoit_timer_armed(&mt->timer));
}

static void model_stop(struct model *m, size_t i)
{
	assert_int_equal(quoit_timers_stop(&m->wheel, &m->timers[i].timer), m->timers[i].armed);
	assert_false(quoit_timer_armed(&m->timers[i].timer));
	m->timers[i].armed = false;
}

static void model_meddle(struct model *m)
{
	const size_t i = random_below(MODEL_TIMERS);

	switch (random_below(8)) {
	case 0:
		model_stop(m, i);
		break;
	case 1:
		model_start(m, i, m->now_ns - quoit_min(m->now_ns, random_span(64)));
		break;
	case 2: /* several in one tick */
		model_start(m, i, add_saturated(m->now_ns, 3 * TICK_NS + random_below(TICK_NS)));
		break;
	case 3: /* exactly on the edge of a slot of some level */
		model_start(m, i,
			    add_saturated(m->now_ns, random_span(64)) &
				    ~((TICK_NS << 6 * random_below(8)) - 1));
		break;
	default:
		model_start(m, i, add_saturated(m->now_ns, random_span(random_below(64) + 1)));
	}
}

static void model_fire(struct quoit_timer *t, void *ctx)
{
	struct model *const m = ctx;
	struct model_timer *const mt = quoit_container_of(t, struct model_timer, timer);
	uint64_t at_ns = 0;

	assert_true(mt->armed);
	assert_true(mt->deadline_ns <= m->now_ns);
	assert_true(mt->pass < m->pass); /* started before this pass, not by a callback of it */
	assert_false(quoit_timer_armed(t));
	mt->armed = false;
	m->fired++;
	if (mt->was_ahead) {
		assert_true(fires_at(mt->deadline_ns, &at_ns));
		assert_true(at_ns > m->last_at_ns ||
			    (at_ns == m->last_at_ns && mt->started > m->last_started));
		m->last_at_ns = at_ns;
		m->last_started = mt->started;
	}
	while (random_below(100) < m->meddling)
		model_meddle(m);
}

/* What next_ns() may say: never past the first moment at which a timer must fire. */
static void model_check_next(const struct model *m)
{
	uint64_t first_ns = UINT64_MAX, at_ns;
	bool any = false;

	for (size_t i = 0; i < MODEL_TIMERS; i++) {
		assert_int_equal(m->timers[i].armed, quoit_timer_armed(&m->timers[i].timer));
		if (m->timers[i].armed && fires_at(m->timers[i].deadline_ns, &at_ns)) {
			any = true;
			first_ns = quoit_min(first_ns, at_ns);
		}
	}
	if (any) /* what is due already only has to be in the past */
		assert_true(quoit_timers_next_ns(&m->wheel) <= quoit_max(first_ns, m->now_ns));
	else
		assert_int_equal(quoit_timers_next_ns(&m->wheel), UINT64_MAX);
}

static void model_expire(struct model *m, uint64_t now_ns, size_t budget)
{
	const size_t fired_before = m->fired;
	size_t left = 0;
	uint64_t at_ns;

	m->now_ns = now_ns;
	m->pass++;

	const size_t ran = quoit_timers_expire(&m->wheel, now_ns, budget);

	assert_int_equal(ran, m->fired - fired_before);
	assert_true(ran <= budget);
	for (size_t i = 0; i < MODEL_TIMERS; i++) {
		const struct model_timer *const mt = &m->timers[i];

		left += mt->armed && mt->pass < m->pass && fires_at(mt->deadline_ns, &at_ns) &&
			at_ns <= now_ns;
	}
	if (ran < budget)
		assert_int_equal(left, 0);
	model_check_next(m);
	m->pass++;
}

static struct model *model_create(uint64_t now_ns, size_t meddling)
{
	struct model *const m = test_calloc(1, sizeof(*m));

	m->now_ns = now_ns;
	m->pass = 1;
	m->meddling = meddling;
	quoit_timers_init(&m->wheel, now_ns);
	return m;
}

static void a_wheel_under_random_use_agrees_with_a_searched_array(void **state)
{
	size_t fired = 0;

	(void)state;
	seed_random(__func__);
	for (int round = 0; round < 60; round++) {
		struct model *const m = model_create(round % 3 ? random_span(63) : 0, 60);

		for (int step = 0; step < 1500; step++) {
			const size_t budget = random_below(4) ? SIZE_MAX : random_below(5);
			const uint64_t next_ns = quoit_timers_next_ns(&m->wheel);
			uint64_t now_ns = m->now_ns;

			switch (random_below(8)) {
			case 0: /* just before it is asked for, nothing has to happen */
				if (next_ns > now_ns && next_ns < UINT64_MAX)
					now_ns = next_ns - 1;
				break;
			case 1:
			case 2:
				if (next_ns > now_ns && next_ns < UINT64_MAX)
					now_ns = next_ns;
				break;
			case 3:
				now_ns = add_saturated(now_ns, random_span(40));
				break;
			default:
				model_meddle(m);
				model_check_next(m);
				continue;
			}
			model_expire(m, now_ns, budget);
		}
		fired += m->fired;
		test_free(m);
	}
	assert_true(fired > 1000); /* the test did test something */
}

/* Whoever sleeps until next_ns() each time gets there: in few steps, and not too late. */
static void sleeping_until_next_fires_every_timer_in_its_own_tick(void **state)
{
	(void)state;
	seed_random(__func__);
	for (int round = 0; round < 200; round++) {
		struct model *const m = model_create(random_span(60), 0);
		size_t fires = 0, steps = 0;
		uint64_t at_ns;

		for (size_t i = 0; i < MODEL_TIMERS; i++)
			model_start(m, i, add_saturated(m->now_ns, 1 + random_span(63)));
		for (size_t i = 0; i < MODEL_TIMERS; i += 3)
			model_stop(m, i);
		for (size_t i = 0; i < MODEL_TIMERS; i++)
			fires += m->timers[i].armed && fires_at(m->timers[i].deadline_ns, &at_ns);
		for (uint64_t next_ns; (next_ns = quoit_timers_next_ns(&m->wheel)) != UINT64_MAX;
		     steps++) {
			const uint64_t before_ns = m->now_ns;

			assert_true(next_ns > before_ns);
			model_expire(m, next_ns, SIZE_MAX);
			assert_true(steps <= fires * QUOIT__TIMER_LEVELS + MODEL_TIMERS);
		}
		assert_int_equal(m->fired, fires);
		test_free(m);
	}
}

static void a_timer_alone_is_asked_for_exactly_once(void **state)
{
	(void)state;
	seed_random(__func__);
	for (unsigned bits = QUOIT_TIMER_TICK_SHIFT; bits < 63; bits++) {
		struct model *const m = model_create(random_span(63), 0);
		const uint64_t deadline_ns = m->now_ns + (UINT64_C(1) << bits) + random_span(bits);
		uint64_t at_ns = 0;

		model_start(m, 0, deadline_ns);
		assert_true(fires_at(deadline_ns, &at_ns));
		assert_int_equal(quoit_timers_next_ns(&m->wheel), at_ns);
		model_expire(m, at_ns - 1, SIZE_MAX);
		assert_int_equal(m->fired, 0);
		assert_int_equal(quoit_timers_next_ns(&m->wheel), at_ns);
		model_expire(m, at_ns, SIZE_MAX);
		assert_int_equal(m->fired, 1);
		assert_int_equal(quoit_timers_next_ns(&m->wheel), UINT64_MAX);
		test_free(m);
	}
}

static void count_one(struct quoit_timer *t, void *ctx)
{
	size_t *const fired = ctx;

	(void)t;
	++*fired;
}

static void a_million_timers_fire_once_each(void **state)
{
	enum {
		MANY = 1000000
	};
	struct quoit_timers *const w = test_malloc(sizeof(*w));
	struct quoit_timer *const timers = test_calloc(MANY, sizeof(*timers));
	size_t fired = 0;
	uint64_t now_ns = 0;
	size_t stopped = 0, ran = 0;

	(void)state;
	seed_random(__func__);
	quoit_timers_init(w, now_ns);
	for (size_t i = 0; i < MANY; i++)
		quoit_timers_start(w, &timers[i], random_span(40), count_one, &fired);
	for (size_t i = 0; i < MANY; i += 10)
		stopped += quoit_timers_stop(w, &timers[i]);
	for (size_t i = 5; i < MANY; i += 10)
		quoit_timers_start(w, &timers[i], random_span(36), count_one, &fired);
	while ((now_ns = quoit_timers_next_ns(w)) != UINT64_MAX)
		ran += quoit_timers_expire(w, now_ns + random_span(30), 10000);
	assert_int_equal(stopped, MANY / 10);
	assert_int_equal(ran, MANY - stopped);
	assert_int_equal(fired, MANY - stopped);
	for (size_t i = 0; i < MANY; i++)
		assert_false(quoit_timer_armed(&timers[i]));
	test_free(timers);
	test_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_alone_is_asked_for_exactly_once),
		cmocka_unit_test(sleeping_until_next_fires_every_timer_in_its_own_tick),
		cmocka_unit_test(a_wheel_under_random_use_agrees_with_a_searched_array),
		cmocka_unit_test(a_million_timers_fire_once_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
