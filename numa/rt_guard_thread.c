/* SPDX-License-Identifier: MIT */
/*
 * rt_guard_thread.c - what a thread is in, whose it is, and what the kernel has counted of it.
 */
#include <quoit/numa/rt_guard_internal.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MASK_BYTES  8L
#define BIT(signal) ((uint64_t)1 << ((signal)-1))

/* What an instruction of the thread itself brings about: Linux kills who has these blocked. */
#define OF_ITSELF \
	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))

__thread struct quoit__rt_thread quoit__rt_thread = {.open = QUOIT__RT_NOTHING};

/* --- the stack of sections and holes --------------------------------------------------------- */

static void set_open(struct quoit__rt_thread *t, uint64_t open)
{
	quoit_store(&t->open, open); /* one store: a handler before it has put back what was read */
	t->selector = quoit__rt_inside();
}

void quoit__rt_push(struct quoit__rt_thread *t, bool section)
{
	set_open(t, quoit_load(&t->open) << 1 | !section);
}

bool quoit__rt_pop(struct quoit__rt_thread *t, bool section)
{
	const uint64_t open = quoit_load(&t->open);

	if (open == QUOIT__RT_NOTHING || (open & 1) == section)
		return false;
	set_open(t, open >> 1);
	return true;
}

void quoit__rt_clear(struct quoit__rt_thread *t)
{
	set_open(t, QUOIT__RT_NOTHING);
}

/* --- signals --------------------------------------------------------------------------------- */

uint64_t quoit__rt_hush(void)
{
	const uint64_t others = ~OF_ITSELF;
	uint64_t signals = 0;

	(void)quoit__rt_gate(SYS_rt_sigprocmask, SIG_BLOCK, (long)&others, (long)&signals,
			     MASK_BYTES, 0, 0);
	return signals;
}

void quoit__rt_unhush(uint64_t signals)
{
	if (!quoit__rt_thread.refused)
		signals &= ~BIT(SIGSYS);
	(void)quoit__rt_gate(SYS_rt_sigprocmask, SIG_SETMASK, (long)&signals, 0, MASK_BYTES, 0, 0);
}

/* --- what the kernel counts ------------------------------------------------------------------ */

static struct quoit__rt_usage usage_now(void)
{
	struct rusage r;

	memset(&r, 0, sizeof(r));
	(void)quoit__rt_gate(SYS_getrusage, RUSAGE_THREAD, (long)&r, 0, 0, 0, 0);
	return (struct quoit__rt_usage){
		.faults = (uint64_t)(r.ru_minflt + r.ru_majflt),
		.sleeps = (uint64_t)r.ru_nvcsw,
		.preempted = (uint64_t)r.ru_nivcsw,
	};
}

void quoit__rt_usage_begin(struct quoit__rt_thread *t)
{
	t->since = usage_now();
}

void quoit__rt_usage_end(struct quoit__rt_thread *t)
{
	const struct quoit__rt_usage now = usage_now();

	t->used.faults += now.faults - t->since.faults;
	t->used.sleeps += now.sleeps - t->since.sleeps;
	t->used.preempted += now.preempted - t->since.preempted;
	t->since = now;
}

void quoit__rt_own(struct quoit__rt_thread *t)
{
	const int tid = (int)quoit__rt_gate(SYS_gettid, 0, 0, 0, 0, 0, 0);

	if (quoit_likely(t->tid == tid)) {
		t->lent = false;
		return;
	}
	if (t->lent) /* all of this is still its parent's, who waits */
		return;
	t->asked = false;
	t->since = usage_now();
	t->used = (struct quoit__rt_usage){0, 0, 0};
	t->tid = tid;
	if (quoit_load(&t->open) != QUOIT__RT_NOTHING)
		(void)quoit__rt_kernel_arm(t);
}
