/* SPDX-License-Identifier: MIT */
/*
 * numa_scale.h - what all cores of a runtime do together, for bench-numa: each keeps some calls out
 * to every core, itself among them, and makes the next when one is answered.
 */
#ifndef TESTS_BENCH_NUMA_SCALE_H
#define TESTS_BENCH_NUMA_SCALE_H

#include "measure.h"

#include <quoit.h>

enum {
	OP_ECHO = 1,
	CALLS_OUT = 8, /* from each core to each */
	SCALE_MS = 200,
};

static inline void scale_call(struct quoit_core *core, unsigned to);

static inline void scale_answered(struct quoit_core *core, const struct quoit_message *reply,
				  void *ctx)
{
	(void)reply;
	if (!quoit_core_is_stopping(core))
		scale_call(core, (unsigned)(uintptr_t)ctx);
}

static inline void scale_call(struct quoit_core *core, unsigned to)
{
	const uint64_t word = to;

	if (quoit_call(core, to, OP_ECHO, &word, sizeof(word), scale_answered,
		       (void *)(uintptr_t)to) < 0)
		die("a core has no credit for %d calls", CALLS_OUT);
}

static inline void scale_echo(struct quoit_core *core, const struct quoit_message *m, size_t n,
			      bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&m[i]), 0, m[i].body, sizeof(uint64_t));
}

static inline int scale_start(struct quoit_core *core, void *ctx)
{
	const int rc = quoit_on_message(core, OP_ECHO, scale_echo, NULL);

	(void)ctx;
	for (unsigned to = 0; rc >= 0 && to < quoit_core_count(core); to++)
		for (unsigned i = 0; i < CALLS_OUT; i++)
			scale_call(core, to);
	return rc;
}

static inline uint64_t scale_messages(const struct quoit_runtime *runtime, uint64_t *degraded)
{
	uint64_t all = 0;

	*degraded = 0;
	for (unsigned i = 0; i < quoit_runtime_cores(runtime); i++) {
		struct quoit_stats stats;

		if (quoit_runtime_stats(runtime, i, &stats))
			continue;
		all += stats.messages_in;
		*degraded += stats.numa_degraded;
	}
	return all;
}

/* Messages a second, in millions, on the first `cores` of the cpus that this thread may use. */
static inline double scale(unsigned cores, uint64_t *degraded)
{
	const struct quoit_config config = {.cores = cores, .start = scale_start};
	struct quoit_runtime *runtime;
	struct quoit_reason why;
	uint64_t before, from_ns, messages, took_ns;

	if (quoit_runtime_start(&config, &runtime, &why) < 0)
		die("%s", why.text);
	usleep(SCALE_MS * 1000 / 4);
	before = scale_messages(runtime, degraded);
	from_ns = quoit_clock_now_ns();
	usleep(SCALE_MS * 1000);
	messages = scale_messages(runtime, degraded) - before;
	took_ns = quoit_clock_now_ns() - from_ns;
	quoit_runtime_stop(runtime, 1000000000);
	if (quoit_runtime_wait(runtime, &why) < 0)
		die("%s", why.text);
	return (double)messages * 1e3 / (double)took_ns;
}

#endif
