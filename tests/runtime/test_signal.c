/* SPDX-License-Identifier: MIT */
/*
 * test_signal.c - signals as events: who sent what, once, to one of those who wait; and nothing is
 * installed or unblocked behind anybody's back. M9.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/runtime/signal.h>

#include "runtime/loop_kinds.h"

#define OURS (QUOIT_SIGNAL(SIGUSR1) | QUOIT_SIGNAL(SIGUSR2) | QUOIT_SIGNAL(SIGRTMIN + 3))

struct heard {
	struct quoit_signals signals;
	unsigned times;
	struct quoit_signal last;
	unsigned stopped;
	int error;
	bool stop;
	unsigned wrong; /* values out of order */
};

static int block(void **state)
{
	(void)state;
	return quoit_signals_block(OURS);
}

static void on_signal(struct quoit_signals *signals, const struct quoit_signal *signal, void *ctx)
{
	struct heard *heard = ctx;

	if (signal->code == SI_QUEUE)
		heard->wrong += signal->value != (int)heard->times;
	heard->times++;
	heard->last = *signal;
	if (heard->stop)
		quoit_signals_stop(signals);
}

static void on_stopped(struct quoit_signals *signals, int error, void *ctx)
{
	struct heard *heard = ctx;

	(void)signals;
	heard->stopped++;
	heard->error = error;
}

static void listen_to(struct driven *d, struct heard *heard, uint64_t set)
{
	assert_int_equal(
		quoit_signals_start(d->loop, &heard->signals, set, on_signal, on_stopped, heard),
		0);
	assert_true(quoit_signals_are_active(&heard->signals));
}

static void stop(struct driven *d, struct heard *heard)
{
	quoit_signals_stop(&heard->signals);
	drive_until(d, heard->stopped);
	assert_int_equal(heard->stopped, 1);
	assert_int_equal(heard->error, 0);
	assert_false(quoit_signals_are_active(&heard->signals));
}

static void a_signal_is_told_once_with_its_sender_in_every_kind_of_loop(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct heard heard = {0};
		struct driven d;

		drive_open(&d, kind, NULL);
		listen_to(&d, &heard, OURS);
		assert_int_equal(
			quoit_signals_start(d.loop, &heard.signals, OURS, on_signal, NULL, NULL),
			-EBUSY);
		for (int i = 0; i < 10; i++)
			drive(&d);
		assert_int_equal(heard.times, 0);
		assert_int_equal(kill(getpid(), SIGUSR1), 0);
		drive_until(&d, heard.times == 1);
		assert_int_equal(heard.last.number, SIGUSR1);
		assert_int_equal(heard.last.code, SI_USER);
		assert_int_equal(heard.last.pid, getpid());
		assert_int_equal(heard.last.uid, getuid());
		for (int i = 0; i < 10; i++)
			drive(&d);
		assert_int_equal(heard.times, 1);
		stop(&d, &heard);
		drive_close(&d);
	}
}

static void many_that_wait_are_told_in_order_over_several_turns(void **state)
{
	struct heard heard = {0};
	struct driven d;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	for (int i = 0; i < 50; i++)
		assert_int_equal(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}),
				 0);
	listen_to(&d, &heard, OURS); /* sent before: they have waited for us */
	drive_until(&d, heard.times);
	assert_true(heard.times <= 16);
	drive_until(&d, heard.times == 50);
	assert_int_equal(heard.wrong, 0);
	assert_int_equal(heard.last.value, 49);
	stop(&d, &heard);
	drive_close(&d);
}

static void one_that_is_sent_to_the_thread_is_told_too(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct heard heard = {0};
		struct driven d;

		drive_open(&d, kind, NULL);
		listen_to(&d, &heard, OURS);
		drive(&d);
		assert_int_equal(pthread_kill(pthread_self(), SIGUSR2), 0);
		drive_until(&d, heard.times == 1);
		assert_int_equal(heard.last.number, SIGUSR2);
		stop(&d, &heard);
		drive_close(&d);
	}
}

static void of_two_loops_one_is_told(void **state)
{
	struct heard heard[2] = {0};
	struct driven d[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		drive_open(&d[i], KIND_OWN, NULL);
		listen_to(&d[i], &heard[i], QUOIT_SIGNAL(SIGUSR1));
		drive(&d[i]);
	}
	for (unsigned n = 1; n <= 10; n++) {
		assert_int_equal(kill(getpid(), SIGUSR1), 0);
		for (int i = 0; i < 10; i++)
			drive(&d[(n + (unsigned)i) % 2]);
		assert_int_equal(heard[0].times + heard[1].times, n);
	}
	assert_true(heard[0].times && heard[1].times);
	for (int i = 0; i < 2; i++) {
		stop(&d[i], &heard[i]);
		drive_close(&d[i]);
	}
}

static void a_handler_may_stop_and_what_follows_stays_with_the_kernel(void **state)
{
	struct heard heard = {.stop = true};
	struct driven d;
	sigset_t pending;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	listen_to(&d, &heard, OURS);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(kill(getpid(), SIGUSR2), 0);
	drive_until(&d, heard.stopped);
	assert_int_equal(heard.times, 1);
	assert_int_equal(sigpending(&pending), 0);
	assert_true(sigismember(&pending, SIGUSR2));
	/* The next who asks is told of it. */
	heard = (struct heard){0};
	listen_to(&d, &heard, OURS);
	drive_until(&d, heard.times == 1);
	assert_int_equal(heard.last.number, SIGUSR2);
	stop(&d, &heard);
	drive_close(&d);
}

static void what_nobody_can_have_is_refused(void **state)
{
	static const uint64_t impossible[] = {0, QUOIT_SIGNAL(SIGKILL),
					      QUOIT_SIGNAL(SIGUSR1) | QUOIT_SIGNAL(SIGSTOP),
					      QUOIT_SIGNAL(32), /* libc's own */
					      QUOIT_SIGNAL(SIGWINCH) /* not blocked here */};
	struct quoit_signals signals = {0};
	struct sigaction action;
	struct driven d;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	for (size_t i = 0; i < sizeof(impossible) / sizeof(*impossible); i++) {
		assert_int_equal(
			quoit_signals_start(d.loop, &signals, impossible[i], on_signal, NULL, NULL),
			-EINVAL);
		if (impossible[i] != QUOIT_SIGNAL(SIGWINCH))
			assert_int_equal(quoit_signals_block(impossible[i]), -EINVAL);
	}
	assert_int_equal(quoit_signals_start(d.loop, &signals, OURS, NULL, NULL, NULL), -EINVAL);
	assert_false(quoit_signals_are_active(&signals));
	/* No handler was ever installed. */
	assert_int_equal(sigaction(SIGUSR1, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
	drive_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_is_told_once_with_its_sender_in_every_kind_of_loop),
		cmocka_unit_test(many_that_wait_are_told_in_order_over_several_turns),
		cmocka_unit_test(one_that_is_sent_to_the_thread_is_told_too),
		cmocka_unit_test(of_two_loops_one_is_told),
		cmocka_unit_test(a_handler_may_stop_and_what_follows_stays_with_the_kernel),
		cmocka_unit_test(what_nobody_can_have_is_refused),
	};

	return cmocka_run_group_tests(tests, block, NULL);
}
