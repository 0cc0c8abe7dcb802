/* SPDX-License-Identifier: MIT */
/*
 * soak.c - a great many numbers from one process to another, and whether each arrived in order.
 *
 * SOAK_COUNT numbers in all go through the ways there are to use a ring, or through those whose
 * names hold WAY. The producer makes the ring and passes it over a socket with a hello; both sides
 * are children of a third process that only looks on. Each side pauses now and then, so the ring is
 * seen empty and full, and where it can sleep, it does. SEED replays the draws.
 *
 * First a producer leaves a number out, swaps two, and sends one twice: each must be noticed.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shared/soak.h>

#define STUCK_AFTER_NS UINT64_C(60000000000)

/* --- what arrived ---------------------------------------------------------------------------- */

/* Not the next: it is later, and some are missing; or it is one of these; or it is nobody's. */
static void judge_slowly(struct soak_verdict *v, uint64_t number)
{
	if (number - v->next < SOAK_MISSING) {
		for (; v->next < number; v->next++)
			v->missing[v->lost++ % SOAK_MISSING] = v->next;
		v->next++;
		return;
	}
	for (unsigned i = 0; i < quoit_min(v->lost, SOAK_MISSING); i++)
		if (v->missing[i] == number) {
			v->missing[i] = v->missing[(v->lost - 1) % SOAK_MISSING];
			v->lost--;
			v->reordered++;
			return;
		}
	v->foreign++; /* twice, or never sent */
}

void soak_judge(struct soak_verdict *v, const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (quoit_likely(words[i] == soak_word(v->next)))
			v->next++;
		else
			judge_slowly(v, words[i] * SOAK_UNFACTOR);
	v->messages += n;
}

/* --- pauses ---------------------------------------------------------------------------------- */

void soak_pause(struct soak_side *side, size_t n)
{
	if (quoit_likely(side->until_pause > n)) {
		side->until_pause -= n;
		return;
	}
	side->until_pause = 1 + random_below(&side->random, 2 * side->pause_every);
	if (random_u64(&side->random) & 1)
		(void)usleep((unsigned)random_below(&side->random, 300));
	else
		(void)sched_yield();
}

/* --- processes ------------------------------------------------------------------------------- */

static pid_t start(struct soak_run *run, int sock, void (*be)(struct soak_side *side))
{
	struct soak_side side = {.run = run, .sock = sock};
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	side.random.state = run->seed * 2 + (be == soak_consume);
	side.pause_every = 1 + run->count / (200 + (run->count >> 20));
	side.until_pause = side.pause_every;
	be(&side);
	_exit(0);
}

static bool has_ended_well(pid_t pid)
{
	int status = 0;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Until the consumer has ended; if nothing moves for a minute, both are killed. */
static bool look_on(const struct soak_run *run, const pid_t pids[2])
{
	uint64_t before = 0, since_ns = quoit_clock_now_ns();
	siginfo_t info = {0};

	while (!waitid(P_PID, (id_t)pids[1], &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid) {
		const uint64_t moved = quoit_load(&run->verdict->messages);

		(void)usleep(2000);
		if (moved != before) {
			before = moved;
			since_ns = quoit_clock_now_ns();
		} else if (quoit_clock_now_ns() - since_ns > STUCK_AFTER_NS) {
			printf("note: %s: nothing moves after %llu messages\n", run->way->name,
			       (unsigned long long)moved);
			(void)kill(pids[0], SIGKILL);
			(void)kill(pids[1], SIGKILL);
			return false;
		}
	}
	return true;
}

static bool go(struct soak_run *run)
{
	int pair[2];
	pid_t pids[2];
	bool moved, good;

	memset(run->verdict, 0, sizeof(*run->verdict));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	pids[0] = start(run, pair[0], soak_produce);
	pids[1] = start(run, pair[1], soak_consume);
	(void)close(pair[0]);
	(void)close(pair[1]);
	moved = look_on(run, pids);
	good = has_ended_well(pids[1]);
	good = has_ended_well(pids[0]) && good && moved;
	run->verdict->lost += run->count - run->verdict->next;
	return good;
}

/* --- runs ------------------------------------------------------------------------------------ */

static bool is_chosen(const struct soak_way *way)
{
	const char *const chosen = getenv("WAY");

	return !chosen || strstr(way->name, chosen);
}

/* What a producer does wrong on purpose must be found, and nothing else. */
static void self_test(struct soak_run *run)
{
	unsigned planted = 0, noticed = 0;

	for (const struct soak_way *way = soak_ways; way->name; way++)
		for (int fault = SOAK_LOSE; fault < SOAK_FAULTS && is_chosen(way); fault++) {
			const struct soak_verdict *const v = run->verdict;

			run->way = way;
			run->fault = (enum soak_fault)fault;
			run->count = 20000;
			planted++;
			noticed += go(run) && v->lost == (fault == SOAK_LOSE) &&
				   v->reordered == (fault == SOAK_SWAP) &&
				   v->foreign == (fault == SOAK_DOUBLE);
		}
	run->fault = SOAK_SOUND;
	printf("RESULT name=soak-shared-self-test planted=%u noticed=%u\n", planted, noticed);
	stress_say(planted && noticed == planted, "what is lost, swapped or doubled is noticed");
}

static void soak(struct soak_run *run, uint64_t count)
{
	uint64_t messages = 0, lost = 0, reordered = 0, ways = 0;

	for (const struct soak_way *way = soak_ways; way->name; way++)
		ways += is_chosen(way);
	for (const struct soak_way *way = soak_ways; way->name; way++) {
		const struct soak_verdict *const v = run->verdict;
		const uint64_t began_ns = quoit_clock_now_ns();
		char what[128];
		bool good;

		if (!is_chosen(way))
			continue;
		run->way = way;
		run->count = (count + ways - 1) / ways;
		good = go(run);
		messages += v->messages;
		lost += v->lost + v->foreign;
		reordered += v->reordered;
		printf("note: %s: %llu messages in %.1f s, %llu sleeps ended by the producer\n",
		       way->name, (unsigned long long)v->messages,
		       (double)(quoit_clock_now_ns() - began_ns) / 1e9,
		       (unsigned long long)v->wakes);
		(void)snprintf(what, sizeof(what), "%s: each message once, in its order",
			       way->name);
		stress_say(good && !v->lost && !v->foreign && !v->reordered &&
				   v->messages == run->count,
			   what);
	}
	printf("RESULT name=soak-shared messages=%llu lost=%llu reordered=%llu\n",
	       (unsigned long long)messages, (unsigned long long)lost,
	       (unsigned long long)reordered);
}

int main(void)
{
	const uint64_t count = stress_amount("SOAK_COUNT", 7000000, 700000);
	struct soak_run run = {.seed = random_seed()};

	run.verdict = mmap(NULL, sizeof(*run.verdict), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run.verdict == MAP_FAILED)
		abort();
	printf("note: SEED=%llu SOAK_COUNT=%llu\n", (unsigned long long)run.seed,
	       (unsigned long long)count);
	self_test(&run);
	soak(&run, count);
	return stress_failures != 0;
}
