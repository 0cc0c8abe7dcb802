/* SPDX-License-Identifier: MIT */
/*
 * shring_pair.h - both sides of a ring between processes, for tests of loops: in one process, where
 * turns are taken by hand, or with the other side in a forked one.
 *
 * Include after <cmocka.h>.
 */
#ifndef QUOIT_TESTS_RUNTIME_SHRING_PAIR_H
#define QUOIT_TESTS_RUNTIME_SHRING_PAIR_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/rings/shring_create.h>
#include <quoit/rings/shring_wait.h>
#include <quoit/rings/typed_shring.h>
#include <quoit/runtime/loop.h>

#include "runtime/make_loop.h"

QUOIT_SHRING(wire, uint64_t);

#define PAIR_BITS 4
#define PAIR_MS	  1000000ull

static inline void pair_turn(struct quoit_loop *loop)
{
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
}

/* A ring made by this side, which has `role`. */
static inline struct wire *pair_make(enum quoit_shring_role role, struct quoit_shring_options o)
{
	struct quoit_reason why = {0};
	struct wire *made = NULL;

	o.size = sizeof(o);
	o.role = role;
	if (!o.bits)
		o.bits = PAIR_BITS;
	o.node = QUOIT_NODE_AUTO;
	o.bells = true;
	if (wire_create(&o, &made, &why))
		fail_msg("%s", why.text);
	return made;
}

/* The other side of it. NULL: `why` was printed. For any process. */
static inline struct wire *pair_join(const struct wire *made, bool trusted)
{
	const struct quoit_shring_options o = {
		.size = sizeof(o),
		.role = made->ring.role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_CONSUMER
								 : QUOIT_SHRING_PRODUCER,
		.trusted = trusted,
	};
	struct quoit_reason why = {0};
	struct wire *joined = NULL;
	int fds[QUOIT_SHRING_FDS];
	const size_t n = quoit_shring_fds(&made->ring, fds);

	if (wire_attach(fds, n, &o, &joined, &why))
		print_error("attach: %s\n", why.text);
	return joined;
}

/* Run `act` on the other side, in a process of its own, which ends with what it gives. */
static inline pid_t pair_fork(const struct wire *made, int (*act)(struct wire *q, int arg), int arg)
{
	const pid_t child = fork();

	if (!child) {
		struct wire *const q = pair_join(made, false);

		_exit(q ? act(q, arg) : 99);
	}
	assert_true(child > 0);
	return child;
}

/* Tell the ring whom to watch. */
static inline void pair_watch(struct wire *made, pid_t child)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, child, 0);

	assert_true(pidfd >= 0);
	assert_int_equal(quoit_shring_set_peer(&made->ring, pidfd), 0);
	close(pidfd);
}

static inline void pair_reap(pid_t child, int wanted)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), wanted);
}

/* Times that this thread has given its cpu away. */
static inline long pair_switches(void)
{
	struct rusage use;

	return getrusage(RUSAGE_THREAD, &use) ? -1 : use.ru_nvcsw;
}

#endif
