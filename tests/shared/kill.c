/* SPDX-License-Identifier: MIT */
/*
 * kill.c - death at every machine instruction, and a thousand times at any moment.
 *
 *   kill [--list]
 *
 * Every case is stepped through once to see how long it is, and then run anew for every one of its
 * instructions, to be killed there; KILL_POINTS bounds how many of a case, spread over all of it.
 * Before that it is shown that a consumer that frees too early, a producer that publishes too early
 * and a role that is not given back would be noticed. Then KILL_STORM processes are killed at
 * random. CASE=text runs the cases with that in their names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shared/kill.h>
#include <stress/stress.h>

#define WORKERS 24 /* where a kill mostly waits until somebody looks up */

static void add(struct kill_count *to, const struct kill_count *n)
{
	to->points += n->points;
	to->kills += n->kills;
	to->torn += n->torn;
	to->hung += n->hung;
	to->lost += n->lost;
	to->late += n->late;
}

static uint64_t findings(const struct kill_count *n)
{
	return n->torn + n->hung + n->lost;
}

/* Every one of `total` points, or `most` of them with the same distance, that fall to this worker.
 */
static void work_off(const struct kill_case *c, const struct kill_path *path, uint64_t total,
		     uint64_t most, unsigned worker, unsigned workers, struct kill_count *count)
{
	const uint64_t stride = most && total > most ? (total + most - 1) / most : 1;
	uint64_t at = 0;

	for (unsigned segment = 0; segment < path->segments; segment++)
		for (unsigned step = 0; step <= path->steps[segment]; step++, at++) {
			const struct kill_point point = {segment, step};

			if (at % stride || at / stride % workers != worker)
				continue;
			count->points++;
			kill_once(c, &point, NULL, count);
		}
}

/* Who sleeps on a futex looks up once a second only: many of those at a time. */
static void work_off_together(const struct kill_case *c, const struct kill_path *path,
			      uint64_t total, uint64_t most, struct kill_count *count)
{
	struct kill_count *const counts =
		mmap(NULL, WORKERS * sizeof(*counts), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[WORKERS];
	int status;

	if (counts == MAP_FAILED)
		abort();
	(void)fflush(stdout);
	for (unsigned w = 0; w < WORKERS; w++) {
		pids[w] = fork();
		if (pids[w] < 0)
			abort();
		if (!pids[w]) {
			work_off(c, path, total, most, w, WORKERS, &counts[w]);
			(void)fflush(stdout);
			_exit(0);
		}
	}
	for (unsigned w = 0; w < WORKERS; w++) {
		if (waitpid(pids[w], &status, 0) != pids[w] || status)
			count->hung++; /* it gave up, and said why */
		add(count, &counts[w]);
	}
	munmap(counts, WORKERS * sizeof(*counts));
}

static struct kill_count run_case(const struct kill_case *c, uint64_t most)
{
	struct kill_count count = {0};
	struct kill_path path;
	uint64_t total = 0;

	kill_once(c, NULL, &path, &count);
	for (unsigned i = 0; i < path.segments; i++)
		total += path.steps[i] + 1;
	if (c->asleep && c->waits)
		work_off_together(c, &path, total, most ? quoit_min(most, WORKERS) : 0, &count);
	else
		work_off(c, &path, total, most, 0, 1, &count);
	printf("note: %s: %llu instructions, %u system calls; killed at %llu, of which %llu came "
	       "too late; torn %llu hung %llu lost %llu\n",
	       c->name, (unsigned long long)total, path.segments - 1,
	       (unsigned long long)count.points, (unsigned long long)count.late,
	       (unsigned long long)count.torn, (unsigned long long)count.hung,
	       (unsigned long long)count.lost);
	(void)fflush(stdout);
	return count;
}

static bool is_chosen(const struct kill_case *c)
{
	const char *const chosen = getenv("CASE");

	return !chosen || strstr(c->name, chosen);
}

/* Each planted fault must be found, by what it does and nothing else. */
static void self_test(void)
{
	unsigned planted = 0, noticed = 0;

	for (const struct kill_case *c = kill_planted; c->name; c++, planted++) {
		const struct kill_count found = run_case(c, 0);

		noticed += found.lost && !found.torn && !found.hung && !planted;
		noticed += found.torn && !found.hung && planted == 1;
		noticed += found.hung && !found.torn && !found.lost && planted == 2;
	}
	printf("RESULT name=kill-self-test planted=%u noticed=%u\n", planted, noticed);
	stress_say(noticed == planted, "a slot freed too early, one published too early and a role "
				       "that is kept are noticed");
}

static void run_all(uint64_t most, uint64_t storm, uint64_t seed)
{
	struct kill_count all = {0};

	for (const struct kill_case *c = kill_cases; c->name; c++) {
		struct kill_count count;

		if (!is_chosen(c))
			continue;
		count = run_case(c, most);
		stress_say(!findings(&count) && count.kills, c->name);
		add(&all, &count);
	}
	if (storm) {
		const uint64_t before = findings(&all);

		kill_storm((unsigned)storm, seed, &all);
		stress_say(findings(&all) == before,
			   "whoever is killed at any moment comes again and goes on");
	}
	printf("RESULT name=kill points=%llu kills=%llu torn=%llu hung=%llu lost=%llu\n",
	       (unsigned long long)all.points, (unsigned long long)all.kills,
	       (unsigned long long)all.torn, (unsigned long long)all.hung,
	       (unsigned long long)all.lost);
}

int main(int argc, char **argv)
{
	const uint64_t most = stress_amount("KILL_POINTS", 60, 60);
	const uint64_t storm = stress_amount("KILL_STORM", 100, 100), seed = random_seed();

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (const struct kill_case *c = kill_cases; c->name; c++)
			printf("%s\n", c->name);
		return 0;
	}
#if defined(QUOIT_TSAN) || defined(QUOIT_ASAN) || !defined(__OPTIMIZE__) || !defined(__x86_64__)
	printf("skip - kill: only the instructions that ship are stepped through, on x86-64\n");
	return 0;
#endif
	printf("note: SEED=%llu KILL_POINTS=%llu KILL_STORM=%llu\n", (unsigned long long)seed,
	       (unsigned long long)most, (unsigned long long)storm);
	self_test();
	run_all(most, storm, seed);
	return stress_failures != 0;
}
