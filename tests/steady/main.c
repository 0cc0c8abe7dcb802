/* SPDX-License-Identifier: MIT */
/*
 * main.c - once everything is warm nothing allocates, enters the kernel or touches new memory:
 * RT_TURNS turns of every ring and pool, and RT_REQUESTS requests to an echo service.
 *
 * Linked with the guard of real-time sections. All of it is one section for each kind of ring, and
 * one for the service's core, from its warm-up to its end.
 */
#include <string.h>

#include <steady/steady.h>

unsigned steady_failures;

struct steady_sum steady_seen(void)
{
	struct quoit_rt_guard_counts counts;
	const uint64_t *const breaches = counts.breaches;

	quoit_rt_guard_read(&counts);
	return (struct steady_sum){
		.allocations = breaches[QUOIT_BREACH_ALLOCATES],
		.foreign = breaches[QUOIT_BREACH_BLOCKS] + breaches[QUOIT_BREACH_PRINTS] +
			   breaches[QUOIT_BREACH_CALLS] + breaches[QUOIT_BREACH_KERNEL],
		.faults = breaches[QUOIT_BREACH_FAULTS],
		.sleeps = breaches[QUOIT_BREACH_SLEEPS],
		.permitted = counts.permitted,
		.preempted = counts.preempted,
	};
}

void steady_add(struct steady_sum *sum, const struct steady_sum *more)
{
	sum->allocations += more->allocations;
	sum->foreign += more->foreign;
	sum->faults += more->faults;
	sum->sleeps += more->sleeps;
	sum->permitted += more->permitted;
	sum->preempted += more->preempted;
	sum->again += more->again;
}

bool steady_is_ours(const struct steady_sum *sum)
{
	return sum->allocations || sum->foreign;
}

bool steady_is_clean(const struct steady_sum *sum)
{
	return !(sum->allocations | sum->foreign | sum->faults | sum->sleeps);
}

void steady_say(bool good, const char *what, const struct steady_sum *sum)
{
	printf("%s - %s", good ? "ok" : "not ok", what);
	if (!good)
		printf(": %llu allocations, %llu system calls or waits, %llu page faults, %llu "
		       "voluntary switches",
		       (unsigned long long)sum->allocations, (unsigned long long)sum->foreign,
		       (unsigned long long)sum->faults, (unsigned long long)sum->sleeps);
	printf("\n");
	fflush(stdout);
	steady_failures += !good;
}

static uint64_t amount(const char *variable, uint64_t usual)
{
	const char *const given = getenv(variable);

	return given ? strtoull(given, NULL, 0) : usual;
}

int main(void)
{
	const uint64_t turns = amount("RT_TURNS", 200000);
	const uint64_t requests = amount("RT_REQUESTS", 20000);
	const int refused = quoit_rt_guard_sees_kernel();
	struct steady_sum sum = {0};
	uint64_t made, answered;

	/* Warming up may touch what it likes. */
	if (quoit_rt_guard_set(&(struct quoit_rt_guard_options){.goes_on = true}))
		return 1;
	if (refused)
		printf("skip - system calls that libc does not make: the kernel does not tell: "
		       "%s\n",
		       strerror(-refused));
	steady_self_test();
	made = steady_rings(turns, &sum);
	printf("note: in the rings' sections the scheduler took the cpu away %llu times\n",
	       (unsigned long long)sum.preempted);
	answered = steady_echo(requests, &sum);
	printf("note: rounds run again for faults or switches alone: %llu\n",
	       (unsigned long long)sum.again);
	printf("RESULT name=rt-steady turns=%llu requests=%llu allocations=%llu "
	       "foreign_syscalls=%llu page_faults=%llu voluntary_switches=%llu "
	       "io_uring_enters=%llu sees_kernel=%d\n",
	       (unsigned long long)made, (unsigned long long)answered,
	       (unsigned long long)sum.allocations, (unsigned long long)sum.foreign,
	       (unsigned long long)sum.faults, (unsigned long long)sum.sleeps,
	       (unsigned long long)sum.permitted, !refused);
	return steady_failures != 0;
}
