/* SPDX-License-Identifier: MIT */
/*
 * test_workload.c - requests are well formed, values unmistakable, everything bounded and swept.
 *
 * Whether the expected replies are those of redis is asked of redis itself: test_drive.c.
 */
#include "reply.h"
#include "workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
	ROUNDS = 20000,
	KEYS = 50,
};

static struct bytes request, reply;

static int open_buffers(void **state)
{
	(void)state;
	return bytes_init(&request, WORKLOAD_BYTES_MAX) || bytes_init(&reply, WORKLOAD_BYTES_MAX);
}

static int close_buffers(void **state)
{
	(void)state;
	bytes_fini(&request);
	bytes_fini(&reply);
	return 0;
}

static bool next(struct workload *w)
{
	bytes_drop(&request, bytes_held(&request));
	bytes_drop(&reply, bytes_held(&reply));
	return workload_next(w, &request, &reply);
}

/* An array of bulk strings is a reply too, so one yardstick serves both. */
static void each_request_and_reply_is_one_whole_resp_value(void **state)
{
	struct workload w;
	unsigned errors = 0;

	(void)state;
	assert_int_equal(workload_init(&w, 5, 3, KEYS), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_true(next(&w));
		assert_int_equal(reply_measure(bytes_front(&request), bytes_held(&request)),
				 bytes_held(&request));
		assert_int_equal(reply_measure(bytes_front(&reply), bytes_held(&reply)),
				 bytes_held(&reply));
		assert_int_equal(*bytes_front(&request), '*');
		errors += *bytes_front(&reply) == '-';
	}
	/* Refusals are part of the mix, and only a small one. */
	assert_true(errors > 0);
	assert_true(errors < ROUNDS / 50);
	workload_fini(&w);
}

static void every_command_of_the_mix_comes(void **state)
{
	static const char *const names[] = {"GET",  "SET",    "INCR",	"DEL",	  "MSET",
					    "MGET", "APPEND", "STRLEN", "EXISTS", "PING"};
	unsigned found[10] = {0};
	struct workload w;

	(void)state;
	assert_int_equal(workload_init(&w, 5, 3, KEYS), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_true(next(&w));

		const char *const name = strchr(strchr(bytes_front(&request), '$'), '\n') + 1;

		for (unsigned n = 0; n < 10; n++)
			found[n] += strncmp(name, names[n], strlen(names[n])) == 0 &&
				    name[strlen(names[n])] == '\r';
	}
	for (unsigned n = 0; n < 10; n++)
		assert_true(found[n] > 0);
	workload_fini(&w);
}

static void the_same_run_asks_the_same_and_another_does_not(void **state)
{
	struct workload a, b, c;
	struct bytes saved;
	unsigned same = 0;

	(void)state;
	assert_int_equal(bytes_init(&saved, WORKLOAD_BYTES_MAX), 0);
	assert_int_equal(workload_init(&a, 5, 3, KEYS), 0);
	assert_int_equal(workload_init(&b, 5, 3, KEYS), 0);
	assert_int_equal(workload_init(&c, 6, 3, KEYS), 0);
	for (int i = 0; i < 1000; i++) {
		assert_true(next(&a));
		bytes_drop(&saved, bytes_held(&saved));
		bytes_put(&saved, bytes_front(&request), bytes_held(&request));
		assert_true(next(&b));
		assert_int_equal(bytes_held(&request), bytes_held(&saved));
		assert_memory_equal(bytes_front(&request), bytes_front(&saved), bytes_held(&saved));
		assert_true(next(&c));
		same += bytes_held(&request) == bytes_held(&saved) &&
			memcmp(bytes_front(&request), bytes_front(&saved), bytes_held(&saved)) == 0;
	}
	/* Only PING names no key. */
	assert_true(same < 50);
	workload_fini(&a);
	workload_fini(&b);
	workload_fini(&c);
	bytes_fini(&saved);
}

static void the_largest_values_fit(void **state)
{
	struct model m;
	struct bytes value;
	size_t largest = 0;

	(void)state;
	assert_int_equal(model_init(&m, UINT64_MAX, UINT32_MAX, 4), 0);
	assert_int_equal(bytes_init(&value, VALUE_BYTES_MAX), 0);
	m.versions = UINT64_C(1) << 62;
	for (int i = 0; i < 100000; i++) {
		model_set(&m, 2);
		for (int n = 0; n < APPENDS_MAX; n++)
			model_append(&m, 2);
		bytes_drop(&value, bytes_held(&value));
		model_put_value(&m, 2, &value);
		largest = bytes_held(&value) > largest ? bytes_held(&value) : largest;
	}
	assert_true(largest > VALUE_BYTES_MAX / 2);
	bytes_drop(&value, bytes_held(&value));
	model_put_name(&m, 2, &value);
	assert_true(bytes_held(&value) + 7 <= KEY_BYTES_MAX);
	model_fini(&m);
	bytes_fini(&value);
}

static void no_two_values_are_alike(void **state)
{
	struct bytes before, after;
	struct model m;

	(void)state;
	assert_int_equal(bytes_init(&before, VALUE_BYTES_MAX), 0);
	assert_int_equal(bytes_init(&after, VALUE_BYTES_MAX), 0);
	assert_int_equal(model_init(&m, 1, 1, 4), 0);
	for (int i = 0; i < 1000; i++) {
		bytes_drop(&before, bytes_held(&before));
		bytes_drop(&after, bytes_held(&after));
		model_put_value(&m, 0, &before);
		if (i % 3 == 0 || m.keys[0].appends == APPENDS_MAX)
			model_delete(&m, 0);
		if (i % 5 == 0)
			model_set(&m, 0);
		else
			model_append(&m, 0);
		model_put_value(&m, 0, &after);
		assert_false(
			bytes_held(&before) == bytes_held(&after) &&
			memcmp(bytes_front(&before), bytes_front(&after), bytes_held(&after)) == 0);
	}
	model_fini(&m);
	bytes_fini(&before);
	bytes_fini(&after);
}

static void the_sweep_deletes_each_key_once_and_ends(void **state)
{
	struct workload w;
	size_t existing = 0, deleted = 0;
	unsigned requests = 0;

	(void)state;
	assert_int_equal(workload_init(&w, 5, 3, KEYS), 0);
	for (int i = 0; i < 200; i++)
		assert_true(next(&w));
	for (size_t key = 0; key < KEYS; key++)
		existing += model_exists(&w.model, key);
	assert_true(existing > 0);
	workload_sweep(&w);
	for (; next(&w); requests++) {
		assert_int_equal(*bytes_front(&reply), ':');
		deleted += (size_t)strtoul(bytes_front(&reply) + 1, NULL, 10);
	}
	assert_int_equal(deleted, existing);
	assert_int_equal(requests, (KEYS + WORKLOAD_KEYS_MAX - 1) / WORKLOAD_KEYS_MAX);
	assert_false(next(&w));
	workload_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_and_reply_is_one_whole_resp_value),
		cmocka_unit_test(every_command_of_the_mix_comes),
		cmocka_unit_test(the_same_run_asks_the_same_and_another_does_not),
		cmocka_unit_test(the_largest_values_fit),
		cmocka_unit_test(no_two_values_are_alike),
		cmocka_unit_test(the_sweep_deletes_each_key_once_and_ends),
	};

	return cmocka_run_group_tests(tests, open_buffers, close_buffers);
}
