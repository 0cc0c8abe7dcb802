/* SPDX-License-Identifier: MIT */
/*
 * rt_guard.c - sections and holes of a thread, and what is done about a breach.
 */
#include <quoit/numa/rt_guard_internal.h>

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>

#define FRAMES_MOST 32

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

static void push(struct quoit__rt_thread *t, bool section)
{
	check(!(quoit_load(&t->open) >> QUOIT__RT_LEVELS_MOST),
	      "at most 62 sections and holes are open");
	quoit__rt_push(t, section);
}

static void pop(struct quoit__rt_thread *t, bool section, const char *what)
{
	check(quoit__rt_pop(t, section), what);
}

void quoit_rt_guard_forget(void)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;

	t->used = (struct quoit__rt_usage){0, 0, 0};
	quoit__rt_clear(t);
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

	if (info->kind == QUOIT_BREACH_KERNEL && info->system_call >= 0)
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
	info.thread = quoit__rt_thread.tid;
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

/* Out of the section. */
static void judge(const struct quoit__rt_usage *used)
{
	if (used->preempted)
		/* breaches: pairs with quoit_rt_guard_read() */
		quoit_add(&counts.preempted, used->preempted);
	if (used->faults && !options.ignores_faults)
		breach(QUOIT_BREACH_FAULTS, "memory that was not there", -1, used->faults);
	if (used->sleeps && !options.ignores_sleeps)
		breach(QUOIT_BREACH_SLEEPS, "a voluntary context switch", -1, used->sleeps);
}

/* --- steps ----------------------------------------------------------------------------------- */

/* `in`: it begins, else it ends. */
static void shift(struct quoit__rt_thread *t, bool in, bool section, const char *what)
{
	if (in)
		push(t, section);
	else
		pop(t, section, what);
}

/* A section begins, or goes on where a hole ends. */
static void begin(struct quoit__rt_thread *t, bool section, const char *what)
{
	uint64_t signals;

	if (section && quoit_load(&t->open) == QUOIT__RT_NOTHING)
		/* breaches: pairs with quoit_rt_guard_read() */
		quoit_add(&counts.sections, 1);
	quoit__rt_own(t);
	if (quoit__rt_inside()) {
		shift(t, section, section, what);
		return;
	}
	quoit__rt_kernel_begin(t);
	signals = quoit__rt_hush();
	quoit__rt_usage_begin(t);
	shift(t, section, section, what);
	quoit__rt_unhush(signals);
}

/* A section ends, or a hole begins in it. What it used is counted while it is the innermost. */
static void end(struct quoit__rt_thread *t, bool section, const char *what)
{
	struct quoit__rt_usage used = {0, 0, 0};
	uint64_t signals;

	if (!quoit__rt_inside()) {
		shift(t, !section, section, what);
		return;
	}
	quoit__rt_own(t);
	signals = quoit__rt_hush();
	quoit__rt_usage_end(t);
	shift(t, !section, section, what);
	if (!quoit__rt_inside()) {
		used = t->used;
		t->used = (struct quoit__rt_usage){0, 0, 0};
	}
	quoit__rt_unhush(signals);
	judge(&used);
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

/* The guard's own hole, which always has a place. */
static void open_hole(struct quoit__rt_thread *t)
{
	uint64_t signals;

	quoit__rt_own(t);
	signals = quoit__rt_hush();
	quoit__rt_usage_end(t);
	quoit__rt_push(t, false);
	quoit__rt_unhush(signals);
}

static void close_hole(struct quoit__rt_thread *t)
{
	pop(t, false, "a handler ends the holes that it begins");
}

bool quoit__rt_caught(enum quoit_breach kind, const char *what, long system_call)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;

	if (quoit_likely(!quoit__rt_inside()))
		return false;
	open_hole(t);
	t->caller = __builtin_return_address(0);
	breach(kind, what, system_call, 1);
	return true;
}

/* What was done in the hole is not laid to the section once more. */
void quoit__rt_go_on(void)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;
	uint64_t signals;

	quoit__rt_own(t);
	signals = quoit__rt_hush();
	quoit__rt_usage_begin(t);
	close_hole(t);
	quoit__rt_unhush(signals);
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
	open_hole(&quoit__rt_thread);
	return true;
}

void quoit__rt_permitted_end(void)
{
	struct quoit__rt_thread *const t = &quoit__rt_thread;
	uint64_t signals;

	quoit__rt_own(t);
	signals = quoit__rt_hush();
	quoit__rt_usage_end(t); /* waits and faults of it are the section's all the same */
	close_hole(t);
	quoit__rt_unhush(signals);
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
	/* breaches: pairs with breach(), begin(), judge() and quoit__rt_permits() */
	read->sections = quoit_load_acquire(&counts.sections);
	read->permitted = quoit_load(&counts.permitted); /* figures may be a few events apart */
	read->preempted = quoit_load(&counts.preempted);
	for (size_t i = 0; i < QUOIT_BREACH_KINDS; i++)
		read->breaches[i] = quoit_load(&counts.breaches[i]);
}

int quoit_rt_guard_sees_kernel(void)
{
	quoit__rt_own(&quoit__rt_thread);
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
 * The child is in the same section as its parent was, in the hole that it was forked from. One of
 * _Fork(), which tells nobody, is found out at its next step.
 */
static void forked(void)
{
	quoit__rt_own(&quoit__rt_thread);
}

__attribute__((constructor)) static void start(void)
{
	void *frame;

	(void)backtrace(&frame, 1); /* loads what it needs, which it must not do in a section */
	(void)pthread_atfork(NULL, NULL, forked);
}
