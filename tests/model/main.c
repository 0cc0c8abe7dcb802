/* SPDX-License-Identifier: MIT */
/*
 * main.c - works through the cases: litmus tests of the checker, algorithms, and their mutants.
 *
 *   model [--full] [--random N] [--trace] [NAME]
 *   model [--full] --mutate FUNCTION:KIND:ORDER[@LINE] [NAME]
 *   model --sites [NAME]
 *
 * Without --full, only what `make test` has time for. NAME chooses the cases whose names contain
 * it. --random N runs N random executions of each case instead (SEED), without bounds. --trace
 * shows how a mutant fails, too. A violation is always shown, with its trace.
 *
 * --mutate and --sites are for `make mutate`; mutate.c tells what they print.
 */
#include <model/model_internal.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <support/random.h>

#define LIMIT_FULL  UINT64_C(40000000)
#define LIMIT_QUICK UINT64_C(2000000)

/* One a line. */
/* clang-format off */
static const struct model_case *const tables[] = {
	model_litmus_cases,
	model_spsc_cases,
	model_wake_cases,
	model_wake_updates_cases,
	model_notifier_cases,
	model_space_cases,
	model_death_cases,
	model_doze_cases,
	model_lane_cases,
	model_pool_cases,
	model_steal_wait_cases,
	model_mpsc_cases,
	model_mpmc_cases,
	model_cursor_cases,
	model_directory_cases,
	model_rebind_cases,
	model_rebind_updates_cases,
	model_group_cases,
	model_mpmc_group_cases,
	model_crowd_cases,
	model_outsider_cases,
	model_stop_cases,
	model_rtm_cases,
	model_shring_cases,
	model_shring_reset_cases,
	NULL,
};
/* clang-format on */

static struct {
	bool full;
	bool trace;
	uint64_t random;
	const char *name;
	const char *mutate;
	bool sites;
	uint64_t seed;
} options;

static struct {
	unsigned targets;
	uint64_t executions;
	uint64_t pruned;
	unsigned incomplete;
	unsigned violations;
	unsigned mutants;
	unsigned found;
	unsigned litmus;
	unsigned litmus_right;
	unsigned faults;
	unsigned faults_found;
} totals;

static unsigned failures;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(bool good, const char *format, ...)
{
	va_list args;

	printf("%s - ", good ? "ok" : "not ok");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	failures += !good;
}

static const char *bound(uint32_t n)
{
	static char space[4][16];
	static unsigned turn;

	if (n == MODEL_ANY)
		return "any";
	turn = (turn + 1) % 4;
	snprintf(space[turn], sizeof(space[0]), "%u", n);
	return space[turn];
}

/* --- judging --------------------------------------------------------------------------------- */

/* Did the case end as it should? A mutant that mutated nothing has not been tried. */
static bool is_right(const struct model_case *what, const struct model_count *count)
{
	if (!what->breaks)
		return !count->violated && (count->complete || options.random);
	return count->violated && strstr(model.violation, what->breaks) &&
	       (!what->mutation.function || model__mutation_bit());
}

static void report_correct(const struct model_case *what, const struct model_count *count,
			   struct model_bounds bounds, double seconds)
{
	totals.targets++;
	totals.executions += count->executions;
	totals.pruned += count->pruned;
	totals.violations += count->violated;
	totals.incomplete += !count->violated && !count->complete && !options.random;
	say(is_right(what, count),
	    "%s: %llu executions%s, %llu pruned, %u steps at most%s; preemptions %s, stale %s; "
	    "%.1f s",
	    what->name, (unsigned long long)count->executions,
	    count->violated   ? ", VIOLATED"
	    : options.random  ? " at random"
	    : count->complete ? ""
			      : ", NOT COMPLETE",
	    (unsigned long long)count->pruned, count->steps_most,
	    count->deaths ? ", with deaths" : "", bound(bounds.preemptions), bound(bounds.stale),
	    seconds);
	if (count->violated)
		model__trace_print();
}

static void report_mutant(const struct model_case *what, const struct model_count *count)
{
	const bool right = is_right(what, count);

	totals.mutants++;
	totals.found += right;
	if (count->violated)
		say(right, "%s: found after %llu: %s", what->name,
		    (unsigned long long)(count->executions + count->pruned), model.violation);
	else
		say(right, "%s: NOT FOUND in %llu executions", what->name,
		    (unsigned long long)count->executions);
	if (count->violated && (options.trace || !right))
		model__trace_print();
}

static void run_case(const struct model_case *what, bool is_litmus)
{
	const struct model_bounds unbounded = {MODEL_ANY, MODEL_ANY};
	struct model_bounds bounds = options.full ? what->bounds : what->quick;
	const double start = now_s();
	struct model_count count;

	if (!bounds.preemptions && !bounds.stale)
		return;
	if (options.random)
		bounds = unbounded;
	count = model__explore(what, bounds,
			       options.random ? options.random
			       : options.full ? LIMIT_FULL
					      : LIMIT_QUICK,
			       options.random != 0, options.seed);
	if (is_litmus) {
		totals.litmus++;
		totals.litmus_right += is_right(what, &count);
		say(is_right(what, &count), "litmus %s: %s (%llu executions, %llu pruned)",
		    what->name,
		    count.violated   ? model.violation
		    : count.complete ? "never seen"
				     : "not complete",
		    (unsigned long long)count.executions, (unsigned long long)count.pruned);
		if (count.violated && (options.trace || !what->breaks))
			model__trace_print();
	} else if (what->breaks) {
		report_mutant(what, &count);
	} else {
		report_correct(what, &count, bounds, now_s() - start);
	}
	if (options.random && count.violated)
		printf("note: again with SEED=%llu --random 1\n",
		       (unsigned long long)(options.seed + count.executions - 1));
}

/* --- does the checker's own self-test bite? -------------------------------------------------- */

static const char *const fault_names[FAULTS] = {
	[FAULT_NEWEST_ONLY] = "reads only the newest value",
	[FAULT_NO_ACQUIRE] = "learns nothing from an acquire load",
	[FAULT_ALL_ACQUIRE] = "takes every load for an acquire",
	[FAULT_FENCE_LOCAL] = "keeps full fences apart",
	[FAULT_APPEND_ONLY] = "puts every store last",
	[FAULT_CHAIN_BROKEN] = "ends a release sequence at an update",
	[FAULT_UPDATE_SPLIT] = "lets something come between the halves of an update",
	[FAULT_NO_COHERENCE] = "lets a thread read backwards",
	[FAULT_CAS_STRONG] = "never fails a weak compare-and-swap",
	[FAULT_NO_RACES] = "does not look at plain accesses",
	[FAULT_LOUD_BELL] = "never sleeps",
	[FAULT_ASLEEP] = "lets sleep sets sleep too long",
	[FAULT_NEVER_SPURIOUS] = "never ends a sleep for nothing",
	[FAULT_FUTEX_BLIND] = "puts to sleep whoever asks for it",
};

static void run_fault(enum model_fault fault)
{
	const struct model_case *wrong = NULL;

	model_fault = fault;
	for (const struct model_case *what = model_litmus_cases; what->target && !wrong; what++) {
		const struct model_count count =
			model__explore(what, what->bounds, LIMIT_QUICK, false, 0);

		if (!is_right(what, &count))
			wrong = what;
	}
	model_fault = FAULT_NONE;
	totals.faults++;
	totals.faults_found += wrong != NULL;
	say(wrong != NULL, "a checker that %s fails the litmus tests: %s", fault_names[fault],
	    wrong ? wrong->name : "IT DOES NOT");
}

/*
 * Sleep sets may leave out interleavings but no outcome: whatever the unpruned exploration of a
 * litmus test sees, the pruned one must see too.
 */
static void compare_pruned(void)
{
	static struct outcomes all;
	unsigned tests = 0, missed = 0, outcomes = 0;

	for (const struct model_case *what = model_litmus_cases; what->target; what++) {
		if (what->breaks || what->bounds.preemptions != MODEL_ANY)
			continue;
		(void)model__explore(what, (struct model_bounds){64, 3}, LIMIT_QUICK, false, 0);
		all = model__outcomes;
		(void)model__explore(what, (struct model_bounds){MODEL_ANY, 3}, LIMIT_QUICK, false,
				     0);
		tests++;
		outcomes += all.count;
		for (unsigned i = 0; i < all.count; i++) {
			const unsigned before = model__outcomes.count;

			model_outcome(all.seen[i]);
			missed += model__outcomes.count != before;
		}
		missed += model__outcomes.count != all.count;
	}
	say(!missed && outcomes > tests,
	    "sleep sets lose none of the %u outcomes of %u litmus tests (%u differ)", outcomes,
	    tests, missed);
}

/* --- main ------------------------------------------------------------------------------------ */

static bool read_options(int argc, char **argv)
{
	options.full = getenv("MODEL_FULL") != NULL;
	options.seed = random_seed();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--full"))
			options.full = true;
		else if (!strcmp(argv[i], "--trace"))
			options.trace = true;
		else if (!strcmp(argv[i], "--random") && i + 1 < argc)
			options.random = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--mutate") && i + 1 < argc)
			options.mutate = argv[++i];
		else if (!strcmp(argv[i], "--sites"))
			options.sites = true;
		else if (argv[i][0] != '-' && !options.name)
			options.name = argv[i];
		else
			return false;
	}
	return true;
}

static void run_all(void)
{
	for (unsigned t = 0; tables[t]; t++)
		for (const struct model_case *what = tables[t]; what->target; what++)
			if (!options.name || strstr(what->name, options.name))
				run_case(what, tables[t] == model_litmus_cases);
	if (options.name || options.random)
		return;
	compare_pruned();
	for (int fault = 1; fault < FAULTS; fault++)
		run_fault((enum model_fault)fault);
}

int main(int argc, char **argv)
{
	if (!read_options(argc, argv)) {
		fprintf(stderr,
			"usage: %s [--full] [--random N] [--trace] [NAME]\n"
			"       %s [--full] --mutate FUNCTION:KIND:ORDER[@LINE] [NAME]\n"
			"       %s --sites [NAME]\n",
			argv[0], argv[0], argv[0]);
		return 2;
	}
	if (options.mutate)
		return model__mutate(tables + 1, options.mutate, options.name, options.full);
	if (options.sites)
		return model__list_sites(tables + 1, options.name);
	if (options.random)
		printf("note: SEED=%llu\n", (unsigned long long)options.seed);
	run_all();
	if (totals.litmus)
		printf("RESULT name=model-litmus tests=%u right=%u faults=%u noticed=%u\n",
		       totals.litmus, totals.litmus_right, totals.faults, totals.faults_found);
	if (totals.mutants)
		printf("RESULT name=model-mutants mutants=%u found=%u\n", totals.mutants,
		       totals.found);
	if (totals.targets)
		printf("RESULT name=%s targets=%u executions=%llu pruned=%llu incomplete=%u "
		       "violations=%u\n",
		       options.random ? "model-random" : "model", totals.targets,
		       (unsigned long long)totals.executions, (unsigned long long)totals.pruned,
		       totals.incomplete, totals.violations);
	return failures != 0;
}
