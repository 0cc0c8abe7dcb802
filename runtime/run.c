/* SPDX-License-Identifier: MIT */
/*
 * run.c - quoit_run(): the main function of a program that is nothing but its cores.
 *
 * The only place of the library that takes signals or writes to standard error, because calling it
 * asks for both.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/runtime_internal.h>

#include <signal.h>
#include <stdio.h>

#include <quoit/numa/clock.h>

#define SAME_SIGNAL_NS (200 * 1000 * 1000ull)

enum {
	STATUS_GOOD = 0,
	STATUS_CUT_OFF = 1,
	STATUS_NOT_STARTED = 2,
};

static int complain(const struct quoit_reason *why, int status)
{
	fprintf(stderr, "%s\n", why->text);
	return status;
}

/*
 * Serve until a signal comes or the cores end by themselves. Who asks twice does not want to wait,
 * unless it is one signal that came to us and to our process group; and a third one kills, for a
 * handler may be stuck that never lets its core stop.
 */
static void wait_for_end(struct quoit_runtime *runtime, int signals, uint64_t timeout_ns,
			 const sigset_t *wanted)
{
	uint64_t first_ns = 0;

	while (!quoit__sys_wait_readable(quoit_runtime_fd(runtime), signals)) {
		const uint64_t now = quoit_clock_now_ns();

		quoit__sys_drain_signals(signals);
		if (first_ns && now - first_ns < SAME_SIGNAL_NS)
			continue;
		quoit_runtime_stop(runtime, first_ns ? 0 : timeout_ns);
		if (first_ns)
			pthread_sigmask(SIG_UNBLOCK, wanted, NULL);
		else
			first_ns = now;
	}
}

static int run_with_signals(const struct quoit_config *config, size_t bytes, int signals,
			    const sigset_t *wanted)
{
	struct quoit_reason why = {0};
	struct quoit_runtime *runtime;

	if (signals < 0) {
		quoit_reason_set(&why, signals,
				 "no file descriptor left for signals: raise ulimit -n");
		return complain(&why, STATUS_NOT_STARTED);
	}
	if (quoit__runtime_start(config, bytes, &runtime, &why) < 0)
		return complain(&why, STATUS_NOT_STARTED);
	wait_for_end(runtime, signals,
		     config->stop_timeout_ns ? config->stop_timeout_ns : QUOIT_STOP_TIMEOUT_NS,
		     wanted);
	return quoit_runtime_wait(runtime, &why) < 0 ? complain(&why, STATUS_CUT_OFF) : STATUS_GOOD;
}

int quoit__run(const struct quoit_config *config, size_t bytes)
{
	sigset_t wanted;
	sigset_t before;
	int signals;
	int status;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &wanted, &before);
	signals = quoit__sys_signalfd(&wanted);
	status = run_with_signals(config, bytes, signals, &wanted);
	if (signals >= 0) {
		/* One that came while the cores ended has what it wanted: it must not kill us now.
		 */
		quoit__sys_drain_signals(signals);
		quoit__sys_close(signals);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status;
}
