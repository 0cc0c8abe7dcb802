/* SPDX-License-Identifier: MIT */
/*
 * test_poll.c - descriptors of others: what each mode promises, in every kind of loop; and that
 * `stopped` comes exactly once, when the kernel holds nothing of the descriptor any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/poll.h>

#include "runtime/loop_kinds.h"

struct watch {
	struct quoit_poll poll;
	struct driven *d;
	unsigned ready;
	unsigned stopped;
	int error;
	uint32_t events;
	unsigned take;	    /* bytes that `ready` reads each time */
	unsigned stop_at;   /* it stops at this call; 0: never */
	unsigned change_at; /* it asks for POLLOUT at this call */
	bool again;	    /* from `stopped`, once */
	bool close;	    /* `stopped` closes the descriptor */
	bool release;	    /* and frees the struct */
	int rc;
};

static void on_ready(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct watch *w = ctx;
	char bytes[16];

	w->ready++;
	w->events = events;
	if (w->take && events & POLLIN)
		(void)!read(poll->fd, bytes, w->take);
	if (w->ready == w->stop_at) {
		quoit_poll_stop(poll);
		quoit_poll_stop(poll);
	}
	if (w->ready == w->change_at)
		w->rc = quoit_poll_change(poll, POLLOUT);
}

static unsigned released;

static void on_stopped(struct quoit_poll *poll, int error, void *ctx)
{
	struct watch *w = ctx;
	const struct quoit_poll_options options = poll->options;

	w->stopped++;
	w->error = error;
	if (w->close)
		close(poll->fd);
	if (w->release) {
		released++;
		free(w);
		return;
	}
	if (w->again) {
		w->again = false;
		w->rc = quoit_poll_start(w->d->loop, poll, poll->fd, &options);
	}
}

static void watch(struct driven *d, struct watch *w, int fd, uint32_t events,
		  enum quoit_poll_mode mode)
{
	const struct quoit_poll_options options = {
		.events = events, .mode = mode, .ready = on_ready, .stopped = on_stopped, .ctx = w};

	w->d = d;
	assert_int_equal(quoit_poll_start(d->loop, &w->poll, fd, &options), 0);
	assert_true(quoit_poll_is_active(&w->poll));
}

static void stop(struct driven *d, struct watch *w)
{
	quoit_poll_stop(&w->poll);
	drive_until(d, w->stopped);
	assert_int_equal(w->stopped, 1);
	assert_int_equal(w->error, 0);
	assert_false(quoit_poll_is_active(&w->poll));
}

/* Rounds that do not sleep, for what must not happen. */
static void drive_some(struct driven *d)
{
	for (int i = 0; i < 20; i++)
		drive(d);
}

static void level_is_told_until_everything_was_taken(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct driven d;
		struct watch w = {.take = 1};
		int ends[2];

		drive_open(&d, kind, NULL);
		assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
		watch(&d, &w, ends[0], POLLIN, QUOIT_POLL_LEVEL);
		drive_some(&d);
		assert_int_equal(w.ready, 0);
		assert_int_equal(write(ends[1], "12345", 5), 5);
		drive_until(&d, w.ready == 5); /* a byte each time */
		assert_int_equal(w.events, POLLIN);
		drive_some(&d);
		assert_int_equal(w.ready, 5);
		assert_int_equal(quoit_loop_destroy(d.loop), -EBUSY);
		stop(&d, &w);
		assert_int_equal(write(ends[1], "6", 1), 1);
		drive_some(&d);
		assert_int_equal(w.ready, 5);
		drive_close(&d);
		close(ends[0]);
		close(ends[1]);
	}
}

static void edge_is_told_what_happens_and_not_what_is_left(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct driven d;
		struct watch w = {0};
		const int fd = eventfd(1, EFD_NONBLOCK);

		drive_open(&d, kind, NULL);
		watch(&d, &w, fd, POLLIN, QUOIT_POLL_EDGE);
		drive_until(&d, w.ready == 1); /* ready from the start */
		drive_some(&d);
		assert_int_equal(w.ready, 1); /* nothing was read, and nothing is told again */
		for (unsigned i = 2; i < 6; i++) {
			assert_int_equal(eventfd_write(fd, 1), 0);
			drive_until(&d, w.ready == i);
			drive_some(&d);
			assert_int_equal(w.ready, i);
		}
		stop(&d, &w);
		drive_close(&d);
		close(fd);
	}
}

/* D-82: the kernel may end a multishot poll at any time, without a word why. */
static void an_edge_poll_that_the_kernel_ends_goes_on(void **state)
{
	struct driven d;
	struct watch w = {0};
	const int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	watch(&d, &w, fd, POLLIN, QUOIT_POLL_EDGE);
	drive_some(&d);
	for (unsigned i = 1; i <= 3; i++) {
		/* As a lost completion makes the loop do: everything that is out is cancelled. */
		quoit_ops_resync(&d.loop->ops);
		drive_some(&d);
		assert_int_equal(w.ready, 0);
	}
	assert_int_equal(w.stopped, 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	drive_until(&d, w.ready == 1);
	stop(&d, &w);
	drive_close(&d);
	close(fd);
}

static void once_is_told_once_and_has_stopped_by_itself(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct driven d;
		struct watch w = {.again = true, .rc = 1};
		const int fd = eventfd(1, EFD_NONBLOCK);

		drive_open(&d, kind, NULL);
		watch(&d, &w, fd, POLLIN, QUOIT_POLL_ONCE);
		drive_until(&d, w.stopped == 2);
		assert_int_equal(w.rc, 0); /* it was started again from `stopped` */
		drive_some(&d);
		assert_int_equal(w.ready, 2);
		assert_int_equal(w.stopped, 2);
		assert_int_equal(w.error, 0);
		assert_false(quoit_poll_is_active(&w.poll));
		quoit_poll_stop(&w.poll); /* nothing happens */
		assert_int_equal(quoit_poll_change(&w.poll, POLLIN), -ESHUTDOWN);
		drive_close(&d);
		close(fd);
	}
}

static void a_handler_may_stop_its_poll_and_hears_no_more(void **state)
{
	static const enum quoit_poll_mode modes[] = {QUOIT_POLL_LEVEL, QUOIT_POLL_EDGE};

	(void)state;
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		struct driven d;
		struct watch w = {.stop_at = 1, .close = true};
		const int fd = eventfd(1, EFD_NONBLOCK);

		drive_open(&d, i / 2, NULL);
		watch(&d, &w, fd, POLLIN, modes[i % 2]);
		drive_until(&d, w.stopped);
		drive_some(&d);
		assert_int_equal(w.ready, 1);
		assert_int_equal(w.stopped, 1);
		assert_int_equal(fcntl(fd, F_GETFD), -1); /* it could be closed there */
		drive_close(&d);
	}
}

static void a_poll_may_be_freed_when_it_has_stopped(void **state)
{
	(void)state;
	for (unsigned mode = QUOIT_POLL_LEVEL; mode <= QUOIT_POLL_ONCE; mode++) {
		struct driven d;
		struct watch *w = calloc(1, sizeof(*w));

		assert_non_null(w);
		released = 0;
		drive_open(&d, KIND_OWN, NULL);
		w->stop_at = 1;
		w->release = w->close = true;
		watch(&d, w, eventfd(1, EFD_NONBLOCK), POLLIN, mode);
		drive_until(&d, released);
		drive_some(&d);
		assert_int_equal(released, 1);
		drive_close(&d);
	}
}

static void a_stop_before_the_kernel_has_it_is_told_too(void **state)
{
	struct driven d;
	struct watch w = {0};
	const int fd = eventfd(1, EFD_NONBLOCK);

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	watch(&d, &w, fd, POLLIN, QUOIT_POLL_LEVEL);
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, fd, &w.poll.options), -EBUSY);
	quoit_poll_stop(&w.poll);
	assert_int_equal(w.stopped, 0); /* not by the call itself */
	drive_until(&d, w.stopped);
	assert_int_equal(w.ready, 0);
	drive_close(&d);
	close(fd);
}

/* Its event comes before the kernel has the cancel, whose answer nobody needs to wait for. */
static void a_poll_that_has_stopped_keeps_no_loop_from_being_freed(void **state)
{
	struct driven d;
	struct watch w = {0};
	const int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	drive_open(&d, KIND_GUEST, NULL);
	watch(&d, &w, fd, POLLIN, QUOIT_POLL_LEVEL);
	for (int i = 0; i < 20; i++)
		drive(&d);
	quoit_poll_stop(&w.poll);
	quoit_loop_prepare(d.loop);
	assert_int_equal(io_uring_sq_ready(&d.ring), 1); /* the cancel, which stays there */
	assert_int_equal(eventfd_write(fd, 1), 0);
	drive_reap(&d);
	assert_int_equal(w.stopped, 1);
	assert_int_equal(w.ready, 0);
	assert_int_equal(quoit_loop_destroy(d.loop), -EAGAIN); /* and not -EBUSY */
	drive_close(&d);
	close(fd);
}

static void events_may_be_changed_from_outside_and_from_the_handler(void **state)
{
	static const enum quoit_poll_mode modes[] = {QUOIT_POLL_LEVEL, QUOIT_POLL_EDGE};

	(void)state;
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		struct driven d;
		struct watch w = {.take = 16, .rc = 1};
		int ends[2];

		drive_open(&d, i / 2, NULL);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		watch(&d, &w, ends[0], POLLPRI, modes[i % 2]);
		drive_some(&d);
		assert_int_equal(write(ends[1], "x", 1), 1);
		drive_some(&d);
		assert_int_equal(w.ready, 0); /* not what was asked for */
		w.change_at = 1;
		assert_int_equal(quoit_poll_change(&w.poll, POLLIN), 0);
		drive_until(&d, w.ready >= 2);
		assert_int_equal(w.rc, 0);
		assert_int_equal(w.events, POLLOUT);
		assert_int_equal(quoit_poll_change(&w.poll, 1u << 30), -EINVAL);
		/* A stop wins over a change that is under way. */
		assert_int_equal(quoit_poll_change(&w.poll, POLLIN), 0);
		stop(&d, &w);
		assert_int_equal(quoit_poll_change(&w.poll, POLLIN), -ESHUTDOWN);
		drive_close(&d);
		close(ends[0]);
		close(ends[1]);
	}
}

static void a_hang_up_is_told_whatever_was_asked_for(void **state)
{
	struct driven d;
	struct watch w = {.stop_at = 1};
	int ends[2];

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	assert_int_equal(pipe(ends), 0);
	watch(&d, &w, ends[0], 0, QUOIT_POLL_LEVEL);
	close(ends[1]);
	drive_until(&d, w.stopped);
	assert_int_equal(w.events, POLLHUP);
	assert_int_equal(w.ready, 1);
	drive_close(&d);
	close(ends[0]);
}

static void what_cannot_be_watched_is_refused(void **state)
{
	const struct quoit_loop_options few = {.operations = 3};
	struct driven d;
	struct watch w = {0};
	struct quoit_poll_options options = {.events = POLLIN, .ready = on_ready, .ctx = &w};
	struct quoit_poll polls[3] = {0};
	const int file = open("/proc/self/exe", O_RDONLY);
	const int folder = open("/", O_RDONLY);
	const int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	drive_open(&d, KIND_OWN, &few);
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, 1 << 20, &options), -EBADF);
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, -1, &options), -EBADF);
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, file, &options), -EPERM);
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, folder, &options), -EPERM);
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, fd, NULL), -EINVAL);
	options.mode = QUOIT_POLL_ONCE + 1;
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, fd, &options), -EINVAL);
	options.mode = QUOIT_POLL_LEVEL;
	options.events = EPOLLONESHOT;
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, fd, &options), -EINVAL);
	options.events = POLLIN;
	options.ready = NULL;
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, fd, &options), -EINVAL);
	options.ready = on_ready;
	assert_false(quoit_poll_is_active(&w.poll));
	for (int i = 0; i < 3; i++)
		assert_int_equal(quoit_poll_start(d.loop, &polls[i], fd, &options), 0);
	assert_int_equal(quoit_poll_start(d.loop, &w.poll, fd, &options), -ENOBUFS);
	for (int i = 0; i < 3; i++)
		quoit_poll_stop(&polls[i]);
	drive_until(&d, !quoit_poll_is_active(&polls[0]) && !quoit_poll_is_active(&polls[1]) &&
				!quoit_poll_is_active(&polls[2]));
	drive_close(&d);
	close(fd);
	close(file);
	close(folder);
}

/* The descriptor was closed, against the contract, before the kernel had the entry. */
static void an_error_of_the_kernel_ends_it_and_is_told(void **state)
{
	struct driven d;
	struct watch w = {0};
	const int fd = eventfd(1, EFD_NONBLOCK);

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	watch(&d, &w, fd, POLLIN, QUOIT_POLL_EDGE);
	close(fd);
	drive_until(&d, w.stopped);
	assert_int_equal(w.error, -EBADF);
	assert_int_equal(w.ready, 0);
	assert_int_equal(w.stopped, 1);
	drive_close(&d);
}

/* --- an epoll set inside --------------------------------------------------------------------- */

static unsigned hosted;

static void one_event_each_time(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct epoll_event event;
	uint64_t value;

	(void)events;
	(void)ctx;
	if (epoll_wait(poll->fd, &event, 1, 0) != 1)
		return;
	hosted++;
	(void)!read(event.data.fd, &value, sizeof(value));
}

static void an_epoll_set_is_hosted_though_its_handler_does_not_drain_it(void **state)
{
	const struct quoit_poll_options options = {.events = POLLIN, .ready = one_event_each_time};

	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct quoit_poll poll = {0};
		struct driven d;
		const int epoll = epoll_create1(EPOLL_CLOEXEC);
		int fds[10];

		drive_open(&d, kind, NULL);
		for (int i = 0; i < 10; i++) {
			struct epoll_event event = {.events = EPOLLIN};

			event.data.fd = fds[i] = eventfd(0, EFD_NONBLOCK);
			assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event), 0);
		}
		hosted = 0;
		assert_int_equal(quoit_poll_start(d.loop, &poll, epoll, &options), 0);
		for (unsigned round = 1; round <= 3; round++) {
			for (int i = 0; i < 10; i++)
				assert_int_equal(eventfd_write(fds[i], 1), 0);
			drive_until(&d, hosted == 10 * round);
		}
		quoit_poll_stop(&poll);
		drive_until(&d, !quoit_poll_is_active(&poll));
		drive_close(&d);
		for (int i = 0; i < 10; i++)
			close(fds[i]);
		close(epoll);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(level_is_told_until_everything_was_taken),
		cmocka_unit_test(edge_is_told_what_happens_and_not_what_is_left),
		cmocka_unit_test(an_edge_poll_that_the_kernel_ends_goes_on),
		cmocka_unit_test(once_is_told_once_and_has_stopped_by_itself),
		cmocka_unit_test(a_handler_may_stop_its_poll_and_hears_no_more),
		cmocka_unit_test(a_poll_may_be_freed_when_it_has_stopped),
		cmocka_unit_test(a_stop_before_the_kernel_has_it_is_told_too),
		cmocka_unit_test(a_poll_that_has_stopped_keeps_no_loop_from_being_freed),
		cmocka_unit_test(events_may_be_changed_from_outside_and_from_the_handler),
		cmocka_unit_test(a_hang_up_is_told_whatever_was_asked_for),
		cmocka_unit_test(what_cannot_be_watched_is_refused),
		cmocka_unit_test(an_error_of_the_kernel_ends_it_and_is_told),
		cmocka_unit_test(an_epoll_set_is_hosted_though_its_handler_does_not_drain_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
