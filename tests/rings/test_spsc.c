/* SPDX-License-Identifier: MIT */
/*
 * test_spsc.c - the contract of the single-producer single-consumer core, which knows positions and
 * counts only. With elements: test_typed.c; random use: test_spsc_model.c; bells: test_notify.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <rings/ring_checks.h>
#include <support/skip.h>

/* Where the n-th slot from the start position on lies. */
static size_t index_of(const struct quoit_spsc *ring, uint64_t position)
{
	return (size_t)(position % quoit_spsc_capacity(ring));
}

/* Send `n` slots, however the wrap cuts them. */
static void produce(struct quoit_spsc *ring, size_t n)
{
	while (n) {
		size_t at;
		const size_t granted = quoit_spsc_reserve(ring, n, &at);

		assert_true(granted);
		quoit_spsc_commit(ring, granted);
		n -= granted;
	}
}

static void consume(struct quoit_spsc *ring, size_t n)
{
	while (n) {
		size_t at;
		const size_t found = quoit_min(quoit_spsc_readable(ring, &at), n);

		assert_true(found);
		quoit_spsc_advance(ring, found);
		n -= found;
	}
}

/* --- setting up ------------------------------------------------------------------------------ */

static void a_capacity_is_a_power_of_two_from_1_to_2_to_the_31(void **state)
{
	static const size_t bad[] = {0,
				     3,
				     5,
				     6,
				     7,
				     63,
				     65,
				     QUOIT_SPSC_CAPACITY_MAX - 1,
				     QUOIT_SPSC_CAPACITY_MAX + 1,
				     QUOIT_SPSC_CAPACITY_MAX * 2,
				     (size_t)1 << 63,
				     SIZE_MAX};
	struct quoit_spsc ring;

	(void)state;
	memset(&ring, 0xa5, sizeof(ring));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(quoit_spsc_init(&ring, bad[i]), -EINVAL);
		for (size_t byte = 0; byte < sizeof(ring); byte++)
			assert_int_equal(((unsigned char *)&ring)[byte], 0xa5);
	}
	for (size_t capacity = 1; capacity <= QUOIT_SPSC_CAPACITY_MAX; capacity *= 2) {
		assert_int_equal(quoit_spsc_init(&ring, capacity), 0);
		assert_int_equal(quoit_spsc_capacity(&ring), capacity);
	}
}

/* B14, B15, B16: who writes a line, and who else reads it. */
static void each_published_line_stands_alone(void **state)
{
	static const struct {
		const char *what;
		size_t offset;
	} lines[] = {
		{"tail", offsetof(struct quoit_spsc, tail)},
		{"the producer's own", offsetof(struct quoit_spsc, tail_own)},
		{"head", offsetof(struct quoit_spsc, head)},
		{"the consumer's own", offsetof(struct quoit_spsc, head_own)},
		{"what both read and nobody writes often", offsetof(struct quoit_spsc, notify)},
	};
	const size_t count = sizeof(lines) / sizeof(lines[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		print_message("%4zu  %s\n", lines[i].offset, lines[i].what);
		assert_int_equal(lines[i].offset, i * QUOIT_ISOLATION);
	}
	assert_int_equal(sizeof(struct quoit_spsc), count * QUOIT_ISOLATION);
	assert_int_equal(_Alignof(struct quoit_spsc), QUOIT_ISOLATION);
	/* Nothing of one side has slipped onto the next line. */
	assert_true(offsetof(struct quoit_spsc, bells_saved) + 8 <= lines[2].offset);
	assert_true(offsetof(struct quoit_spsc, bells_saved) > lines[1].offset);
	assert_true(offsetof(struct quoit_spsc, mask_consumer) > lines[3].offset);
	assert_true(offsetof(struct quoit_spsc, mask_consumer) + 8 <= lines[4].offset);
}

/* --- reserve and commit ---------------------------------------------------------------------- */

/* B19 */
static void check_reserve(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	const uint64_t start = ring->tail;

	for (size_t used = 0; used <= capacity; used++)
		for (size_t step = 0; step < capacity; step++) {
			const uint64_t tail = start + step + used;

			assert_int_equal(quoit_spsc_init_at(ring, capacity, start), 0);
			for (size_t i = 0; i < step; i++) {
				produce(ring, 1);
				consume(ring, 1);
			}
			produce(ring, used);
			for (size_t want = 0; want <= capacity + 2; want++) {
				const bool fits = want && want <= capacity - used;
				const size_t before_wrap = capacity - index_of(ring, tail);
				size_t at = 12345;
				const size_t granted = quoit_spsc_reserve(ring, want, &at);

				assert_int_equal(granted, fits ? quoit_min(want, before_wrap) : 0);
				assert_int_equal(at, fits ? index_of(ring, tail) : 12345);
			}
		}
}

static void reserve_grants_only_if_all_are_free_and_cuts_the_grant_at_the_wrap(void **state)
{
	(void)state;
	for_each_ring(check_reserve);
}

/* B19 */
static void check_reserve_some(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	const uint64_t start = ring->tail;

	for (size_t used = 0; used <= capacity; used++)
		for (size_t want = 0; want <= capacity + 2; want++) {
			const size_t before_wrap = capacity - index_of(ring, start + used);
			const size_t wanted = quoit_min(want, capacity - used);
			size_t at = 12345;
			size_t granted;

			assert_int_equal(quoit_spsc_init_at(ring, capacity, start), 0);
			produce(ring, used);
			granted = quoit_spsc_reserve_some(ring, want, &at);
			assert_int_equal(granted, quoit_min(wanted, before_wrap));
			assert_int_equal(at, granted ? index_of(ring, start + used) : 12345);
		}
}

static void reserve_some_grants_what_there_is(void **state)
{
	(void)state;
	for_each_ring(check_reserve_some);
}

/* B24 */
static void check_reserve_spans(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	const uint64_t start = ring->tail;

	for (size_t used = 0; used <= capacity; used++)
		for (size_t want = 0; want <= capacity + 2; want++) {
			const size_t before_wrap = capacity - index_of(ring, start + used);
			const size_t wanted = quoit_min(want, capacity - used);
			struct quoit_spans spans;

			assert_int_equal(quoit_spsc_init_at(ring, capacity, start), 0);
			produce(ring, used);
			spans = quoit_spsc_reserve_spans(ring, want);
			assert_int_equal(spans.n, quoit_min(wanted, before_wrap));
			assert_int_equal(spans.n + spans.rest, wanted);
			if (wanted)
				assert_int_equal(spans.at, index_of(ring, start + used));
			quoit_spsc_commit(ring, wanted);
			assert_int_equal(quoit_spsc_length(ring), used + wanted);
		}
}

static void reserved_spans_cover_both_sides_of_the_wrap(void **state)
{
	(void)state;
	for_each_ring(check_reserve_spans);
}

/* B20 */
static void check_commit_less(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);

	for (size_t want = 1; want <= capacity; want++) {
		size_t first, second;
		const size_t granted = quoit_spsc_reserve(ring, want, &first);

		assert_true(granted);
		quoit_spsc_commit(ring, 0);
		assert_int_equal(quoit_spsc_length(ring), 0);
		assert_int_equal(quoit_spsc_reserve(ring, want, &second), granted);
		assert_int_equal(second, first); /* nothing was used up */
		quoit_spsc_commit(ring, granted - 1);
		assert_int_equal(quoit_spsc_length(ring), granted - 1);
		produce(ring, 1);
		consume(ring, granted);
		assert_int_equal(quoit_spsc_length(ring), 0);
	}
}

static void what_is_not_committed_goes_back(void **state)
{
	(void)state;
	for_each_ring(check_commit_less);
}

/* B20 */
static void check_commit_later(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	size_t at;

	for (size_t n = 0; n < capacity; n++) {
		assert_int_equal(quoit_spsc_unpublished(ring), n);
		assert_int_equal(quoit_spsc_reserve(ring, 1, &at), 1);
		quoit_spsc_commit_later(ring, 1);
		assert_int_equal(quoit_spsc_length(ring), 0);
		assert_false(quoit_spsc_has_news(ring));
		assert_int_equal(quoit_spsc_readable(ring, &at), 0);
	}
	assert_int_equal(quoit_spsc_reserve(ring, 1, &at), 0); /* full, though nobody sees it */
	quoit_spsc_publish(ring);
	assert_int_equal(quoit_spsc_unpublished(ring), 0);
	assert_int_equal(quoit_spsc_length(ring), capacity);
	assert_true(quoit_spsc_has_news(ring));
	consume(ring, capacity);
	assert_int_equal(quoit_spsc_length(ring), 0);
	assert_int_equal(quoit_spsc_unpublished(ring), 0);
}

static void what_is_committed_for_later_is_hidden_until_published(void **state)
{
	(void)state;
	for_each_ring(check_commit_later);
}

/* A grant may be passed on piece by piece, and the last piece at once. */
static void check_commit_in_pieces(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);

	for (size_t round = 0; round < 3 * capacity; round++) {
		size_t at;
		const size_t granted = quoit_spsc_reserve(ring, capacity, &at);

		for (size_t n = 1; n < granted; n++)
			quoit_spsc_commit_later(ring, 1);
		assert_int_equal(quoit_spsc_length(ring), 0);
		quoit_spsc_commit(ring, 1);
		assert_int_equal(quoit_spsc_length(ring), granted);
		consume(ring, granted);
	}
}

static void a_commit_also_publishes_what_was_left_for_later(void **state)
{
	(void)state;
	for_each_ring(check_commit_in_pieces);
}

/* --- readable and advance -------------------------------------------------------------------- */

/* B26, B27 */
static void check_readable(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	const uint64_t start = ring->head;
	size_t at = 12345;

	assert_int_equal(quoit_spsc_readable(ring, &at), 0);
	assert_int_equal(at, 12345);
	for (size_t used = 1; used <= capacity; used++)
		for (size_t read = 0; read < used; read++) {
			const size_t before_wrap = capacity - index_of(ring, start + read);
			const size_t left = used - read;

			assert_int_equal(quoit_spsc_init_at(ring, capacity, start), 0);
			produce(ring, used);
			consume(ring, read);
			assert_int_equal(quoit_spsc_readable(ring, &at),
					 quoit_min(left, before_wrap));
			assert_int_equal(at, index_of(ring, start + read));
			for (size_t most = 0; most <= capacity + 1; most++) {
				const size_t n = quoit_min(most, left);
				const struct quoit_spans spans =
					quoit_spsc_readable_spans(ring, most);

				assert_int_equal(spans.n, quoit_min(n, before_wrap));
				assert_int_equal(spans.n + spans.rest, n);
				assert_int_equal(spans.at, index_of(ring, start + read));
			}
		}
}

static void readable_slots_end_at_the_wrap_and_spans_go_over_it(void **state)
{
	(void)state;
	for_each_ring(check_readable);
}

/* B27 */
static void check_advance_by_parts(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	size_t at;

	for (size_t round = 0; round < capacity + 2; round++) {
		produce(ring, capacity);
		for (size_t left = capacity; left; left--) {
			assert_int_equal(quoit_spsc_length(ring), left);
			assert_int_equal(quoit_spsc_reserve(ring, capacity - left + 1, &at), 0);
			assert_true(quoit_spsc_readable(ring, &at));
			quoit_spsc_advance(ring, 0);
			quoit_spsc_advance(ring, 1);
			assert_true(quoit_spsc_reserve(ring, capacity - left + 1, &at));
			quoit_spsc_commit(ring, 0);
		}
		assert_false(quoit_spsc_has_news(ring));
	}
}

static void each_slot_advanced_over_can_be_reserved_again(void **state)
{
	(void)state;
	for_each_ring(check_advance_by_parts);
}

/* --- closing --------------------------------------------------------------------------------- */

static void check_close(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	size_t at = 12345;

	assert_false(quoit_spsc_is_closed(ring));
	quoit_spsc_close(ring);
	quoit_spsc_close(ring); /* twice is once */
	assert_true(quoit_spsc_is_closed(ring));
	for (size_t want = 0; want <= capacity + 1; want++) {
		const struct quoit_spans spans = quoit_spsc_reserve_spans(ring, want);

		assert_int_equal(quoit_spsc_reserve(ring, want, &at), 0);
		assert_int_equal(quoit_spsc_reserve_some(ring, want, &at), 0);
		assert_int_equal(spans.n + spans.rest, 0);
	}
	assert_int_equal(at, 12345);
}

static void a_closed_ring_grants_nothing(void **state)
{
	(void)state;
	for_each_ring(check_close);
}

static void check_close_while_open(struct quoit_spsc *ring)
{
	size_t at;
	const size_t granted = quoit_spsc_reserve(ring, quoit_spsc_capacity(ring), &at);

	quoit_spsc_close(ring);
	quoit_spsc_commit(ring, granted);
	assert_int_equal(quoit_spsc_length(ring), granted);
	assert_false(quoit_spsc_is_drained(ring));
	quoit_spsc_finish(ring);
	assert_false(quoit_spsc_is_drained(ring));
	consume(ring, granted);
	assert_true(quoit_spsc_is_drained(ring));
}

static void an_open_reservation_may_be_committed_after_close(void **state)
{
	(void)state;
	for_each_ring(check_close_while_open);
}

static void check_finish(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	size_t at;

	produce(ring, capacity - 1);
	assert_int_equal(quoit_spsc_reserve(ring, 1, &at), 1);
	quoit_spsc_commit_later(ring, 1);
	assert_false(quoit_spsc_is_drained(ring));
	quoit_spsc_finish(ring);
	assert_true(quoit_spsc_is_closed(ring));
	assert_int_equal(quoit_spsc_length(ring), capacity);
	for (size_t left = capacity; left; left--) {
		assert_false(quoit_spsc_is_drained(ring));
		consume(ring, 1);
	}
	assert_true(quoit_spsc_is_drained(ring));
	assert_true(quoit_spsc_is_drained(ring));
}

static void finish_publishes_and_the_ring_is_drained_when_all_is_read(void **state)
{
	(void)state;
	for_each_ring(check_finish);
}

/* Closed alone is not the end: the producer may hold a reservation. */
static void check_closed_is_not_drained(struct quoit_spsc *ring)
{
	assert_false(quoit_spsc_is_drained(ring));
	quoit_spsc_close(ring);
	assert_false(quoit_spsc_is_drained(ring));
	quoit_spsc_finish(ring);
	assert_true(quoit_spsc_is_drained(ring));
}

static void a_ring_that_is_only_closed_is_not_drained(void **state)
{
	(void)state;
	for_each_ring(check_closed_is_not_drained);
}

/* --- broken contracts ------------------------------------------------------------------------ */

static void commit_too_many(struct quoit_spsc *ring)
{
	size_t at;
	const size_t granted = quoit_spsc_reserve(ring, 1, &at);

	quoit_spsc_commit(ring, granted + 1);
}

static void commit_twice(struct quoit_spsc *ring)
{
	size_t at;
	const size_t granted = quoit_spsc_reserve(ring, 2, &at);

	quoit_spsc_commit(ring, granted - 1);
	quoit_spsc_commit(ring, 1); /* what was not committed has gone back */
}

static void commit_later_too_many(struct quoit_spsc *ring)
{
	size_t at;

	(void)quoit_spsc_reserve(ring, 1, &at);
	quoit_spsc_commit_later(ring, 1);
	quoit_spsc_commit_later(ring, 1);
}

static void advance_too_far(struct quoit_spsc *ring)
{
	size_t at;

	(void)quoit_spsc_reserve(ring, 1, &at);
	quoit_spsc_commit(ring, 1);
	(void)quoit_spsc_readable(ring, &at);
	quoit_spsc_advance(ring, 2);
}

static void breaking_the_contract_stops_the_process(void **state)
{
	static void (*const breaches[])(struct quoit_spsc *) = {
		commit_too_many,
		commit_twice,
		commit_later_too_many,
		advance_too_far,
	};

	(void)state;
	if (QUOIT_CONFIG_ASSERT < 2)
		skip_because("hot contracts are checked with CONFIG_ASSERT=2 only");
	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		struct quoit_spsc ring;

		assert_int_equal(quoit_spsc_init(&ring, 8), 0);
		assert_true(aborts(breaches[i], &ring));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capacity_is_a_power_of_two_from_1_to_2_to_the_31),
		cmocka_unit_test(each_published_line_stands_alone),
		cmocka_unit_test(
			reserve_grants_only_if_all_are_free_and_cuts_the_grant_at_the_wrap),
		cmocka_unit_test(reserve_some_grants_what_there_is),
		cmocka_unit_test(reserved_spans_cover_both_sides_of_the_wrap),
		cmocka_unit_test(what_is_not_committed_goes_back),
		cmocka_unit_test(what_is_committed_for_later_is_hidden_until_published),
		cmocka_unit_test(a_commit_also_publishes_what_was_left_for_later),
		cmocka_unit_test(readable_slots_end_at_the_wrap_and_spans_go_over_it),
		cmocka_unit_test(each_slot_advanced_over_can_be_reserved_again),
		cmocka_unit_test(a_closed_ring_grants_nothing),
		cmocka_unit_test(an_open_reservation_may_be_committed_after_close),
		cmocka_unit_test(finish_publishes_and_the_ring_is_drained_when_all_is_read),
		cmocka_unit_test(a_ring_that_is_only_closed_is_not_drained),
		cmocka_unit_test(breaking_the_contract_stops_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
