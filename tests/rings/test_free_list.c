/* SPDX-License-Identifier: MIT */
/*
 * test_free_list.c - the list beneath the pools, by itself: many at a time, and handles that are
 * stale or another list's. Threads are in stress/ and model/, what pools make of it in
 * test_shared_pool.c and test_buffer_pool.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include <quoit/rings/free_list.h>

#define COUNT 5

struct fixture {
	struct quoit_free_list list;
	struct quoit_free_slot slots[COUNT];
};

static void start(struct fixture *f)
{
	*f = (struct fixture){0};
	assert_int_equal(quoit_free_list_init(&f->list, f->slots, sizeof(f->slots[0]), COUNT,
					      quoit_free_list_seed()),
			 0);
}

static void many_are_taken_and_given_back_in_one_piece(void **state)
{
	struct fixture f;
	uint32_t handles[COUNT + 1], more;

	(void)state;
	start(&f);
	assert_int_equal(quoit_free_list_take_many(&f.list, handles, 2), 2);
	assert_int_equal(quoit_free_list_take_many(&f.list, &handles[2], COUNT), COUNT - 2);
	assert_int_equal(quoit_free_list_take_many(&f.list, &more, 1), 0);
	assert_false(quoit_free_list_take(&f.list, &more));
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(quoit_free_list_index(&f.list, handles[i]), i);
		assert_true(quoit_free_list_is_taken(&f.list, handles[i]));
	}
	handles[COUNT] = handles[1]; /* twice: refused, and the others are not */
	assert_int_equal(quoit_free_list_give_many(&f.list, handles, COUNT + 1), -EALREADY);
	assert_int_equal(quoit_free_list_available(&f.list), COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		assert_false(quoit_free_list_is_taken(&f.list, handles[i]));
}

/* Defect D-31: a slot that is given back twice would be handed to two owners. */
static void a_handle_is_good_once(void **state)
{
	struct fixture f;
	uint32_t first = 0, second = 0;

	(void)state;
	start(&f);
	assert_true(quoit_free_list_take(&f.list, &first));
	assert_int_equal(quoit_free_list_give(&f.list, first), 0);
	assert_int_equal(quoit_free_list_give(&f.list, first), -EALREADY);
	assert_true(quoit_free_list_take(&f.list, &second));
	assert_int_equal(quoit_free_list_index(&f.list, second),
			 quoit_free_list_index(&f.list, first));
	assert_int_not_equal(second, first);
	assert_int_equal(quoit_free_list_give(&f.list, first), -EALREADY); /* stale */
	assert_true(quoit_free_list_is_taken(&f.list, second));
	assert_int_equal(quoit_free_list_give(&f.list, 0), -EINVAL);
	assert_int_equal(quoit_free_list_give(&f.list, QUOIT_HANDLE_INVALID), -EINVAL);
	assert_int_equal(quoit_free_list_available(&f.list), COUNT - 1);
}

static void no_two_lists_are_seeded_alike(void **state)
{
	struct fixture one, other;
	uint32_t of_one = 0, of_other;

	(void)state;
	assert_int_not_equal(quoit_free_list_seed(), quoit_free_list_seed());
	start(&one);
	start(&other);
	assert_true(quoit_free_list_take(&one.list, &of_one));
	assert_true(quoit_free_list_take(&other.list, &of_other));
	assert_int_not_equal(of_one, of_other);
	assert_false(quoit_free_list_is_taken(&other.list, of_one));
}

/* On the heap, so that the address sanitizer sees a look beyond the last slot. */
static void a_handle_of_the_slot_behind_the_last_one_is_none(void **state)
{
	struct quoit_free_slot *const slots = calloc(COUNT, sizeof(*slots));
	struct quoit_free_list list;
	uint32_t handle = 0;

	(void)state;
	assert_non_null(slots);
	assert_int_equal(quoit_free_list_init(&list, slots, sizeof(*slots), COUNT, 1), 0);
	assert_true(quoit_free_list_take(&list, &handle));
	assert_int_equal(quoit_free_list_index(&list, COUNT + 1), COUNT);
	assert_false(quoit_free_list_is_taken(&list, COUNT + 1));
	assert_int_equal(quoit_free_list_give(&list, COUNT + 1), -EINVAL);
	free(slots);
}

static void a_list_has_as_many_slots_as_it_may(void **state)
{
	const size_t most = QUOIT_FREE_LIST_MOST;
	struct quoit_free_slot *const slots = calloc(most, sizeof(*slots));
	struct quoit_free_list list;

	(void)state;
	assert_non_null(slots);
	assert_int_equal(quoit_free_list_init(&list, slots, sizeof(*slots), most + 1, 1), -EINVAL);
	assert_int_equal(quoit_free_list_init(&list, slots, sizeof(*slots), 0, 1), -EINVAL);
	assert_int_equal(quoit_free_list_init(&list, slots, 8, most, 1), -EINVAL);
	assert_int_equal(quoit_free_list_init(&list, slots, 20, most / 2, 1), -EINVAL);
	assert_int_equal(quoit_free_list_init(&list, slots, sizeof(*slots), most, 1), 0);
	assert_int_equal(quoit_free_list_available(&list), most);
	free(slots);
}

/* More than go on top in one piece. */
static void batches_longer_than_a_piece_come_back_whole(void **state)
{
	enum {
		MANY = QUOIT_FREE_LIST_BATCH * 2 + 1
	};
	struct quoit_free_slot *const slots = calloc(MANY, sizeof(*slots));
	uint32_t *const handles = calloc(MANY, sizeof(*handles));
	struct quoit_free_list list;

	(void)state;
	assert_non_null(slots);
	assert_non_null(handles);
	assert_int_equal(quoit_free_list_init(&list, slots, sizeof(*slots), MANY, 1), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(quoit_free_list_take_many(&list, handles, MANY), MANY);
		assert_int_equal(quoit_free_list_available(&list), 0);
		assert_int_equal(quoit_free_list_give_many(&list, handles, MANY), 0);
		assert_int_equal(quoit_free_list_available(&list), MANY);
	}
	free(handles);
	free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_are_taken_and_given_back_in_one_piece),
		cmocka_unit_test(a_handle_is_good_once),
		cmocka_unit_test(no_two_lists_are_seeded_alike),
		cmocka_unit_test(a_handle_of_the_slot_behind_the_last_one_is_none),
		cmocka_unit_test(a_list_has_as_many_slots_as_it_may),
		cmocka_unit_test(batches_longer_than_a_piece_come_back_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
