/* SPDX-License-Identifier: MIT */
/*
 * test_typed.c - the contract of typed rings, over elements of 1 to 200 bytes. What is tested is in
 * typed_contract.h; SEED=n repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <quoit/rings/typed.h>

#include <rings/ring_checks.h>
#include <support/random.h>

static struct random randomness;

/* Filled by main(): consecutive bytes differ, and so do the starts of consecutive elements. */
static unsigned char pattern[251 + 200];

static const unsigned char *bytes_of(uint64_t number)
{
	return pattern + number * 13 % 251;
}

#define ELEMENT_BYTES 1
#include <rings/typed_contract.h>
#define ELEMENT_BYTES 4
#include <rings/typed_contract.h>
#define ELEMENT_BYTES 8
#include <rings/typed_contract.h>
#define ELEMENT_BYTES 12
#include <rings/typed_contract.h>
#define ELEMENT_BYTES 24
#include <rings/typed_contract.h>
#define ELEMENT_BYTES 64
#include <rings/typed_contract.h>
#define ELEMENT_BYTES 200
#include <rings/typed_contract.h>

/* A type of its own size and alignment, as a user would write it. */
struct order {
	uint64_t price;
	uint32_t amount;
	char name[16];
};

QUOIT_SPSC(orders, struct order);

static void a_ring_of_ones_own_type_carries_whole_structs(void **state)
{
	static struct order slots[4];
	struct orders q;
	struct order out = {0};

	(void)state;
	assert_int_equal(orders_init(&q, slots, 4), 0);
	for (uint32_t i = 0; i < 100; i++) {
		const struct order in = {.price = i * 3ull, .amount = i, .name = "an order"};

		assert_true(orders_send_all(&q, &in, 1));
		assert_int_equal(orders_recv(&q, &out, 1), 1);
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

/* One item is more than what is owned and copied at once otherwise. */
struct page {
	unsigned char bytes[QUOIT_OWN_BYTES + 8];
};

QUOIT_SPSC(pages, struct page);

static void items_beyond_a_part_go_one_by_one(void **state)
{
	static struct page slots[4], in[3], out[3];
	struct pages q;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		memset(&in[i], (int)i + 1, sizeof(in[i]));
	assert_int_equal(pages_init(&q, slots, 4), 0);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(pages_send(&q, in, 3), 3);
		assert_int_equal(pages_recv(&q, out, 3), 3);
		assert_memory_equal(out, in, sizeof(in));
		memset(out, 0, sizeof(out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_keep_the_contract_1_bytes),
		cmocka_unit_test(elements_keep_the_contract_4_bytes),
		cmocka_unit_test(elements_keep_the_contract_8_bytes),
		cmocka_unit_test(elements_keep_the_contract_12_bytes),
		cmocka_unit_test(elements_keep_the_contract_24_bytes),
		cmocka_unit_test(elements_keep_the_contract_64_bytes),
		cmocka_unit_test(elements_keep_the_contract_200_bytes),
		cmocka_unit_test(a_ring_of_ones_own_type_carries_whole_structs),
		cmocka_unit_test(items_beyond_a_part_go_one_by_one),
	};

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i * 167);
	randomness.state = random_seed();
	print_message("SEED=%llu\n", (unsigned long long)randomness.state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
