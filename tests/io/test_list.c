/* SPDX-License-Identifier: MIT */
/* test_list.c - queues of objects that carry their own link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <quoit/io/list_internal.h>

#define ITEMS 6

static struct quoit_link list, other, items[ITEMS];

static int clear(void **state)
{
	(void)state;
	quoit_link_init(&list);
	quoit_link_init(&other);
	for (unsigned i = 0; i < ITEMS; i++)
		quoit_link_init(&items[i]);
	return 0;
}

/* Take everything: the items' numbers as digits, the first one leading. */
static unsigned drain(struct quoit_link *from)
{
	unsigned digits = 0;
	struct quoit_link *link;

	while ((link = quoit_link_take(from))) {
		assert_false(quoit_link_is_in(link));
		digits = digits * 10 + (unsigned)(link - items);
	}
	assert_false(quoit_link_is_in(from));
	return digits;
}

static void what_is_appended_first_is_taken_first(void **state)
{
	(void)state;
	assert_null(quoit_link_take(&list));
	for (unsigned i = 1; i < ITEMS; i++)
		quoit_link_append(&list, &items[i]);
	assert_int_equal(drain(&list), 12345);
}

static void an_item_is_in_a_list_once_however_often_it_is_appended(void **state)
{
	(void)state;
	quoit_link_append(&list, &items[1]);
	quoit_link_append(&list, &items[2]);
	quoit_link_append(&list, &items[1]);
	quoit_link_append(&other, &items[2]); /* nor is it taken out of the one it is in */
	assert_int_equal(drain(&other), 0);
	assert_int_equal(drain(&list), 12);
}

static void an_item_leaves_from_anywhere(void **state)
{
	(void)state;
	for (unsigned i = 1; i < ITEMS; i++)
		quoit_link_append(&list, &items[i]);
	quoit_link_remove(&items[1]);
	quoit_link_remove(&items[3]);
	quoit_link_remove(&items[5]);
	quoit_link_remove(&items[5]); /* it is in none any more */
	quoit_link_append(&list, &items[1]);
	assert_int_equal(drain(&list), 241);
}

static void moving_all_leaves_an_empty_list_for_what_comes_meanwhile(void **state)
{
	(void)state;
	quoit_link_move_all(&list, &other);
	assert_int_equal(drain(&other), 0);
	for (unsigned i = 1; i < 4; i++)
		quoit_link_append(&list, &items[i]);
	quoit_link_move_all(&list, &other);
	assert_false(quoit_link_is_in(&list));
	assert_ptr_equal(quoit_link_take(&other), &items[1]);
	quoit_link_append(&list, &items[1]);
	quoit_link_remove(&items[3]); /* from the list that it was moved to */
	assert_int_equal(drain(&other), 2);
	assert_int_equal(drain(&list), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_appended_first_is_taken_first, clear),
		cmocka_unit_test_setup(an_item_is_in_a_list_once_however_often_it_is_appended,
				       clear),
		cmocka_unit_test_setup(an_item_leaves_from_anywhere, clear),
		cmocka_unit_test_setup(moving_all_leaves_an_empty_list_for_what_comes_meanwhile,
				       clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
