/* SPDX-License-Identifier: MIT */
/*
 * signal.c - see signal.h.
 *
 * A signalfd, watched in level mode and read on the loop's own thread: a read that a thread of the
 * kernel did for us would not see what was sent to this thread.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/signal.h>

#include <string.h>

#define SIGNALS_A_TURN 16
#define SIGNALS	       64

/* Errors: -EINVAL for those that nobody can have. */
static int to_sigset(uint64_t set, sigset_t *out)
{
	if (!set || set & (QUOIT_SIGNAL(SIGKILL) | QUOIT_SIGNAL(SIGSTOP)))
		return -EINVAL;
	sigemptyset(out);
	for (int number = 1; number <= SIGNALS; number++)
		if (set & QUOIT_SIGNAL(number) && sigaddset(out, number) < 0)
			return -EINVAL;
	return 0;
}

int quoit_signals_block(uint64_t set)
{
	sigset_t wanted;
	const int rc = to_sigset(set, &wanted);

	return rc < 0 ? rc : -pthread_sigmask(SIG_BLOCK, &wanted, NULL);
}

static bool are_blocked(uint64_t set)
{
	sigset_t now;

	if (pthread_sigmask(SIG_BLOCK, NULL, &now))
		return false;
	for (int number = 1; number <= SIGNALS; number++)
		if (set & QUOIT_SIGNAL(number) && sigismember(&now, number) != 1)
			return false;
	return true;
}

static void tell(struct quoit_signals *signals, const struct signalfd_siginfo *info)
{
	const struct quoit_signal signal = {
		.number = (int)info->ssi_signo,
		.code = info->ssi_code,
		.error = info->ssi_errno,
		.status = info->ssi_status,
		.pid = info->ssi_pid,
		.uid = info->ssi_uid,
		.value = info->ssi_int,
		.pointer = info->ssi_ptr,
		.fd = info->ssi_fd,
	};

	signals->fn(signals, &signal, signals->ctx);
}

/* One by one: what a handler leaves untaken by stopping stays with the kernel. */
static void readable(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct quoit_signals *signals = ctx;
	struct signalfd_siginfo info;

	(void)events;
	for (unsigned i = 0; i < SIGNALS_A_TURN && !poll->stopping; i++) {
		if (quoit__sys_read(signals->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
			return; /* taken by another loop, or there are no more */
		tell(signals, &info);
	}
}

static void stopped(struct quoit_poll *poll, int error, void *ctx)
{
	struct quoit_signals *signals = ctx;

	(void)poll;
	quoit__sys_close(signals->fd);
	signals->fd = -1;
	if (signals->stopped)
		signals->stopped(signals, error, signals->ctx); /* may free it */
}

int quoit_signals_start(struct quoit_loop *loop, struct quoit_signals *signals, uint64_t set,
			quoit_signal_fn fn, quoit_signals_stopped_fn on_stopped, void *ctx)
{
	const struct quoit_poll_options options = {
		.events = POLLIN, .ready = readable, .stopped = stopped, .ctx = signals};
	sigset_t wanted;
	int fd;
	int rc;

	if (!fn || to_sigset(set, &wanted) < 0 || !are_blocked(set))
		return -EINVAL;
	if (quoit_signals_are_active(signals))
		return -EBUSY;
	fd = quoit__sys_signalfd(&wanted);
	if (fd < 0)
		return fd;
	rc = quoit_poll_start(loop, &signals->poll, fd, &options);
	if (rc < 0) {
		quoit__sys_close(fd);
		return rc;
	}
	signals->fd = fd;
	signals->fn = fn;
	signals->stopped = on_stopped;
	signals->ctx = ctx;
	return 0;
}

void quoit_signals_stop(struct quoit_signals *signals)
{
	quoit_poll_stop(&signals->poll);
}

bool quoit_signals_are_active(const struct quoit_signals *signals)
{
	return quoit_poll_is_active(&signals->poll);
}
