/* SPDX-License-Identifier: MIT */
/*
 * rt_guard.c - sections and holes of a thread, and what is done about a breach.
 */
#include <quoit/numa/rt_guard_internal.h>

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define FRAMES_MOST 32

__thread struct quoit__rt_thread quoit__rt_thread;

static struct quoit_rt_guard_options options; /* changes while no section is open */
static long permitted[QUOIT_RT_PERMITTED_MOST];
static struct quoit_rt_guard_counts counts;

static const char *const kinds[QUOIT_BREACH_KINDS] = {
	"allocates", "blocks", "prints", "calls", "enters the kernel", "faults", "sleeps"};

/* --- the stack of sections and holes --------------------------------------------------------- */

/* The caller's mistake, in whatever section it is: it may be told. */
static void check(bool good, const char *what)
{
	if (quoit_likely(good))
		return;
	quoit_rt_guard_forget();
	QUOIT__CHECK(good, what);
}

static void select_by_top(struct quoit__rt_thread *t)
{
	t->selector = quoit__rt_inside();
}

static void push(struct quoit__rt_thread *t, bool section)
{
	const uint64_t bit = (uint64_t)1 << t->level % QUOIT__RT_LEVELS_MOST;

	check(t->level < QUOIT__RT_LEVELS_MOST, "at most 64 sections and holes are open");
	t->sections = section ? t->sections | bit : t->sections & ~bit;
	t->level++;
	select_by_top(t);
}

static void pop(struct quoit__rt_thread *t, bool section, const char *what)
{
	check(t->level && (t->sections >> (t->level - 1) & 1) == section, what);
	t->level--;
	select_by_top(t);
}

void quoit_rt_guard_forget(void)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;

	t->level = 0;
	t->used = (struct quoit__rt_usage){0, 0, 0};
	select_by_top(t);
}

/* --- breaches -------------------------------------------------------------------------------- */

static void say(const char *text)
{
	(void)quoit__rt_gate(SYS_write, 2, (long)text, (long)strlen(text), 0, 0, 0);
}

/* What it was: by its name, its number, or both. */
static void describe(const struct quoit_breach_info *info, char *text, size_t bytes)
{
	const char *const why = info->system_call == SYS_exit_group
					? " (exit_group: the section was never ended)"
					: "";

	if (info->kind == QUOIT_BREACH_KERNEL)
		(void)snprintf(text, bytes, "system call %ld%s", info->system_call, why);
	else if (info->system_call >= 0)
		(void)snprintf(text, bytes, "%s (system call %ld)", info->what, info->system_call);
	else
		(void)snprintf(text, bytes, "%s", info->what);
}

static void tell(const struct quoit_breach_info *info)
{
	char line[256], what[128], times[32] = "";

	describe(info, what, sizeof(what));
	if (info->count > 1)
		(void)snprintf(times, sizeof(times), " %llu times,",
			       (unsigned long long)info->count);
	(void)snprintf(line, sizeof(line), "quoit: a real-time section %s: %s,%s in thread %d\n",
		       kinds[info->kind], what, times, info->thread);
	say(line);
	backtrace_symbols_fd(info->frames, info->frame_count, 2);
}

/* How many of the frames are the guard's own, so that the first of the rest is who called it. */
static int own_frames(enum quoit_breach kind, void *const *frames, int count)
{
	/* There it was the kernel's signal: its handler, and the way back from that. */
	const int more = kind == QUOIT_BREACH_KERNEL ? 2 : 0;

	for (int i = 0; i + more < count; i++)
		if (frames[i] == quoit__rt_thread.caller)
			return i + more;
	return 0; /* a stack that cannot be walked so far: all of it */
}

/* Out of the section, or in a hole. */
static void breach(enum quoit_breach kind, const char *what, long system_call, uint64_t count)
{
	void *frames[FRAMES_MOST];
	struct quoit_breach_info info = {
		.kind = kind, .what = what, .system_call = system_call, .count = count};
	const int saved = errno;
	int all, own;

	/* breaches: pairs with quoit_rt_guard_read() */
	quoit_add(&counts.breaches[kind], count);
	if (options.goes_on && !options.report)
		return;
	info.thread = (int)quoit__rt_gate(SYS_gettid, 0, 0, 0, 0, 0, 0);
	all = backtrace(frames, FRAMES_MOST);
	own = own_frames(kind, frames, all);
	info.frames = frames + own;
	info.frame_count = all - own;
	if (options.report)
		options.report(&info, options.ctx);
	else
		tell(&info);
	if (!options.goes_on)
		abort();
	errno = saved;
}

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

/* What was used until now is the section's. */
static void add_usage(struct quoit__rt_thread *t)
{
	const struct quoit__rt_usage now = usage_now();

	t->used.faults += now.faults - t->since.faults;
	t->used.sleeps += now.sleeps - t->since.sleeps;
	t->used.preempted += now.preempted - t->since.preempted;
	t->since = now;
}

static void judge_usage(struct quoit__rt_thread *t)
{
	const struct quoit__rt_usage used = t->used;

	t->used = (struct quoit__rt_usage){0, 0, 0};
	if (used.preempted)
		/* breaches: pairs with quoit_rt_guard_read() */
		quoit_add(&counts.preempted, used.preempted);
	if (used.faults && !options.ignores_faults)
		breach(QUOIT_BREACH_FAULTS, "memory that was not there", -1, used.faults);
	if (used.sleeps && !options.ignores_sleeps)
		breach(QUOIT_BREACH_SLEEPS, "a voluntary context switch", -1, used.sleeps);
}

/* --- steps ----------------------------------------------------------------------------------- */

static void begin(struct quoit__rt_thread *t, bool section, const char *what)
{
	if (section && !t->level)
		/* breaches: pairs with quoit_rt_guard_read() */
		quoit_add(&counts.sections, 1);
	if (!quoit__rt_inside()) {
		quoit__rt_kernel_begin(t);
		t->since = usage_now();
	}
	if (section)
		push(t, true);
	else
		pop(t, false, what);
}

static void end(struct quoit__rt_thread *t, bool section, const char *what)
{
	const bool was_inside = quoit__rt_inside();

	if (section)
		pop(t, true, what);
	else
		push(t, false);
	if (was_inside && !quoit__rt_inside()) {
		add_usage(t);
		judge_usage(t);
	}
}

void quoit__rt_step(unsigned step)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;

	t->caller = __builtin_return_address(0);
	switch ((enum quoit__rt_step)step) {
	case QUOIT__RT_ENTER:
		begin(t, true, "");
		break;
	case QUOIT__RT_EXIT:
		end(t, true, "quoit_rt_exit() ends the innermost section");
		break;
	case QUOIT__RT_ALLOW_BEGIN:
		end(t, false, "");
		break;
	case QUOIT__RT_ALLOW_END:
		begin(t, false, "quoit_rt_allow_end() ends the innermost hole");
		break;
	}
}

bool quoit__rt_caught(enum quoit_breach kind, const char *what, long system_call)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;

	if (quoit_likely(!quoit__rt_inside()))
		return false;
	push(t, false);
	add_usage(t);
	t->caller = __builtin_return_address(0);
	breach(kind, what, system_call, 1);
	return true;
}

void quoit__rt_go_on(void)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;

	t->since = usage_now();
	pop(t, false, "a handler ends the holes that it begins");
}

bool quoit__rt_permits(long system_call)
{
	for (size_t i = 0; i < options.permitted_count; i++)
		if (permitted[i] == system_call) {
			/* breaches: pairs with quoit_rt_guard_read() */
			quoit_add(&counts.permitted, 1);
			return true;
		}
	return false;
}

bool quoit__rt_permitted_begin(long system_call)
{
	if (!quoit__rt_inside() || !quoit__rt_permits(system_call))
		return false;
	push(&quoit__rt_thread, false);
	return true;
}

void quoit__rt_permitted_end(void)
{
	pop(&quoit__rt_thread, false, "a handler ends the holes that it begins");
}

/* --- what the program asks ------------------------------------------------------------------- */

int quoit_rt_guard_set(const struct quoit_rt_guard_options *given)
{
	static const struct quoit_rt_guard_options defaults;

	if (!given)
		given = &defaults;
	if (given->permitted_count > QUOIT_RT_PERMITTED_MOST)
		return -E2BIG;
	options = *given;
	for (size_t i = 0; i < options.permitted_count; i++)
		permitted[i] = given->permitted[i];
	options.permitted = permitted;
	memset(&counts, 0, sizeof(counts));
	return 0;
}

void quoit_rt_guard_read(struct quoit_rt_guard_counts *read)
{
	/* breaches: pairs with breach(), begin(), judge_usage() and quoit__rt_permits() */
	read->sections = quoit_load_acquire(&counts.sections);
	read->permitted = quoit_load(&counts.permitted); /* figures may be a few events apart */
	read->preempted = quoit_load(&counts.preempted);
	for (size_t i = 0; i < QUOIT_BREACH_KINDS; i++)
		read->breaches[i] = quoit_load(&counts.breaches[i]);
}

int quoit_rt_guard_sees_kernel(void)
{
	return quoit__rt_kernel_arm(&quoit__rt_thread);
}

const char *quoit_rt_guard_name(size_t index)
{
	const char *const *const lists[] = {quoit__rt_memory_names, quoit__rt_call_names};

	for (size_t i = 0; i < 2; i++)
		for (const char *const *name = lists[i]; *name; name++)
			if (!index--)
				return *name;
	return NULL;
}

/* --- start and fork -------------------------------------------------------------------------- */

/*
 * The child is in the same section as its parent was, in the hole that it was forked from, but the
 * kernel tells of nothing any more.
 */
static void forked(void)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;

	t->asked = false;
	if (t->level)
		(void)quoit__rt_kernel_arm(t);
}

__attribute__((constructor)) static void start(void)
{
	void *frame;

	(void)backtrace(&frame, 1); /* loads what it needs, which it must not do in a section */
	(void)pthread_atfork(NULL, NULL, forked);
}
