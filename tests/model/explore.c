/* SPDX-License-Identifier: MIT */
/*
 * explore.c - every execution, one after the other: depth-first, by running again from the start.
 *
 * What an execution decides (who goes on, which message is read, who dies) is a path of choices.
 * The next execution repeats the path up to the last choice with something left and takes that.
 *
 * Where preemptions are not bounded, sleep sets leave out interleavings that differ only in the
 * order of steps that do not depend on each other (Godefroid, "Partial-Order Methods for the
 * Verification of Concurrent Systems", 1996): a thread whose next step has been explored sleeps
 * until a step that depends on it is taken. An execution in which only sleepers could go on is
 * given up and counted as pruned. The number of stale reads is the same in all interleavings that
 * are held for one, so that bound and sleep sets go together; the number of preemptions is not, so
 * a target with a preemption bound is explored without sleep sets.
 */
#include <model/model_internal.h>

#include <stdio.h>
#include <string.h>

#include <support/random.h>

#define PATH_MOST 4096

struct model model;

/* A choice of the path. Of a thread: by bit masks; of anything else: 0 to count - 1. */
struct choice {
	bool of_thread;
	uint8_t chosen;
	uint8_t count;
	uint8_t options;
	uint8_t done;
};

static struct choice path[PATH_MOST];
static unsigned path_length;
static unsigned at;
static bool is_random;
static struct random randomness;
static bool uses_sleep;

struct outcomes model__outcomes;

void model_outcome(uint64_t what)
{
	for (unsigned i = 0; i < model__outcomes.count; i++)
		if (model__outcomes.seen[i] == what)
			return;
	if (model__outcomes.count < OUTCOMES)
		model__outcomes.seen[model__outcomes.count++] = what;
}

static unsigned number_of(const struct thread *thread)
{
	return (unsigned)(thread - model.threads);
}

static void say_violation(const char *what)
{
	snprintf(model.violation, sizeof(model.violation), "%s", what);
}

/* --- choices --------------------------------------------------------------------------------- */

static struct choice *next_choice(void)
{
	if (at == PATH_MOST) {
		say_violation("the path of choices is too long");
		model__end(VIOLATION);
	}
	return &path[at++];
}

unsigned model__choose(unsigned n)
{
	struct choice *choice;

	if (n <= 1)
		return 0;
	choice = next_choice();
	if (at > path_length) {
		*choice = (struct choice){.count = (uint8_t)n};
		path_length = at;
		if (is_random)
			choice->chosen = (uint8_t)random_below(&randomness, n);
	}
	return choice->chosen;
}

unsigned model_pick(unsigned n)
{
	return model__choose(n);
}

void model__spend_stale(void)
{
	if (model.stale_left != MODEL_ANY)
		model.stale_left--;
}

static unsigned lowest(uint32_t mask)
{
	return (unsigned)__builtin_ctz(mask);
}

/* Of several threads: the current one goes on first, so that the first paths are sequential. */
static unsigned choose_thread(uint32_t options, uint32_t *done)
{
	struct choice *choice;

	*done = 0;
	if (!(options & (options - 1)))
		return lowest(options);
	choice = next_choice();
	if (at > path_length) {
		const unsigned current = model.current ? number_of(model.current) : 0;

		*choice = (struct choice){.of_thread = true, .options = (uint8_t)options};
		choice->chosen = (uint8_t)(options & 1u << current ? current : lowest(options));
		path_length = at;
		if (is_random) {
			do
				choice->chosen = (uint8_t)random_below(&randomness, MODEL_THREADS);
			while (!(options & 1u << choice->chosen));
		}
	}
	*done = choice->done;
	return choice->chosen;
}

/* Take the next option of the last choice that has one. False when all have been tried. */
static bool advance_path(void)
{
	while (path_length) {
		struct choice *choice = &path[path_length - 1];

		if (choice->of_thread) {
			uint32_t rest;

			choice->done |= (uint8_t)(1u << choice->chosen);
			rest = choice->options & ~(uint32_t)choice->done;
			if (rest) {
				choice->chosen = (uint8_t)lowest(rest);
				return true;
			}
		} else if (++choice->chosen < choice->count) {
			return true;
		}
		path_length--;
	}
	return false;
}

/* --- who goes on ----------------------------------------------------------------------------- */

static bool depends(struct step a, struct step b)
{
	return a.object == b.object && !(a.only_reads && b.only_reads);
}

static bool can_go_on(const struct thread *thread)
{
	if (thread->state == THREAD_ENDED)
		return false;
	if (thread->kind == MODEL_WAIT && model_fault != FAULT_LOUD_BELL)
		return model.rung[thread->next.object - OBJECT_BELL];
	if (thread->kind == MODEL_REST && model_fault != FAULT_LOUD_BELL)
		return thread->woken || thread->gives_up;
	if (thread->kind == MODEL_LOCK && model__newest(thread->next.object))
		return false;
	return !thread->spins || model__has_news(thread);
}

static void say_stuck(void)
{
	size_t used = (size_t)snprintf(model.violation, sizeof(model.violation), "nobody goes on:");

	for (unsigned t = 0; t < model.thread_count; t++) {
		const struct thread *thread = &model.threads[t];

		if (thread->state == THREAD_ENDED || used >= sizeof(model.violation))
			continue;
		used += (size_t)snprintf(model.violation + used, sizeof(model.violation) - used,
					 " %s %s;", model.target->threads[t].name,
					 thread->spins		      ? "spins and nothing changes"
					 : thread->kind == MODEL_WAIT ? "sleeps and no bell rings"
					 : thread->kind == MODEL_REST ? "sleeps and nobody wakes it"
								      : "waits for a lock");
	}
}

static enum outcome nobody_goes_on(void)
{
	for (unsigned t = 0; t < model.thread_count; t++)
		if (model.threads[t].state != THREAD_ENDED) {
			say_stuck();
			return VIOLATION;
		}
	return COMPLETE;
}

static uint32_t threads_that_can(void)
{
	uint32_t mask = 0;

	for (unsigned t = 0; t < model.thread_count; t++)
		if (can_go_on(&model.threads[t]))
			mask |= 1u << t;
	return mask;
}

/* With a bound: once it is used up, whoever can go on does. */
static uint32_t without_preemption(uint32_t able)
{
	const struct thread *current = model.current;

	if (!current || model.preemptions_left || current->spins)
		return able;
	return able & 1u << number_of(current) ? 1u << number_of(current) : able;
}

static void fall_asleep(struct thread *chosen, uint32_t candidates)
{
	uint32_t sleeping = 0;

	for (unsigned t = 0; candidates >> t; t++)
		if (candidates & 1u << t &&
		    (model_fault == FAULT_ASLEEP || !depends(model.threads[t].next, chosen->next)))
			sleeping |= 1u << t;
	model.sleeping = sleeping & ~(1u << number_of(chosen));
}

/* Called with every thread's next step known. Comes back when the caller is chosen. */
static void schedule(void)
{
	struct thread *from = model.current;
	const uint32_t able = threads_that_can();
	uint32_t options = able;
	struct thread *to;
	uint32_t done;

	if (!able)
		model__end(nobody_goes_on());
	else if (++model.steps > STEPS_MOST)
		model_violated("the execution does not end");
	if (model.outcome != GOES_ON)
		return; /* only on the explorer's own stack */
	if (uses_sleep)
		options &= ~model.sleeping;
	else
		options = without_preemption(able);
	if (!options) {
		model__end(PRUNED);
		return;
	}
	to = &model.threads[choose_thread(options, &done)];
	if (uses_sleep)
		fall_asleep(to, model.sleeping | done);
	else if (from && to != from && able & 1u << number_of(from) && !from->spins &&
		 model.preemptions_left != MODEL_ANY)
		model.preemptions_left--;
	model.current = to;
	if (to->spins) {
		to->spins = false;
		to->reads = 0;
	}
	if (to != from)
		model__switch_to(from, to);
}

static void maybe_die(struct thread *thread)
{
	if (!model.may_die || model.target->mortal != (int)number_of(thread) + 1 ||
	    !model__choose(2))
		return;
	model.may_die = false;
	thread->died = true;
	model__trace(NULL, "dies here");
	if (model.target->on_death)
		model.target->on_death(model.what->arg);
	thread->state = THREAD_ENDED;
	schedule();
}

void model__reach(const struct model_site *site, struct step step)
{
	struct thread *thread = model.current;

	thread->next = step;
	thread->kind = site->kind;
	thread->last = site;
	if (model.starting)
		model__switch_to(thread, NULL);
	else
		schedule();
	maybe_die(thread);
}

void model__end(enum outcome outcome)
{
	struct thread *from = model.current;

	model.outcome = outcome;
	if (from)
		model__switch_to(from, NULL);
}

void model_violated(const char *what)
{
	say_violation(what);
	model__end(VIOLATION);
	/* Outside the threads there is nothing to leave: finish() has found it. */
	model__switch_to(NULL, NULL);
	__builtin_unreachable();
}

/* A thread's function has returned. */
void model__thread_ended(void);
void model__thread_ended(void)
{
	model.current->state = THREAD_ENDED;
	if (model.starting)
		model__switch_to(model.current, NULL);
	else
		schedule();
	__builtin_unreachable();
}

/* --- one execution --------------------------------------------------------------------------- */

static void start_execution(struct model_bounds bounds)
{
	const struct model_target *target = model.target;

	at = 0;
	model.current = NULL;
	model.stale_left = bounds.stale;
	model.preemptions_left = bounds.preemptions;
	model.may_die = target->mortal != 0;
	model.sleeping = 0;
	model.steps = 0;
	model.outcome = GOES_ON;
	memset(model.rung, 0, sizeof(model.rung));
	memset(model.lasts, 0, sizeof(model.lasts));
	model__trace_start();
	model__memory_start();
	model__races_start();
	memset(target->shared, 0, target->bytes);
	if (target->setup)
		target->setup(model.what->arg);
	model__threads_start();
}

static void run_execution(struct model_bounds bounds)
{
	start_execution(bounds);
	model.starting = true;
	for (unsigned t = 0; t < model.thread_count && model.outcome == GOES_ON; t++) {
		model.current = &model.threads[t];
		model__switch_to(NULL, model.current);
		model.current = NULL;
	}
	model.starting = false;
	if (model.outcome == GOES_ON)
		schedule();
	model.current = NULL;
	if (model.outcome != COMPLETE || !model.target->finish)
		return;
	model__memory_settle();
	model__finish();
}

/* Run the violation's path once more, and write down what happens. */
static void show_violation(struct model_bounds bounds)
{
	model.tracing = true;
	run_execution(bounds);
	model.tracing = false;
}

static void prepare(const struct model_case *what, struct model_bounds bounds, bool random)
{
	memset(&model, 0, sizeof(model));
	model.what = what;
	model.target = what->target;
	while (model.thread_count < MODEL_THREADS && model.target->threads[model.thread_count].run)
		model.thread_count++;
	is_random = random;
	uses_sleep = !random && bounds.preemptions == MODEL_ANY;
	path_length = 0;
	model__outcomes.count = 0;
	model__names_clear();
	model__races_open(model.target->shared, model.target->bytes);
	model__sites_start(&what->mutation);
	if (model.target->name_all)
		model.target->name_all(what->arg);
}

struct model_count model__explore(const struct model_case *what, struct model_bounds bounds,
				  uint64_t limit, bool random, uint64_t seed)
{
	struct model_count count = {0};

	prepare(what, bounds, random);
	do {
		if (count.executions + count.pruned == limit)
			return count;
		if (random) {
			randomness.state = seed + count.executions;
			path_length = 0;
		}
		run_execution(bounds);
		count.pruned += model.outcome == PRUNED;
		count.executions += model.outcome != PRUNED;
		count.deaths += model.outcome != PRUNED && model.target->mortal && !model.may_die;
		if (model.steps > count.steps_most)
			count.steps_most = model.steps;
		if (model.outcome == VIOLATION) {
			count.violated = true;
			show_violation(bounds);
			return count;
		}
	} while (random || advance_path());
	count.complete = true;
	return count;
}
