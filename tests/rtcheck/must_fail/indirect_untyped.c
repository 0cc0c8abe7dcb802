/* SPDX-License-Identifier: MIT */
/*
 * A pointer to any function may be a pointer to malloc().
 *
 * expect: indirect: tick -> run
 */
#include <quoit/numa/realtime.h>

#include <stddef.h>

struct job {
	void (*fn)(void *ctx);
	void *ctx;
};

__attribute__((noinline)) static void run(const struct job *job)
{
	job->fn(job->ctx);
	job->fn(NULL);
}

QUOIT_RT void tick(const struct job *job)
{
	run(job);
	run(job + 1);
}
