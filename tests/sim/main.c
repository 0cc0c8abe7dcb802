/* SPDX-License-Identifier: MIT */
/*
 * main.c - runs seeds, and says what they found.
 *
 *   sim [--seeds N] [--first N] [--quiet]    N seeds from the first one on (SEEDS, or 200)
 *   sim --seed N [--trace]                   one of them again, with all that happened
 *   sim --faults                             and how often each fault happened
 *   sim --conform                            scripts that must see the same on both kernels
 */
#include <sim/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEDS_DEFAULT	200
#define ALL_FAULTS_FROM 1000 /* fewer seeds need not meet every rare fault */
#define GIVE_UP_AFTER	10   /* violations */

static struct {
	uint64_t first;
	uint64_t seeds;
	bool faults;
	bool one;
	bool conform;
} options = {.first = 1, .seeds = SEEDS_DEFAULT};

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 0) : 0;
}

static bool read_options(int argc, char **argv)
{
	if (getenv("SEEDS"))
		options.seeds = number(getenv("SEEDS"));
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--trace")) {
			sim.trace = true;
		} else if (!strcmp(argv[i], "--faults")) {
			options.faults = true;
		} else if (!strcmp(argv[i], "--conform")) {
			options.conform = true;
		} else if (!strcmp(argv[i], "--seeds") && value) {
			options.seeds = number(value);
			i++;
		} else if (!strcmp(argv[i], "--first") && value) {
			options.first = number(value);
			i++;
		} else if (!strcmp(argv[i], "--seed") && value) {
			options.first = number(value);
			options.seeds = 1;
			options.one = true;
			i++;
		} else {
			return false;
		}
	}
	return options.seeds > 0;
}

/* Prints how often each fault happened if asked; gives how many kinds did. */
static unsigned count_classes(void)
{
	unsigned classes = 0;

	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
		classes += sim.fired[i] != 0;
		if (options.faults)
			printf("%10llu  %s\n", (unsigned long long)sim.fired[i], sim_fault_text(i));
	}
	return classes;
}

static unsigned say_missing(void)
{
	unsigned missing = 0;

	if (options.seeds < ALL_FAULTS_FROM)
		return 0;
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
		if (sim.fired[i])
			continue;
		printf("not ok - a fault never happened: %s\n", sim_fault_text(i));
		missing++;
	}
	return missing;
}

int main(int argc, char **argv)
{
	uint64_t faults = 0;
	uint64_t steps = 0;
	uint64_t done = 0;
	unsigned missing;
	unsigned classes;
	int different;

	if (!read_options(argc, argv)) {
		fprintf(stderr,
			"usage: %s [--seeds N] [--first N] [--seed N] [--trace] [--faults] "
			"[--conform]\n",
			argv[0]);
		return 2;
	}
	if (options.conform)
		return sim_conform();
	different = options.one ? 0 : sim_conform();
	while (done < options.seeds && sim.violations < GIVE_UP_AFTER) {
		const unsigned before = sim.violations;

		sim_world_run(options.first + done++);
		steps += sim.steps;
		if (sim.violations != before && !options.one)
			printf("note: again: sim --seed %llu --trace\n",
			       (unsigned long long)sim.seed);
	}
	classes = count_classes();
	missing = say_missing();
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++)
		faults += sim.fired[i];
	printf("%s - %llu seeds, %llu steps, %llu completions\n",
	       sim.violations || missing ? "not ok" : "ok", (unsigned long long)done,
	       (unsigned long long)steps, (unsigned long long)sim.completions);
	printf("RESULT name=sim seeds=%llu faults=%llu classes=%u violations=%u\n",
	       (unsigned long long)done, (unsigned long long)faults, classes, sim.violations);
	return sim.violations || missing || different;
}
