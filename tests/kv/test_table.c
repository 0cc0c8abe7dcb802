/* SPDX-License-Identifier: MIT */
/*
 * test_table.c - the table of one shard against a naive map, and its bounds.
 *
 * The model is an array of slots, one per possible key. After every step the table must answer as
 * the model does, and every few steps its insides are walked: chains, heap and memory count.
 */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KEYS	  400
#define VALUE_MAX 600

struct slot {
	bool there;
	uint64_t deadline_ns;
	size_t len;
	char value[VALUE_MAX];
};

struct model {
	struct table table;
	struct slot slots[KEYS];
	uint64_t now_ns;
	uint64_t random;
	uint64_t (*hash)(unsigned key);
};

static uint64_t next_random(struct model *model)
{
	/* xorshift64, G. Marsaglia, 2003 */
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return model->random;
}

static uint64_t hash_mixed(unsigned key)
{
	return (key + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_same(unsigned key)
{
	(void)key;
	return 7;
}

static uint64_t hash_top_only(unsigned key)
{
	return (uint64_t)key << 48;
}

/* Keys of different lengths, one of them empty, with NUL bytes and common prefixes. */
static size_t make_key(unsigned number, char *key)
{
	const size_t len = number % 23;

	memset(key, 0, 32);
	if (number == 0)
		return 0;
	memcpy(key + len, &number, sizeof number);
	return len + sizeof number;
}

static bool model_has(const struct model *model, unsigned key)
{
	const struct slot *const slot = &model->slots[key];

	return slot->there && slot->deadline_ns > model->now_ns;
}

/* Every entry is in its chain once, is counted, and heap and entries know each other. */
static void check_insides(struct table *table)
{
	size_t count = 0;
	size_t with_deadline = 0;
	size_t bytes = 0;

	assert_true(table->live <= table->capacity);
	for (size_t i = 0; i < table->live; i++) {
		for (struct table_entry *e = table->buckets[i]; e != NULL; e = e->next) {
			const size_t asked = sizeof *e + e->key_len + e->value_room;

			assert_true(e->value_len <= e->value_room);
			assert_int_equal(asked % 16, 8);
			bytes += asked + 8;
			count++;
			if (e->heap_at == 0)
				continue;
			with_deadline++;
			assert_true(e->heap_at <= table->heap_count);
			assert_ptr_equal(table->heap[e->heap_at - 1].entry, e);
		}
	}
	assert_int_equal(count, table->count);
	assert_int_equal(with_deadline, table->heap_count);
	for (size_t i = 1; i < table->heap_count; i++)
		assert_true(table->heap[(i - 1) / 2].at_ns <= table->heap[i].at_ns);
	bytes += (table->capacity * sizeof(void *) + 8 + 15) / 16 * 16;
	if (table->heap_capacity > 0)
		bytes += (table->heap_capacity * sizeof *table->heap + 8 + 15) / 16 * 16;
	assert_int_equal(bytes, table->used_bytes);
	assert_true(table->used_bytes <= table->limit_bytes);
}

static void check_key(struct model *model, unsigned number)
{
	char key[32];
	const size_t len = make_key(number, key);
	const struct table_entry *const entry =
		table_find(&model->table, key, len, model->hash(number), model->now_ns);

	assert_int_equal(entry != NULL, model_has(model, number));
	if (entry == NULL)
		return;
	assert_int_equal(entry->value_len, model->slots[number].len);
	assert_memory_equal(table_value(entry), model->slots[number].value, entry->value_len);
}

static void step_set(struct model *model, unsigned number, const char *key, size_t len)
{
	struct slot *const slot = &model->slots[number];
	const uint64_t choice = next_random(model) % 4;
	uint64_t deadline_ns = choice == 0   ? model->now_ns + next_random(model) % 2000
			       : choice == 1 ? TABLE_KEEP_DEADLINE
					     : TABLE_NO_DEADLINE;
	char value[VALUE_MAX];
	const size_t value_len = next_random(model) % (next_random(model) % 8 ? 40 : VALUE_MAX);

	memset(value, (int)next_random(model), sizeof value);
	if (table_set(&model->table, key, len, model->hash(number), value, value_len, deadline_ns,
		      model->now_ns) != 0)
		return; /* the model stays as it is, and so must the table */
	if (deadline_ns == TABLE_KEEP_DEADLINE)
		deadline_ns = model_has(model, number) ? slot->deadline_ns : TABLE_NO_DEADLINE;
	slot->there = true;
	slot->deadline_ns = deadline_ns;
	slot->len = value_len;
	memcpy(slot->value, value, value_len);
}

static void step_append(struct model *model, unsigned number, const char *key, size_t len)
{
	struct slot *const slot = &model->slots[number];
	const size_t more = next_random(model) % 50;
	const size_t before = model_has(model, number) ? slot->len : 0;
	char value[50];

	if (before + more > VALUE_MAX)
		return;
	memset(value, (int)next_random(model), sizeof value);
	const int64_t rc = table_append(&model->table, key, len, model->hash(number), value, more,
					model->now_ns);

	if (rc < 0)
		return;
	assert_int_equal(rc, before + more);
	if (!model_has(model, number))
		slot->deadline_ns = TABLE_NO_DEADLINE;
	slot->there = true;
	slot->len = before + more;
	memcpy(slot->value + before, value, more);
}

static void step_expire(struct model *model)
{
	const uint64_t next = table_next_deadline(&model->table);
	const size_t removed = table_expire(&model->table, model->now_ns, 3);

	assert_true(removed <= 3);
	assert_int_equal(removed == 0, next > model->now_ns);
	if (removed < 3)
		assert_true(table_next_deadline(&model->table) > model->now_ns);
}

static void run_model(uint64_t (*hash)(unsigned), size_t limit_bytes, unsigned steps)
{
	struct model *const model = calloc(1, sizeof *model);

	assert_non_null(model);
	model->random = 88172645463325252u;
	model->hash = hash;
	assert_int_equal(table_init(&model->table, limit_bytes), 0);
	for (unsigned i = 0; i < steps; i++) {
		/* In turns the keys are few and many, so the table grows and shrinks. */
		const unsigned number = (unsigned)(next_random(model) % (i / 4096 % 2 ? 20 : KEYS));
		const uint64_t what = next_random(model) % 16;
		char key[32];
		const size_t len = make_key(number, key);

		model->now_ns += next_random(model) % 8;
		/* Of the next step or of none: a hint may come for what is not there. */
		table_prefetch_bucket(&model->table, hash(number));
		table_prefetch_entry(&model->table, hash(number));
		if (what < 6) {
			step_set(model, number, key, len);
		} else if (what < 8) {
			step_append(model, number, key, len);
		} else if (what < 12) {
			assert_int_equal(
				table_delete(&model->table, key, len, hash(number), model->now_ns),
				model_has(model, number));
			model->slots[number].there = false;
		} else if (what == 12) {
			step_expire(model);
		} else if (what == 13 && i % 997 == 0) {
			table_flush(&model->table);
			memset(model->slots, 0, sizeof model->slots);
		}
		check_key(model, number);
		if (i % 64 == 0)
			check_insides(&model->table);
	}
	for (unsigned i = 0; i < KEYS; i++)
		check_key(model, i);
	check_insides(&model->table);
	table_fini(&model->table);
	free(model);
}

static void table_answers_as_a_naive_map_does(void **state)
{
	(void)state;
	run_model(hash_mixed, (size_t)1 << 20, 60000);
}

static void colliding_hashes_change_no_answer(void **state)
{
	(void)state;
	run_model(hash_same, (size_t)1 << 20, 20000);
	run_model(hash_top_only, (size_t)1 << 20, 20000);
}

static void a_table_at_its_limit_still_answers_as_a_naive_map_does(void **state)
{
	(void)state;
	run_model(hash_mixed, 12000, 60000);
}

static int set_text(struct table *table, const char *key, const char *value, size_t len,
		    uint64_t deadline_ns, uint64_t now_ns)
{
	const size_t key_len = strlen(key);
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < key_len; i++)
		hash = (hash ^ (unsigned char)key[i]) * 1099511628211u;
	return table_set(table, key, key_len, hash, value, len, deadline_ns, now_ns);
}

static void a_write_beyond_the_limit_is_refused_and_changes_nothing(void **state)
{
	(void)state;
	struct table table;
	static char big[4096];

	assert_int_equal(table_init(&table, 64), -ENOMEM);
	assert_int_equal(table_init(&table, 4096), 0);
	assert_int_equal(set_text(&table, "k", "old", 3, TABLE_NO_DEADLINE, 0), 0);
	const size_t used = table.used_bytes;
	const size_t room = 4096 - used;

	/* A new key "n" takes 33 bytes and its value, rounded up to 16 less 8. */
	const size_t fits = room / 16 * 16 - 8 - 33;

	assert_int_equal(set_text(&table, "n", big, fits + 1, TABLE_NO_DEADLINE, 0), -ENOMEM);
	assert_int_equal(table.used_bytes, used);
	assert_int_equal(table.count, 1);
	assert_int_equal(set_text(&table, "k", big, sizeof big, TABLE_NO_DEADLINE, 0), -ENOMEM);
	assert_int_equal(table.used_bytes, used);
	assert_int_equal(set_text(&table, "n", big, fits, TABLE_NO_DEADLINE, 0), 0);
	assert_int_equal(table.used_bytes, used + room / 16 * 16);
	/* The heap has no room now: a deadline cannot be noted, and the key stays without one. */
	assert_int_equal(set_text(&table, "k", "new", 3, 5, 0), -ENOMEM);
	assert_int_equal(table_next_deadline(&table), TABLE_NO_DEADLINE);
	assert_int_equal(set_text(&table, "k", "new", 3, TABLE_NO_DEADLINE, 0), 0);
	check_insides(&table);
	table_fini(&table);
}

static void keys_that_are_due_make_room_for_a_write(void **state)
{
	(void)state;
	struct table table;
	static char big[1000];

	assert_int_equal(table_init(&table, 4096), 0);
	assert_int_equal(set_text(&table, "a", big, sizeof big, 10, 0), 0);
	assert_int_equal(set_text(&table, "b", big, sizeof big, 20, 0), 0);
	assert_int_equal(set_text(&table, "c", big, sizeof big, 30, 0), 0);
	assert_int_equal(set_text(&table, "d", big, sizeof big, TABLE_NO_DEADLINE, 9), -ENOMEM);
	assert_int_equal(table.count, 3);
	assert_int_equal(set_text(&table, "d", big, sizeof big, TABLE_NO_DEADLINE, 20), 0);
	assert_int_equal(table.count, 2);
	assert_int_equal(table.expired, 2);
	table_fini(&table);
}

static void a_key_is_gone_at_its_deadline_and_not_before(void **state)
{
	(void)state;
	struct table table;

	assert_int_equal(table_init(&table, 1 << 20), 0);
	assert_int_equal(table_set(&table, "k", 1, 5, "v", 1, 100, 0), 0);
	assert_int_equal(table_next_deadline(&table), 100);
	assert_non_null(table_find(&table, "k", 1, 5, 99));
	assert_int_equal(table_expire(&table, 99, 10), 0);
	assert_null(table_find(&table, "k", 1, 5, 100));
	assert_int_equal(table.count, 0); /* lazily, by the look at it */

	assert_int_equal(table_set(&table, "k", 1, 5, "v", 1, 100, 0), 0);
	assert_int_equal(table_append(&table, "k", 1, 5, "w", 1, 99), 2);
	assert_int_equal(table_next_deadline(&table), 100); /* an append keeps it */
	assert_int_equal(table_set(&table, "k", 1, 5, "v", 1, TABLE_KEEP_DEADLINE, 99), 0);
	assert_int_equal(table_next_deadline(&table), 100);
	assert_int_equal(table_set(&table, "k", 1, 5, "v", 1, TABLE_NO_DEADLINE, 99), 0);
	assert_int_equal(table_next_deadline(&table), TABLE_NO_DEADLINE); /* a set clears it */
	assert_non_null(table_find(&table, "k", 1, 5, UINT64_MAX));
	table_fini(&table);
}

static void an_emptied_table_gives_its_memory_back(void **state)
{
	(void)state;
	struct table table;
	uint64_t key;

	assert_int_equal(table_init(&table, (size_t)64 << 20), 0);
	const size_t idle = table.used_bytes;

	for (key = 0; key < 20000; key++)
		assert_int_equal(table_set(&table, (char *)&key, 8, hash_mixed((unsigned)key), "v",
					   1, key + 1, 0),
				 0);
	assert_true(table.live > 15000);
	check_insides(&table);
	for (key = 0; key < 20000; key++)
		assert_true(table_delete(&table, (char *)&key, 8, hash_mixed((unsigned)key), 0));
	check_insides(&table);
	assert_true(table.used_bytes <= idle + 1024);
	table_fini(&table);
}

static void a_much_shorter_value_gives_its_memory_back(void **state)
{
	(void)state;
	struct table table;
	static char big[100000];

	assert_int_equal(table_init(&table, 1 << 20), 0);
	assert_int_equal(set_text(&table, "k", "x", 1, 50, 0), 0);
	const size_t used = table.used_bytes;

	assert_int_equal(set_text(&table, "k", big, sizeof big, TABLE_KEEP_DEADLINE, 0), 0);
	assert_true(table.used_bytes > used + sizeof big - 64);
	assert_int_equal(set_text(&table, "k", "x", 1, TABLE_KEEP_DEADLINE, 0), 0);
	assert_int_equal(table.used_bytes, used);
	check_insides(&table);
	table_fini(&table);
}

static void many_appends_stay_linear(void **state)
{
	(void)state;
	struct table table;
	size_t rooms = 0;
	uint32_t room = 0;

	assert_int_equal(table_init(&table, (size_t)4 << 20), 0);
	for (unsigned i = 1; i <= 1 << 20; i++) {
		assert_int_equal(table_append(&table, "k", 1, 1, "x", 1, 0), i);
		const struct table_entry *const entry = table_find(&table, "k", 1, 1, 0);

		rooms += entry->value_room != room;
		room = entry->value_room;
	}
	assert_true(rooms < 40);
	table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_answers_as_a_naive_map_does),
		cmocka_unit_test(colliding_hashes_change_no_answer),
		cmocka_unit_test(a_table_at_its_limit_still_answers_as_a_naive_map_does),
		cmocka_unit_test(a_write_beyond_the_limit_is_refused_and_changes_nothing),
		cmocka_unit_test(keys_that_are_due_make_room_for_a_write),
		cmocka_unit_test(a_key_is_gone_at_its_deadline_and_not_before),
		cmocka_unit_test(an_emptied_table_gives_its_memory_back),
		cmocka_unit_test(a_much_shorter_value_gives_its_memory_back),
		cmocka_unit_test(many_appends_stay_linear),
	};

	return cmocka_run_group_tests_name("kv/table", tests, NULL, NULL);
}
