/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_alloc.c - the same table under BeOS's names, with its codes, as a program written
 * there would use it. Defects D-68 and D-72: what its text left open has one answer here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include <quoit/numa/realtime_alloc.h>

static void the_codes_are_those_of_beos(void **state)
{
	(void)state;
	assert_int_equal(B_OK, 0);
	assert_int_equal(B_ERROR, -1);
	assert_true((uint32_t)B_NO_MEMORY == UINT32_C(0x80000000));
	assert_true((uint32_t)B_BAD_VALUE == UINT32_C(0x80000005));
	assert_true((uint32_t)B_BUSY == UINT32_C(0x8000000e));
	assert_true((uint32_t)B_BAD_ADDRESS == UINT32_C(0x80001301));
	assert_int_equal(sizeof(status_t), 4);
}

static void before_there_is_a_default_pool(void **state)
{
	void *data = NULL;

	(void)state;
	assert_null(rtm_default_pool());
	assert_null(rtm_alloc(NULL, 10));
	assert_int_equal(rtm_realloc(&data, 10), B_NO_MEMORY);
	assert_int_equal(rtm_available(NULL), 0);
}

static void creating_pools(void **state)
{
	rtm_pool *const untouched = (rtm_pool *)(void *)state;
	rtm_pool *pool = untouched;

	assert_int_equal(rtm_create_pool(&pool, 0, "nothing"), B_BAD_VALUE);
	assert_ptr_equal(pool, untouched);
	assert_int_equal(rtm_create_pool(&pool, SIZE_MAX, "all"), B_NO_MEMORY);
	assert_ptr_equal(pool, untouched);
	assert_int_equal(rtm_create_pool(&pool, 5000, "five"), B_OK);
	assert_int_equal(rtm_available(pool), 5000);
	assert_int_equal(rtm_delete_pool(pool), B_OK);
	assert_int_equal(rtm_delete_pool(pool), B_BAD_ADDRESS);
	assert_int_equal(rtm_create_pool(NULL, 5000, "default"), B_OK);
	assert_int_equal(rtm_create_pool(NULL, 5000, "default"), EALREADY);
	assert_non_null(rtm_default_pool());
}

static void deleting_pools(void **state)
{
	rtm_pool *pool = NULL;
	void *data;

	(void)state;
	assert_int_equal(rtm_delete_pool(NULL), B_BAD_VALUE);
	assert_int_equal(rtm_delete_pool(rtm_default_pool()), B_BAD_VALUE);
	assert_int_equal(rtm_create_pool(&pool, 5000, NULL), B_OK);
	data = rtm_alloc(pool, 10);
	assert_int_equal(rtm_delete_pool(pool), B_BUSY);
	assert_int_equal(rtm_free(data), B_OK);
	assert_int_equal(rtm_delete_pool(pool), B_OK);
}

static void allocating_and_giving_back(void **state)
{
	rtm_pool *pool = NULL;
	void *data, *of_default;
	int foreign;

	(void)state;
	assert_int_equal(rtm_create_pool(&pool, 5000, NULL), B_OK);
	assert_null(rtm_alloc(pool, 0));
	assert_null(rtm_alloc(pool, 5001));
	data = rtm_alloc(pool, 5000);
	of_default = rtm_alloc(NULL, 100);
	assert_non_null(data);
	assert_non_null(of_default);
	assert_null(rtm_alloc(pool, 1));
	assert_int_equal(rtm_free(NULL), B_BAD_VALUE);
	assert_int_equal(rtm_free(&foreign), B_BAD_ADDRESS);
	assert_int_equal(rtm_free((char *)data + 64), B_BAD_ADDRESS);
	assert_int_equal(rtm_free(data), B_OK);
	assert_int_equal(rtm_free(data), EALREADY);
	assert_int_equal(rtm_free(of_default), B_OK);
	assert_int_equal(rtm_delete_pool(pool), B_OK);
}

static void resizing(void **state)
{
	rtm_pool *pool = NULL;
	void *data = NULL, *other, *before;
	int foreign;

	(void)state;
	assert_int_equal(rtm_create_pool(&pool, 5000, NULL), B_OK);
	assert_int_equal(rtm_realloc(NULL, 10), B_BAD_VALUE);
	assert_int_equal(rtm_realloc(&data, 0), B_BAD_VALUE);
	assert_int_equal(rtm_realloc(&data, 10), B_OK); /* of the default pool */
	assert_ptr_equal(quoit_rtm_pool_of(data), quoit_rtm_default_pool());
	assert_int_equal(rtm_realloc(&data, 0), B_OK);
	assert_null(data);
	data = rtm_alloc(pool, 10);
	other = rtm_alloc(pool, 10);
	memcpy(data, "nine bytes", 10);
	assert_int_equal(rtm_realloc(&data, 4000), B_OK);
	assert_memory_equal(data, "nine bytes", 10);
	before = data;
	assert_int_equal(rtm_realloc(&data, 4991), B_NO_MEMORY);
	assert_ptr_equal(data, before);
	assert_memory_equal(data, "nine bytes", 10);
	assert_int_equal(rtm_free(other), B_OK);
	assert_int_equal(rtm_realloc(&other, 20), EALREADY);
	other = &foreign;
	assert_int_equal(rtm_realloc(&other, 20), B_BAD_ADDRESS);
	assert_int_equal(rtm_free(data), B_OK);
	assert_int_equal(rtm_delete_pool(pool), B_OK);
}

static void asking_for_sizes(void **state)
{
	rtm_pool *pool = NULL;
	void *data;
	int foreign;

	(void)state;
	assert_int_equal(rtm_create_pool(&pool, 5000, NULL), B_OK);
	data = rtm_alloc(pool, 77);
	assert_int_equal(rtm_size_for(data), 77);
	assert_true(rtm_phys_size_for(data) >= 77);
	assert_int_equal(rtm_size_for(NULL), B_BAD_VALUE);
	assert_int_equal(rtm_phys_size_for(NULL), B_BAD_VALUE);
	assert_int_equal(rtm_size_for(&foreign), B_BAD_ADDRESS);
	assert_int_equal(rtm_phys_size_for(&foreign), B_BAD_ADDRESS);
	assert_int_equal(rtm_available(pool), 5000 - 77);
	assert_int_equal(rtm_free(data), B_OK);
	assert_int_equal(rtm_size_for(data), -EALREADY); /* no size is below 0 */
	assert_int_equal(rtm_delete_pool(pool), B_OK);
	assert_int_equal(quoit__rtm_size_status((ssize_t)INT32_MAX), INT32_MAX);
	assert_int_equal(quoit__rtm_size_status((ssize_t)INT32_MAX + 1), B_ERROR);
}

/* C11: up to its physical size a block stays. C17, C18: what is left, and by what name. */
static void a_pool_is_one_of_quoits(void **state)
{
	struct quoit_rtm_info info;
	rtm_pool *pool = NULL;
	void *data, *where;

	(void)state;
	assert_int_equal(rtm_create_pool(&pool, 5000, "mixer"), B_OK);
	assert_int_equal(quoit_rtm_pool_info((struct quoit_rtm_pool *)(void *)pool, &info), 0);
	assert_string_equal(info.name, "mixer");
	assert_int_equal(info.total, 5000);
	assert_int_equal(info.owner, QUOIT_RTM_SHARED);
	data = where = rtm_alloc(pool, 77);
	assert_int_equal(rtm_realloc(&data, (size_t)rtm_phys_size_for(data)), B_OK);
	assert_ptr_equal(data, where);
	assert_int_equal(rtm_available(pool), 5000 - (size_t)rtm_size_for(data));
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(rtm_phys_size_for(data), -EALREADY);
	assert_int_equal(rtm_available(NULL), rtm_available(rtm_default_pool()));
	assert_true(rtm_available(NULL) > 0);
	assert_int_equal(rtm_delete_pool(pool), B_OK);
	assert_int_equal(rtm_available(pool), 0); /* no pool any more */
}

static void as_many_pools_as_there_may_be(void **state)
{
	static rtm_pool *pools[QUOIT_RTM_POOLS_MOST];
	rtm_pool *more = NULL;
	size_t n = 0;

	(void)state;
	while (n < QUOIT_RTM_POOLS_MOST && rtm_create_pool(&pools[n], 100, NULL) == B_OK)
		n++;
	assert_int_equal(n, QUOIT_RTM_POOLS_MOST - 1); /* and the default one */
	assert_int_equal(rtm_create_pool(&more, 100, NULL), B_NO_MEMORY);
	assert_null(more);
	while (n--)
		assert_int_equal(rtm_delete_pool(pools[n]), B_OK);
}

/* --- pools of one owner, which only quoit can make ------------------------------------------- */

struct answers {
	rtm_pool *pool;
	void *data, *got, *resized;
	status_t freed, realloced, deleted, size;
};

static void *other_worker(void *arg)
{
	struct answers *const a = (struct answers *)arg;

	a->got = rtm_alloc(a->pool, 10);
	a->size = rtm_size_for(a->data);
	a->resized = a->data;
	a->realloced = rtm_realloc(&a->resized, 500);
	a->deleted = rtm_delete_pool(a->pool);
	a->freed = rtm_free(a->data); /* last: it may be allowed */
	return NULL;
}

static struct answers ask_elsewhere(rtm_pool *pool, void *data)
{
	struct answers a = {.pool = pool, .data = data};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, other_worker, &a), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(a.got);
	assert_int_equal(a.size, 100); /* one may ask */
	assert_int_equal(a.realloced, B_NOT_ALLOWED);
	assert_ptr_equal(a.resized, data);
	assert_int_equal(a.deleted, B_NOT_ALLOWED);
	return a;
}

static void another_than_the_owner_is_not_allowed(void **state)
{
	struct quoit_rtm_options o = {.total = 5000, .owner = QUOIT_RTM_SINGLE, .node = -1};
	struct quoit_rtm_pool *made;
	rtm_pool *pool;
	void *data;

	(void)state;
	assert_int_equal(quoit_rtm_create_pool_ex(&made, &o, NULL), 0);
	pool = (rtm_pool *)(void *)made;
	data = rtm_alloc(pool, 100);
	assert_int_equal(ask_elsewhere(pool, data).freed, B_NOT_ALLOWED);
	assert_int_equal(rtm_free(data), B_OK);
	assert_int_equal(rtm_delete_pool(pool), B_OK);

	/* Whoever may give back does; what is on its way is not there yet: no memory. */
	o.owner = QUOIT_RTM_REMOTE_FREE;
	assert_int_equal(quoit_rtm_create_pool_ex(&made, &o, NULL), 0);
	pool = (rtm_pool *)(void *)made;
	for (int i = 0; i < 4; i++) {
		data = rtm_alloc(pool, 100);
		assert_int_equal(ask_elsewhere(pool, data).freed, B_OK);
		assert_int_equal(rtm_free(data), EALREADY);
	}
	assert_int_equal(rtm_delete_pool(pool), B_OK);
}

static void note_damage(const struct quoit_rtm_pool *pool, const struct quoit_reason *what,
			void *ctx)
{
	(void)pool;
	(void)what;
	++*(int *)ctx;
}

/* C14, C15. */
static void what_was_written_behind_a_block_is_bad_data(void **state)
{
	int told = 0;
	const struct quoit_rtm_options o = {.total = 5000,
					    .debug = QUOIT_RTM_DEBUG_CHECK,
					    .node = -1,
					    .damage = note_damage,
					    .damage_ctx = &told};
	struct quoit_rtm_pool *made;
	rtm_pool *pool;
	unsigned char *data, kept;
	void *same;

	(void)state;
	assert_int_equal(quoit_rtm_create_pool_ex(&made, &o, NULL), 0);
	pool = (rtm_pool *)(void *)made;
	same = data = rtm_alloc(pool, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(data[i], QUOIT_RTM_JUNK_NEW);
	kept = data[100];
	data[100] ^= 1;
	assert_int_equal(rtm_free(data), B_BAD_DATA);
	assert_int_equal(rtm_realloc(&same, 50), B_BAD_DATA);
	assert_ptr_equal(same, data);
	assert_null(rtm_alloc(pool, 10));
	assert_int_equal(rtm_delete_pool(pool), B_BAD_DATA);
	assert_int_equal(told, 4);
	data[100] = kept;
	assert_int_equal(rtm_free(data), B_OK);
	assert_int_equal(rtm_delete_pool(pool), B_OK);
	assert_int_equal(told, 4);
}

static void every_code_has_one_of_beos(void **state)
{
	static const struct {
		int rc;
		status_t status;
	} codes[] = {{0, B_OK},
		     {-EINVAL, B_BAD_VALUE},
		     {-ENOMEM, B_NO_MEMORY},
		     {-EAGAIN, B_NO_MEMORY},
		     {-ENXIO, B_NO_MEMORY},
		     {-EMFILE, B_NO_MEMORY},
		     {-E2BIG, B_NO_MEMORY},
		     {-EALREADY, EALREADY},
		     {-EBUSY, B_BUSY},
		     {-EFAULT, B_BAD_ADDRESS},
		     {-EPERM, B_NOT_ALLOWED},
		     {-EUCLEAN, B_BAD_DATA},
		     {-ENOSYS, B_ERROR}};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_int_equal(quoit__rtm_status(codes[i].rc), codes[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_codes_are_those_of_beos),
		cmocka_unit_test(before_there_is_a_default_pool),
		cmocka_unit_test(creating_pools),
		cmocka_unit_test(deleting_pools),
		cmocka_unit_test(allocating_and_giving_back),
		cmocka_unit_test(resizing),
		cmocka_unit_test(asking_for_sizes),
		cmocka_unit_test(a_pool_is_one_of_quoits),
		cmocka_unit_test(as_many_pools_as_there_may_be),
		cmocka_unit_test(another_than_the_owner_is_not_allowed),
		cmocka_unit_test(what_was_written_behind_a_block_is_bad_data),
		cmocka_unit_test(every_code_has_one_of_beos),
	};

	return cmocka_run_group_tests_name("numa/realtime_alloc", tests, NULL, NULL);
}
