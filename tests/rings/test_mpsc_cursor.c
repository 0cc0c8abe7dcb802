/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_cursor.c - writing cursors of a channel's producers: what the consumer sees when, who
 * wakes it, and that nothing is lost where several write one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <quoit/rings/typed_mpsc.h>

#define SLOTS	   64
#define WRITERS	   3
#define EACH	   20000
#define WORD(w, i) ((uint64_t)(w) << 32 | (i))

QUOIT_MPSC(words, uint64_t);

struct fixture {
	struct words q;
	struct words_producer p[WRITERS];
};

static int set_up(void **state)
{
	static struct fixture f;
	const struct quoit_mpsc_options options = {.capacity_slots = SLOTS,
						   .producers_most = WRITERS};

	if (words_create(&f.q, &options))
		return -1;
	for (size_t i = 0; i < WRITERS; i++)
		if (words_register(&f.q, &f.p[i]))
			return -1;
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < WRITERS; i++) {
		quoit_mpsc_adopt(&f->p[i].seat);
		if (words_deregister(&f->p[i]))
			return -1;
	}
	return words_destroy(&f->q);
}

static void what_is_put_now_is_there_and_the_rest_with_its_block(void **state)
{
	struct fixture *f = *state;
	QUOIT_CURSOR struct words_writer w = words_write(&f->p[0]);
	uint64_t got[SLOTS];

	assert_true(words_put(&w, 1));
	assert_int_equal(words_recv(&f->q, got, SLOTS), 0);
	assert_true(words_put_now(&w, 2));
	assert_int_equal(words_recv(&f->q, got, SLOTS), 2);
	assert_true(got[0] == 1 && got[1] == 2);
	assert_true(words_put(&w, 3));
	words_write_flush(&w);
	assert_int_equal(words_recv(&f->q, got, SLOTS), 1);
	for (uint64_t i = 0; i < SLOTS / 4; i++) /* a block, and one item more looks for the next */
		assert_true(words_put(&w, i));
	assert_in_range(words_recv(&f->q, got, SLOTS), 1, SLOTS / 4);
	words_write_end(&w);
	assert_in_range(words_recv(&f->q, got, SLOTS), 1, SLOTS / 4);
	assert_int_equal(words_recv(&f->q, got, SLOTS), 0);
}

/* It waits for nobody: a full lane refuses, and goes on where the consumer has read. */
static void a_full_lane_refuses_and_the_others_do_not(void **state)
{
	struct fixture *f = *state;
	QUOIT_CURSOR struct words_writer w = words_write(&f->p[0]);
	QUOIT_CURSOR struct words_writer v = words_write(&f->p[1]);
	uint64_t got[2 * SLOTS];

	for (uint64_t i = 0; i < SLOTS; i++)
		assert_true(words_put(&w, WORD(0, i)));
	assert_false(words_put(&w, WORD(0, SLOTS)));
	assert_false(words_put_now(&w, WORD(0, SLOTS)));
	assert_true(words_put_now(&v, WORD(1, 0)));
	assert_int_equal(words_drain(&f->q, got, 2 * SLOTS), SLOTS + 1);
	for (uint64_t i = 0; i < SLOTS; i++)
		assert_int_equal(got[i], WORD(0, i));
	assert_int_equal(got[SLOTS], WORD(1, 0));
	assert_true(words_put_now(&w, WORD(0, SLOTS)));
	assert_true(words_recv_one(&f->q, got));
	assert_int_equal(got[0], WORD(0, SLOTS));
	quoit_mpsc_close(f->q.channel);
	for (unsigned i = 0; words_put(&w, i); i++)
		assert_in_range(i, 0, SLOTS / 4); /* the block that was free */
	words_write_end(&w);
	words_write_end(&v);
}

static uint64_t rung(const struct quoit_notify *notify)
{
	uint64_t n = 0;

	return read(notify->fd, &n, sizeof(n)) > 0 ? n : 0;
}

static void a_sleeping_consumer_is_woken_by_a_block_a_flush_and_the_end(void **state)
{
	const struct quoit_mpsc_options options = {.capacity_slots = SLOTS, .producers_most = 1};
	struct quoit_wake wake = {0};
	struct quoit_notify notify;
	struct words_producer p;
	struct words_writer w;
	struct words q;

	(void)state;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	assert_int_equal(words_create(&q, &options), 0);
	assert_int_equal(quoit_mpsc_attach(q.channel, &notify), 0); /* who comes now fences */
	assert_int_equal(words_register(&q, &p), 0);
	w = words_write(&p);
	quoit_wake_arm(&wake);
	assert_true(words_put(&w, 1) && words_put_now(&w, 2));
	assert_int_equal(rung(&notify), 0);
	words_write_flush(&w);
	assert_int_equal(rung(&notify), 1);
	quoit_wake_arm(&wake);
	for (uint64_t i = 0; i <= SLOTS / 4; i++)
		assert_true(words_put(&w, i));
	assert_int_equal(rung(&notify), 1);
	quoit_wake_arm(&wake);
	words_write_end(&w);
	assert_int_equal(rung(&notify), 1);
	assert_int_equal(words_deregister(&p), 0);
	assert_int_equal(quoit_mpsc_detach(q.channel), 0);
	assert_int_equal(words_destroy(&q), 0);
	quoit_notify_close(&notify);
}

struct writing {
	struct words_producer *p;
	uint64_t self;
};

static void *write_all(void *arg)
{
	const struct writing *job = arg;
	struct words_writer w;
	uint64_t i = 0;

	quoit_mpsc_adopt(&job->p->seat);
	w = words_write(job->p);
	while (i < EACH)
		if (i % 3 ? words_put_now(&w, WORD(job->self, i))
			  : words_put(&w, WORD(job->self, i)))
			i++;
		else
			sched_yield();
	words_write_end(&w);
	return NULL;
}

static void several_write_one_by_one_and_nothing_is_lost(void **state)
{
	struct fixture *f = *state;
	struct writing jobs[WRITERS];
	pthread_t threads[WRITERS];
	uint64_t next[WRITERS] = {0};
	uint64_t all = 0;

	for (uint64_t i = 0; i < WRITERS; i++) {
		jobs[i] = (struct writing){&f->p[i], i};
		assert_int_equal(pthread_create(&threads[i], NULL, write_all, &jobs[i]), 0);
	}
	while (all < (uint64_t)WRITERS * EACH) {
		uint64_t word;

		if (!words_recv_one(&f->q, &word)) {
			sched_yield();
			continue;
		}
		assert_in_range(word >> 32, 0, WRITERS - 1);
		assert_int_equal((uint32_t)word, next[word >> 32]++);
		all++;
	}
	for (size_t i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(quoit_mpsc_is_empty(f->q.channel));
}

#define WITH_FIXTURE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(what_is_put_now_is_there_and_the_rest_with_its_block),
		WITH_FIXTURE(a_full_lane_refuses_and_the_others_do_not),
		WITH_FIXTURE(a_sleeping_consumer_is_woken_by_a_block_a_flush_and_the_end),
		WITH_FIXTURE(several_write_one_by_one_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
