/* SPDX-License-Identifier: MIT */
/*
 * signal.h - signals as events of a loop. No signal handler is ever installed.
 *
 *     int main(void)
 *     {
 *         rc = quoit_signals_block(QUOIT_SIGNAL(SIGHUP) | QUOIT_SIGNAL(SIGUSR1));
 *         ...                                      threads are made, a loop is created
 *         rc = quoit_signals_start(loop, &signals, QUOIT_SIGNAL(SIGHUP) | QUOIT_SIGNAL(SIGUSR1),
 *                                  on_signal, on_stopped, ctx);
 *
 * The signals must be blocked in every thread, or the kernel gives them to one where they are not,
 * and that one does what the signal always did. Threads inherit what is blocked: so block before
 * the first thread is made, by quoit_signals_block() or by oneself. Nothing here unblocks them.
 *
 * A signal that is sent to the process is told to one of the loops that wait for it; one that is
 * sent to a thread, only to that thread's loop. Like all signals, one that comes again before it
 * has been told may be told once. quoit_run() takes SIGINT and SIGTERM for itself.
 *
 * Thread: the loop's, but for quoit_signals_block().
 */
#ifndef QUOIT_RUNTIME_SIGNAL_H
#define QUOIT_RUNTIME_SIGNAL_H

#include <quoit/runtime/poll.h>

QUOIT_C_BEGIN

/* A set of signals is a sum of these: 1 to 64. */
#define QUOIT_SIGNAL(number) (UINT64_C(1) << ((number)-1))

struct quoit_signals;

/* Who sent what: see sigaction(2) for what is filled in when. */
struct quoit_signal {
	int number;
	int code;     /* SI_USER, SI_QUEUE, CLD_EXITED ... */
	int error;    /* errno of the sender, if any */
	int status;   /* of a child */
	uint32_t pid; /* of the sender or the child */
	uint32_t uid; /* of its user */
	int value;    /* what sigqueue(3) sent */
	uint64_t pointer;
	int fd; /* SIGIO */
};

/* A signal has come. Those that wait together are told one after another in one turn, 16 at most.
 */
typedef void (*quoit_signal_fn)(struct quoit_signals *signals, const struct quoit_signal *signal,
				void *ctx);

/* Nothing is told any more; 0, or an error that ended it. */
typedef void (*quoit_signals_stopped_fn)(struct quoit_signals *signals, int error, void *ctx);

/* Owns: the caller, who keeps it in place until it has stopped. All zero is stopped. */
struct quoit_signals {
	struct quoit_poll poll;
	int fd;
	quoit_signal_fn fn;
	quoit_signals_stopped_fn stopped;
	void *ctx;
};

/*
 * Block these signals in the calling thread, and so in all threads that it makes later.
 *
 * Thread: main's, before it makes others.
 * Errors: -EINVAL for SIGKILL, SIGSTOP and the two that libc keeps for itself.
 */
QUOIT_MUST_CHECK int quoit_signals_block(uint64_t set);

/*
 * Tell `fn` of these signals from now on. `stopped` may be NULL; it is called exactly once for each
 * successful start, last of all: after quoit_signals_stop(), or when the runtime stops.
 *
 * Errors: -EINVAL for no signal, one that cannot be had, or one that this thread does not block;
 * -EBUSY if it runs already; -EMFILE, -ENFILE, -ENOMEM; -ENOBUFS and -ESHUTDOWN as in poll.h.
 */
QUOIT_MUST_CHECK int quoit_signals_start(struct quoit_loop *loop, struct quoit_signals *signals,
					 uint64_t set, quoit_signal_fn fn,
					 quoit_signals_stopped_fn stopped, void *ctx);

/*
 * Stop. `fn` is not called any more; `stopped` is, soon, but not by this call. The signals stay
 * blocked: what comes now waits for the next who asks.
 */
void quoit_signals_stop(struct quoit_signals *signals);

/* Has it been started, and not yet told that it has stopped? */
bool quoit_signals_are_active(const struct quoit_signals *signals);

QUOIT_C_END

#endif
