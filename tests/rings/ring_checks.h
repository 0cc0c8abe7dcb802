/* SPDX-License-Identifier: MIT */
/*
 * ring_checks.h - what the ring tests share: every capacity from 1 to 64, begun at 0 and just
 * before a position wraps at 2^32 and at 2^64. Include it after cmocka.
 */
#ifndef QUOIT_TESTS_RINGS_RING_CHECKS_H
#define QUOIT_TESTS_RINGS_RING_CHECKS_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/rings/spsc.h>

#define CAPACITY_MOST 64

static const uint64_t start_positions[] = {0, (UINT64_C(1) << 32) - 3, UINT64_MAX - 2};

#define START_POSITIONS (sizeof(start_positions) / sizeof(start_positions[0]))

/* Run `check` on a fresh ring of every capacity at every start. */
static inline void for_each_ring(void (*check)(struct quoit_spsc *ring))
{
	for (size_t capacity = 1; capacity <= CAPACITY_MOST; capacity *= 2)
		for (size_t i = 0; i < START_POSITIONS; i++) {
			struct quoit_spsc ring;

			assert_int_equal(quoit_spsc_init_at(&ring, capacity, start_positions[i]),
					 0);
			check(&ring);
		}
}

/* Does breaking the contract in this way stop the process? Run in a child of its own. */
static inline bool aborts(void (*breach)(struct quoit_spsc *ring), struct quoit_spsc *ring)
{
	const pid_t child = fork();
	int status = 0;

	if (child == 0) {
		const struct rlimit no_core = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &no_core); /* at worst a core file is left */
		(void)signal(SIGABRT, SIG_DFL);		/* cmocka catches it */
		(void)close(STDERR_FILENO);		/* the message is expected */
		breach(ring);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
