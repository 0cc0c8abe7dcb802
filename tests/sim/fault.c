/* SPDX-License-Identifier: MIT */
/*
 * fault.c - what can go wrong, how often, and whether it did; random numbers and the last word.
 *
 * Each seed has a random part of the faults, each with its own frequency, so that none hides the
 * others. A class is counted where its effect happens, never where it was only possible.
 */
#include <sim/sim.h>

#include <stdarg.h>
#include <stdio.h>

#define KEEP_ONE_IN 3 /* of the faults, in each seed */

struct sim sim;

static const char *const texts[SIM_FAULT_COUNT] = {
#define X(name, text) [SIM_##name] = (text),
	SIM_FAULTS(X)
#undef X
};

/* Those that would end nearly every seed at its start are rarer. */
static bool is_of_the_start(enum sim_fault fault)
{
	return fault >= SIM_SETUP_ENOMEM && fault <= SIM_START_FAILED;
}

void sim_faults_draw(void)
{
	static const uint32_t rates[] = {2, 4, 8, 16, 32, 64, 128};

	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
		const bool rare = is_of_the_start(i);

		sim.fired_before[i] = sim.fired[i];
		sim.rate[i] = 0;
		if (sim_one_in(rare ? 40 : KEEP_ONE_IN))
			sim.rate[i] = rates[sim_below(sizeof(rates) / sizeof(*rates))];
	}
	/* It needs an overflow, and then all streams of the core are ended for it. */
	sim.rate[SIM_CQE_LOST] = sim.rate[SIM_TINY_CQ] && sim_one_in(8) ? 3 : 0;
}

bool sim_fault_drawn(enum sim_fault fault)
{
	return sim.rate[fault] != 0;
}

void sim_fault_note(enum sim_fault fault)
{
	sim.fired[fault]++;
	sim_trace("fault: %s", texts[fault]);
}

bool sim_fault(enum sim_fault fault)
{
	if (!sim.chaos || !sim.rate[fault] || !sim_one_in(sim.rate[fault]))
		return false;
	sim_fault_note(fault);
	return true;
}

const char *sim_fault_text(enum sim_fault fault)
{
	return texts[fault];
}

uint64_t sim_below(uint64_t n)
{
	return random_below(&sim.random, n);
}

bool sim_one_in(uint64_t n)
{
	return random_below(&sim.random, n) == 0;
}

uint64_t sim_magnitude(uint64_t most)
{
	unsigned bits = 1;

	while (bits < 63 && most >> bits)
		bits++;
	return sim_below((UINT64_C(1) << (1 + sim_below(bits))) - 1) % (most + 1);
}

void sim_trace(const char *format, ...)
{
	const struct sim_task *task = sim_task_current();
	va_list args;

	if (!sim.trace)
		return;
	printf("%12.3f us  %-7s ", (double)sim.now_ns / 1000.0, task ? task->name : "-");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void sim_violation(const char *format, ...)
{
	va_list args;

	sim.violations++;
	sim.over = true;
	printf("not ok - seed %llu: ", (unsigned long long)sim.seed);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}
