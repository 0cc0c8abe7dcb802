/* SPDX-License-Identifier: MIT */
/* stats.c - gathering one core's counters from the parts that count. */
#include <quoit/runtime/runtime_internal.h>

#include <errno.h>

/* Copy counters that their owner is writing, each of them whole. */
static void copy_counters(uint64_t *to, const uint64_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] = quoit_load(&from[i]); /* one writer; figures may be a few events apart */
}

int quoit_runtime_stats(const struct quoit_runtime *runtime, unsigned index,
			struct quoit_stats *stats)
{
	struct quoit_loop_counts loop;
	struct quoit_mail_counts mail;
	struct quoit_uring_counts uring;
	struct quoit_stats s = {0};
	const struct quoit_core *core;

	if (index >= runtime->cores)
		return -EINVAL;
	if (!quoit_runtime_is_ours(runtime))
		return -ECHILD;
	core = runtime->seats[index].core;
	copy_counters((uint64_t *)&loop, (const uint64_t *)&core->loop.counts, sizeof(loop));
	copy_counters((uint64_t *)&mail, (const uint64_t *)&core->mail.counts, sizeof(mail));
	copy_counters((uint64_t *)&uring, (const uint64_t *)&core->loop.uring.counts,
		      sizeof(uring));
	copy_counters((uint64_t *)&s.io, (const uint64_t *)&core->io.counts, sizeof(s.io));
	s.turns = loop.turns;
	s.sleeps = loop.sleeps;
	s.gathers = loop.gathers;
	s.spins = loop.spins;
	s.spins_won = loop.spins_won;
	s.enters = uring.enters;
	s.enters_forced = uring.enters_forced;
	s.submitted = uring.submitted;
	s.completed = uring.completed;
	s.overflows = uring.overflows;
	s.stale = uring.stale;
	s.timers_fired = loop.timers_fired;
	s.messages_in = mail.messages_in;
	s.messages_out = mail.messages_out;
	s.batches = mail.batches;
	s.calls = mail.calls;
	s.refused = mail.refused;
	s.calls_timed_out = mail.timed_out;
	s.bells_rung = mail.bells_rung;
	s.bells_saved = mail.bells_saved;
	s.bells_heard = loop.bells_heard;
	s.numa_degraded = core->degraded;
	s.migrations = quoit_load(&core->migrations); /* one writer */
	*stats = s;
	return 0;
}

int quoit_runtime_histograms(const struct quoit_runtime *runtime, unsigned index,
			     struct quoit_loop_histograms *histograms)
{
	if (index >= runtime->cores)
		return -EINVAL;
	quoit_loop_read_histograms(&runtime->seats[index].core->loop, histograms);
	return 0;
}
