/* SPDX-License-Identifier: MIT */
/*
 * test_notifier.c - a bell in an epoll set, step by step on one thread: features B134 to B142,
 * defects D-02, D-10 and what of D-08 is the reader's. What threads make of it is in
 * tests/stress/notifier.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <quoit/rings/notifier.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>

#define TAG UINT64_C(0x123456789abcdef0)

QUOIT_SPSC(words, uint64_t);
QUOIT_MPSC(many, uint64_t);

ssize_t __real_read(int fd, void *data, size_t bytes);
ssize_t __wrap_read(int fd, void *data, size_t bytes);

static int interruptions; /* of the reads to come */

ssize_t __wrap_read(int fd, void *data, size_t bytes)
{
	if (!interruptions)
		return __real_read(fd, data, bytes);
	interruptions--;
	errno = EINTR;
	return -1;
}

struct fixture {
	struct quoit_notifier bell;
	int epoll;
	struct words ring;
	uint64_t slots[8];
	struct many channel;
	struct many_producer p;
};

static int set_up(void **state)
{
	static struct fixture f;
	const struct quoit_mpsc_options options = {.capacity_slots = 8, .producers_most = 2};

	f = (struct fixture){.epoll = epoll_create1(EPOLL_CLOEXEC)};
	if (f.epoll < 0 || quoit_notifier_init(&f.bell) || words_init(&f.ring, f.slots, 8) ||
	    many_create(&f.channel, &options))
		return -1;
	quoit_spsc_attach(&f.ring.ring, quoit_notifier_ref(&f.bell));
	if (quoit_mpsc_attach(f.channel.channel, quoit_notifier_ref(&f.bell)) ||
	    many_register(&f.channel, &f.p))
		return -1;
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if ((f->p.seat.channel && many_deregister(&f->p)) || many_destroy(&f->channel))
		return -1;
	while (f->bell.refs)
		quoit_notifier_unref(&f->bell);
	(void)close(f->epoll);
	return quoit_notifier_destroy(&f->bell);
}

static void send(struct fixture *f)
{
	const uint64_t word = 5;

	assert_true(words_send_one(&f->ring, &word));
}

static void send_to_channel(struct fixture *f)
{
	const uint64_t word = 6;

	assert_true(many_send_one(&f->p, &word));
}

/* Has the bell been rung, as a loop sees it that does not wait? */
static bool heard(struct fixture *f)
{
	struct epoll_event event = {0};
	const int n = epoll_wait(f->epoll, &event, 1, 0);

	assert_true(n >= 0);
	if (n) {
		assert_true(event.data.u64 == TAG);
		assert_int_equal(event.events, EPOLLIN);
	}
	return n == 1;
}

static void join_epoll(struct fixture *f)
{
	assert_int_equal(quoit_notifier_register_epoll(&f->bell, f->epoll, TAG), 0);
}

/* --- the descriptor -------------------------------------------------------------------------- */

static void the_descriptor_does_not_block_and_is_not_inherited(void **state)
{
	struct fixture *f = *state;
	const int flags = fcntl(quoit_notifier_fd(&f->bell), F_GETFL);
	const int fd_flags = fcntl(quoit_notifier_fd(&f->bell), F_GETFD);

	assert_true(flags >= 0 && (flags & O_NONBLOCK));
	assert_true(fd_flags >= 0 && (fd_flags & FD_CLOEXEC));
}

static void without_a_descriptor_there_is_no_notifier(void **state)
{
	struct rlimit before, none;
	struct quoit_notifier bell;
	int rc;

	(void)state;
	memset(&bell, 0x5a, sizeof(bell));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = quoit_notifier_init(&bell);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(rc, -EMFILE);
	for (size_t i = 0; i < sizeof(bell); i++)
		assert_int_equal(((unsigned char *)&bell)[i], 0x5a);
}

/* D-10: a producer that came late rang whatever file had the number by then. */
static void a_notifier_that_rings_refer_to_cannot_be_destroyed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(quoit_notifier_destroy(&f->bell), -EBUSY);
	quoit_notifier_unref(&f->bell);
	assert_int_equal(quoit_notifier_destroy(&f->bell), -EBUSY);
	assert_int_equal(quoit_notifier_signal(&f->bell), 0);
	quoit_notifier_unref(&f->bell);
	assert_int_equal(quoit_notifier_destroy(&f->bell), 0);
	assert_int_equal(quoit_notifier_fd(&f->bell), -1);
	assert_int_equal(quoit_notifier_init(&f->bell), 0);
}

static void consuming_gives_how_often_it_was_rung_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(quoit_notifier_consume(&f->bell), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(quoit_notifier_signal(&f->bell), 0);
	assert_int_equal(quoit_notifier_consume(&f->bell), 3);
	assert_int_equal(quoit_notifier_consume(&f->bell), 0);
}

static void bells_are_taken_although_a_signal_interrupts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(quoit_notifier_signal(&f->bell), 0);
	interruptions = 3;
	assert_int_equal(quoit_notifier_consume(&f->bell), 1);
	assert_int_equal(interruptions, 0);
}

/* Rings, and lets go: nobody else tells the owner when. */
static void *ring_and_leave(void *arg)
{
	struct quoit_notifier *bell = arg;

	if (quoit_notifier_signal(bell))
		return arg;
	quoit_notifier_unref(bell);
	return NULL;
}

/*
 * D-10, and the edge `part`: under ThreadSanitizer the descriptor is taken away while somebody
 * reads it unless the count tells that nobody does.
 */
static void whoever_destroys_it_comes_after_all_who_rang(void **state)
{
	struct quoit_notifier bell;
	pthread_t ringers[2];
	void *failed;

	(void)state;
	assert_int_equal(quoit_notifier_init(&bell), 0);
	for (int i = 0; i < 2; i++)
		(void)quoit_notifier_ref(&bell);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&ringers[i], NULL, ring_and_leave, &bell), 0);
	while (quoit_notifier_destroy(&bell) == -EBUSY)
		quoit_relax();
	assert_int_equal(quoit_notifier_fd(&bell), -1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(ringers[i], &failed), 0);
		assert_null(failed);
	}
}

static void a_full_counter_counts_as_rung(void **state)
{
	struct fixture *f = *state;
	const uint64_t nearly_full = UINT64_MAX - 1;

	assert_int_equal(write(quoit_notifier_fd(&f->bell), &nearly_full, 8), 8);
	assert_int_equal(quoit_notifier_signal(&f->bell), 0);
	assert_int_equal(quoit_notifier_consume(&f->bell), nearly_full);
}

static void a_broken_descriptor_is_told(void **state)
{
	struct fixture *f = *state;
	const int fd = f->bell.notify.fd;

	f->bell.notify.fd = -1;
	assert_int_equal(quoit_notifier_signal(&f->bell), -EBADF);
	assert_int_equal(quoit_notifier_register_epoll(&f->bell, f->epoll, 0), -EBADF);
	quoit_notifier_arm(&f->bell);
	assert_false(quoit_notifier_signal_if_waiting(&f->bell));
	f->bell.notify.fd = fd;
}

/* --- epoll ----------------------------------------------------------------------------------- */

static void epoll_hears_every_bell_with_the_callers_word(void **state)
{
	struct fixture *f = *state;

	join_epoll(f);
	assert_false(heard(f));
	for (int i = 0; i < 3; i++) { /* consumed or not: it is edge-triggered */
		assert_int_equal(quoit_notifier_signal(&f->bell), 0);
		assert_true(heard(f));
		assert_false(heard(f));
	}
}

static void what_rang_before_it_was_registered_is_heard(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(quoit_notifier_signal(&f->bell), 0);
	join_epoll(f);
	assert_true(heard(f));
}

static void it_is_registered_once_and_unregistered_at_will(void **state)
{
	struct fixture *f = *state;

	join_epoll(f);
	assert_int_equal(quoit_notifier_register_epoll(&f->bell, f->epoll, 0), -EEXIST);
	quoit_notifier_unregister_epoll(&f->bell, f->epoll);
	quoit_notifier_unregister_epoll(&f->bell, f->epoll);
	assert_int_equal(quoit_notifier_signal(&f->bell), 0);
	assert_false(heard(f));
	join_epoll(f);
	assert_true(heard(f));
}

/* --- with rings ------------------------------------------------------------------------------ */

/* D-02: with a notifier attached, every commit was a system call. */
static void publications_ring_once_for_each_arming_and_for_all_rings(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		send(f);
		assert_int_equal(quoit_notifier_consume(&f->bell), 0); /* awake: silence */
		quoit_notifier_arm(&f->bell);
		send_to_channel(f);
		send(f);
		send_to_channel(f);
		assert_int_equal(quoit_notifier_consume(&f->bell), 1);
	}
}

static void a_disarmed_reader_is_left_alone(void **state)
{
	struct fixture *f = *state;

	quoit_notifier_arm(&f->bell);
	quoit_notifier_disarm(&f->bell);
	send(f);
	assert_false(quoit_notifier_signal_if_waiting(&f->bell));
	assert_int_equal(quoit_notifier_consume(&f->bell), 0);
}

static void signalling_if_somebody_waits_rings_once(void **state)
{
	struct fixture *f = *state;

	assert_false(quoit_notifier_signal_if_waiting(&f->bell));
	quoit_notifier_arm(&f->bell);
	assert_true(quoit_notifier_signal_if_waiting(&f->bell));
	assert_false(quoit_notifier_signal_if_waiting(&f->bell));
	assert_int_equal(quoit_notifier_consume(&f->bell), 1);
}

/* What was sent before the arming rang for nobody: the look is what finds it. */
static void what_came_before_the_arming_is_found_by_the_look(void **state)
{
	struct fixture *f = *state;
	uint64_t word;

	send(f);
	quoit_notifier_arm(&f->bell);
	assert_int_equal(quoit_notifier_consume(&f->bell), 0);
	assert_true(quoit_spsc_has_news(&f->ring.ring));
	assert_true(words_recv_one(&f->ring, &word));
	send_to_channel(f); /* still armed */
	assert_int_equal(quoit_notifier_consume(&f->bell), 1);
	quoit_notifier_arm(&f->bell);
	assert_true(quoit_mpsc_has_news(f->channel.channel));
}

/* The same for an end, after which nothing rings any more: whoever only asks for news sleeps on. */
static void an_end_before_the_arming_is_found_by_the_look(void **state)
{
	struct fixture *f = *state;

	quoit_spsc_finish(&f->ring.ring);
	quoit_mpsc_close(f->channel.channel);
	assert_int_equal(many_deregister(&f->p), 0);
	quoit_notifier_arm(&f->bell);
	assert_int_equal(quoit_notifier_consume(&f->bell), 0);
	assert_false(quoit_spsc_has_news(&f->ring.ring));
	assert_true(quoit_spsc_is_drained(&f->ring.ring));
	assert_true(quoit_mpsc_is_drained(f->channel.channel));
}

static void an_end_rings_as_an_item_does(void **state)
{
	struct fixture *f = *state;

	join_epoll(f);
	quoit_notifier_arm(&f->bell);
	quoit_spsc_finish(&f->ring.ring);
	assert_true(heard(f));
	quoit_notifier_arm(&f->bell);
	quoit_mpsc_close(f->channel.channel);
	assert_true(heard(f));
	quoit_notifier_arm(&f->bell);
	assert_int_equal(many_deregister(&f->p), 0);
	assert_true(heard(f));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_descriptor_does_not_block_and_is_not_inherited),
		TEST(without_a_descriptor_there_is_no_notifier),
		TEST(a_notifier_that_rings_refer_to_cannot_be_destroyed),
		TEST(consuming_gives_how_often_it_was_rung_and_leaves_nothing),
		TEST(bells_are_taken_although_a_signal_interrupts),
		TEST(whoever_destroys_it_comes_after_all_who_rang),
		TEST(a_full_counter_counts_as_rung),
		TEST(a_broken_descriptor_is_told),
		TEST(epoll_hears_every_bell_with_the_callers_word),
		TEST(what_rang_before_it_was_registered_is_heard),
		TEST(it_is_registered_once_and_unregistered_at_will),
		TEST(publications_ring_once_for_each_arming_and_for_all_rings),
		TEST(a_disarmed_reader_is_left_alone),
		TEST(signalling_if_somebody_waits_rings_once),
		TEST(what_came_before_the_arming_is_found_by_the_look),
		TEST(an_end_before_the_arming_is_found_by_the_look),
		TEST(an_end_rings_as_an_item_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
