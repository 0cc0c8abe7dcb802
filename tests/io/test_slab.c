/* SPDX-License-Identifier: MIT */
/* test_slab.c - slots, generations, and names of what has gone; and the words of user_data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/io/slab_internal.h>

#define MOST 100

struct thing {
	struct quoit_op_owner owner;
	char rest[116];
};

static struct quoit_slab slab;

static int open_slab(void **state)
{
	struct quoit_reason why;

	(void)state;
	return quoit_slab_open(&slab, sizeof(struct thing), MOST, -1, &why);
}

static int close_slab(void **state)
{
	(void)state;
	quoit_slab_close(&slab);
	return 0;
}

static void as_many_slots_as_asked_for_and_not_one_more(void **state)
{
	struct quoit_op_owner *owners[MOST];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MOST; i++) {
			owners[i] = quoit_slab_take(&slab);
			assert_non_null(owners[i]);
			memset((char *)owners[i] + sizeof(*owners[i]), 0xee,
			       sizeof(struct thing) - sizeof(*owners[i]));
			for (unsigned before = 0; before < i; before++)
				assert_ptr_not_equal(owners[before], owners[i]);
		}
		assert_null(quoit_slab_take(&slab));
		assert_int_equal(slab.live, MOST);
		for (unsigned i = 0; i < MOST; i++) {
			assert_ptr_equal(quoit_slab_at(&slab, owners[i]->slot), owners[i]);
			quoit_slab_give(&slab, owners[i]);
		}
		assert_int_equal(slab.live, 0);
	}
}

static void the_slot_given_back_last_is_taken_next(void **state)
{
	struct quoit_op_owner *first = quoit_slab_take(&slab);
	struct quoit_op_owner *second = quoit_slab_take(&slab);

	(void)state;
	quoit_slab_give(&slab, first);
	quoit_slab_give(&slab, second);
	assert_ptr_equal(quoit_slab_take(&slab), second);
	assert_ptr_equal(quoit_slab_take(&slab), first);
	quoit_slab_give(&slab, first);
	quoit_slab_give(&slab, second);
}

static void a_name_finds_its_object_only_as_long_as_it_lives(void **state)
{
	struct quoit_op_owner *owner = quoit_slab_take(&slab);
	const uint32_t slot = owner->slot;
	const uint32_t old = owner->generation;

	(void)state;
	assert_ptr_equal(quoit_slab_find(&slab, slot, old), owner);
	assert_null(quoit_slab_find(&slab, slot, old + 1));
	assert_null(quoit_slab_find(&slab, slot, old - 1));
	assert_null(quoit_slab_find(&slab, slot + 1, old)); /* never used */
	assert_null(quoit_slab_find(&slab, MOST, old));
	assert_null(quoit_slab_find(&slab, UINT32_MAX, old));
	assert_null(quoit_slab_find(&slab, slot, 0));
	quoit_slab_give(&slab, owner);
	assert_null(quoit_slab_find(&slab, slot, old));
	assert_null(quoit_slab_find(&slab, slot, old + 1)); /* the generation of a free slot */
	owner = quoit_slab_take(&slab);
	assert_int_equal(owner->slot, slot);
	assert_null(quoit_slab_find(&slab, slot, old));
	assert_ptr_equal(quoit_slab_find(&slab, slot, owner->generation), owner);
	assert_int_equal(owner->pending, 0); /* not the free list's word */
	quoit_slab_give(&slab, owner);
}

static void user_data_holds_kind_generation_and_slot_and_looks_like_no_pointer(void **state)
{
	static const uint32_t words[] = {0, 1, 0x7fffff, 0x800000, 0xffffff, 0x1000000, UINT32_MAX};
	const size_t n = sizeof(words) / sizeof(*words);

	(void)state;
	for (unsigned kind = QUOIT_OP_BELL_HEARD; kind < QUOIT_OP_KIND_END; kind++)
		for (size_t i = 0; i < n * n; i++) {
			const struct quoit_op_owner owner = {.generation = words[i / n],
							     .slot = words[i % n]};
			const uint64_t data = quoit_op_data((enum quoit_op_kind)kind, &owner);

			assert_int_equal(quoit_op_kind(data), kind);
			assert_int_equal(quoit_op_generation(data),
					 owner.generation & QUOIT_OP_GENERATION_MASK);
			assert_int_equal(quoit_op_slot(data), owner.slot);
			assert_true(data >> 63); /* no pointer of a user */
			assert_true(data != UINT64_MAX);
		}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_slab, close_slab)
	const struct CMUnitTest tests[] = {
		CASE(as_many_slots_as_asked_for_and_not_one_more),
		CASE(the_slot_given_back_last_is_taken_next),
		CASE(a_name_finds_its_object_only_as_long_as_it_lives),
		cmocka_unit_test(
			user_data_holds_kind_generation_and_slot_and_looks_like_no_pointer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
