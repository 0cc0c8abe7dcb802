/* SPDX-License-Identifier: MIT */
/*
 * steps.c - how many instructions a call takes at most, counted by stepping through it.
 *
 * A child runs calls; its parent steps it from one instruction to the next by ptrace while the
 * child says that it is inside one, in a byte that both see. So every instruction in user space is
 * counted, those of libc too, in the code that ships. Nothing here depends on time.
 *
 * The calls are those that have most to do, by what the code can do at all: a search that finds
 * nothing in its own list and goes up, cutting in front and behind, uniting with both neighbours,
 * taking in QUOIT_RTM_TAKES_IN blocks that unite, among as many pools as there may be. Then random
 * ones, to look for a worse one that nobody thought of. Bytes that are copied or filled are not
 * counted against a bound: a realloc that moves is left out, and so is debugging.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pthread.h>

#include <rtm/rtm.h>

/*
 * What is promised, in the release variant on x86-64, by enum quoit_rtm_owner. A call that meets
 * another holder of the mutex, or whose pool is created or deleted meanwhile, takes more.
 */
static const unsigned bounds[] = {700, 1000, 600};
static const char *const owner_names[] = {"shared", "remote free", "single"};

#define TOTAL	  ((size_t)1 << 20)
#define RANDOM	  (getenv("RTM_COUNT") ? 1000 : 20) /* stepping is slow */
#define CALIBRATE 8

enum kind {
	NOTHING,
	ALLOC,
	FREE,
	FOREIGN, /* a free by another than the owner */
	REALLOC,
	KINDS
};

/* Shared with the parent. */
struct talk {
	volatile uint8_t kind; /* not NOTHING: inside a call */
	volatile uint8_t owner;
	volatile uint64_t failures;
	volatile int first_line; /* where the first of them was seen */
};

static struct talk *talk;

#define CHECK(holds) ((holds) ? (void)0 : failed(__LINE__))

static void failed(int line)
{
	if (!talk->failures++)
		talk->first_line = line;
}

/* --- the child ------------------------------------------------------------------------------- */

/* The parent steps from here on, until the byte has been set and cleared again. */
static void attention(void)
{
	CHECK(!raise(SIGTRAP));
}

static void *step_alloc(struct quoit_rtm_pool *pool, size_t bytes, size_t align)
{
	void *data;

	attention();
	talk->kind = ALLOC;
	data = align > 1 ? quoit_rtm_alloc_aligned(pool, bytes, align)
			 : quoit_rtm_alloc(pool, bytes);
	talk->kind = NOTHING;
	return data;
}

static void step_free_as(enum kind kind, void *data, int expected)
{
	int rc;

	attention();
	talk->kind = (uint8_t)kind;
	rc = quoit_rtm_free(data);
	talk->kind = NOTHING;
	CHECK(rc == expected);
}

static void step_free(void *data, int expected)
{
	step_free_as(FREE, data, expected);
}

/* Only where it stays. */
static void step_realloc(void **data, size_t bytes)
{
	void *const before = *data;
	int rc;

	attention();
	talk->kind = REALLOC;
	rc = quoit_rtm_realloc(data, bytes);
	talk->kind = NOTHING;
	CHECK(!rc && *data == before);
}

/* Others in the registry, so that finding one takes as many looks as it can. Gives the lowest. */
static struct quoit_rtm_pool *crowd(void)
{
	struct quoit_rtm_pool *pool = NULL, *lowest = NULL;

	for (int i = 0; i < QUOIT_RTM_POOLS_MOST - 1; i++) {
		CHECK(!quoit_rtm_create_pool(&pool, 1, NULL));
		if (!lowest || (uintptr_t)pool < (uintptr_t)lowest)
			lowest = pool;
	}
	return lowest;
}

/*
 * Among as many as there may be, the one at the lowest address is found last: the search halves
 * 256, and only the lower half of each step is a power of two again. So it is to be that one: as
 * long as the kernel finds a hole above, that is filled, and it is asked again.
 */
static struct quoit_rtm_pool *pool_below(const struct quoit_rtm_pool *lowest,
					 enum quoit_rtm_owner owner, size_t align)
{
	const struct quoit_rtm_options o = {.total = TOTAL,
					    .blocks_most = 4096,
					    .align_bytes = align,
					    .owner = owner,
					    .lock = QUOIT_RTM_LOCK_NEVER,
					    .debug = QUOIT_RTM_DEBUG_OFF,
					    .node = -1};

	for (;;) {
		struct quoit_rtm_pool *pool = NULL;
		struct quoit_rtm_info info;

		if (quoit_rtm_create_pool_ex(&pool, &o, NULL) || quoit_rtm_pool_info(pool, &info))
			abort();
		if ((uintptr_t)pool < (uintptr_t)lowest)
			return pool;
		if (quoit_rtm_delete_pool(pool) ||
		    mmap(NULL, info.mapped_bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			abort();
	}
}

static void free_all(void **data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK(!quoit_rtm_free(data[i]));
}

struct batch {
	void *data[2 * QUOIT_RTM_TAKES_IN];
	size_t n;
};

static void *remote_worker(void *arg)
{
	struct batch *const batch = arg;

	free_all(batch->data, batch->n);
	return NULL;
}

/* Blocks between free neighbours, given back by another thread: each unites with both. */
static void give_from_outside(struct quoit_rtm_pool *pool)
{
	void *all[4 * QUOIT_RTM_TAKES_IN + 1];
	struct batch batch = {.n = 0};
	pthread_t thread;
	const size_t n = sizeof(all) / sizeof(all[0]);

	for (size_t i = 0; i < n; i++)
		all[i] = quoit_rtm_alloc(pool, 5000);
	for (size_t i = 1; i < n; i += 2)
		if (i % 4 == 1 && batch.n < QUOIT_RTM_TAKES_IN)
			batch.data[batch.n++] = all[i];
	for (size_t i = 0; i < n; i++)
		if (i % 4 != 1)
			CHECK(!quoit_rtm_free(all[i]));
	if (pthread_create(&thread, NULL, remote_worker, &batch) || pthread_join(thread, NULL))
		abort();
}

static void *adopt_worker(void *arg)
{
	CHECK(!quoit_rtm_adopt(arg));
	return NULL;
}

/* Only one thread is stepped through, so it is the pool that becomes another's for a while. */
static void worst_from_outside(struct quoit_rtm_pool *pool)
{
	void *const first = quoit_rtm_alloc(pool, 1000), *const second = quoit_rtm_alloc(pool, 10);
	pthread_t thread;

	if (pthread_create(&thread, NULL, adopt_worker, pool) || pthread_join(thread, NULL))
		abort();
	step_free_as(FOREIGN, first, 0);
	step_free_as(FOREIGN, first, -EALREADY);
	step_free_as(FOREIGN, second, 0);
	CHECK(!quoit_rtm_adopt(pool));
	CHECK(quoit_rtm_collect(pool, SIZE_MAX) == 2);
}

static void worst_of(struct quoit_rtm_pool *pool, enum quoit_rtm_owner owner)
{
	void *a, *b, *c, *d;

	/* Cut behind; then in front and behind; then refused. */
	a = step_alloc(pool, 1000, 1);
	b = step_alloc(pool, 3001, 4096);
	c = step_alloc(pool, 700, QUOIT_RTM_ALIGN_ONE_MOST / 16);
	CHECK(!step_alloc(pool, TOTAL, 1));
	CHECK(!step_alloc(pool, 0, 1));
	d = step_alloc(pool, TOTAL / 3, 1); /* where there is room behind it */

	/* In place: shrinking, growing over what is behind, within its size. */
	step_realloc(&d, 500);
	step_realloc(&d, 90000);
	step_realloc(&d, 90001);

	/* Between free ones, beside one, beside none; twice; nothing. */
	step_free(a, 0);
	step_free(c, 0);
	step_free(b, 0);
	step_free(b, -EALREADY);
	step_free((char *)d + 8, -EFAULT);
	step_free(d, 0);
	step_free(NULL, -EINVAL);
	if (owner != QUOIT_RTM_REMOTE_FREE)
		return;
	worst_from_outside(pool);
	give_from_outside(pool);
	a = step_alloc(pool, 3001, 4096);
	give_from_outside(pool);
	step_free(a, 0);
	a = quoit_rtm_alloc(pool, 800);
	give_from_outside(pool);
	step_realloc(&a, 5000);
	CHECK(!quoit_rtm_free(a));
}

static void any(struct quoit_rtm_pool *pool)
{
	struct random random = {.state = random_seed()};
	void *blocks[200] = {0};

	for (int i = 0; i < RANDOM; i++) {
		const uint64_t dice = random_u64(&random);
		void **const block = &blocks[dice % 200];
		const size_t bytes = 1 + (dice >> 8) % ((size_t)2 << (dice >> 40) % 16);

		if (!*block)
			*block = step_alloc(pool, bytes,
					    dice >> 60 ? 1 : (size_t)1 << (dice >> 32) % 13);
		else if (dice >> 62 || (ssize_t)bytes > quoit_rtm_phys_size_for(*block))
			step_free(*block, 0), *block = NULL;
		else
			step_realloc(block, bytes);
	}
	for (int i = 0; i < 200; i++)
		if (blocks[i])
			step_free(blocks[i], 0);
}

static void child(void)
{
	static const size_t aligns[] = {16, 64, 4096};

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	for (int i = 0; i < CALIBRATE; i++) { /* what the counting itself counts */
		attention();
		talk->kind = KINDS;
		talk->kind = NOTHING;
	}
	const struct quoit_rtm_pool *const lowest = crowd();
	for (enum quoit_rtm_owner owner = QUOIT_RTM_SHARED; owner <= QUOIT_RTM_SINGLE; owner++)
		for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
			talk->owner = (uint8_t)owner;
			struct quoit_rtm_pool *const pool = pool_below(lowest, owner, aligns[i]);

			worst_of(pool, owner);
			any(pool);
			CHECK(!quoit_rtm_delete_pool(pool));
		}
	_exit(0);
}

/* --- the parent ------------------------------------------------------------------------------ */

struct worst {
	uint64_t of[3][KINDS];
	uint64_t counting;
};

/* Count until the call is over. Gives false when the child is gone. */
static bool count_one(pid_t pid, struct worst *worst, uint64_t *calls)
{
	uint64_t n = 0;
	int kind = NOTHING, status;

	for (;;) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return false;
		if (talk->kind != NOTHING) {
			kind = talk->kind;
			n++;
		} else if (kind != NOTHING) {
			break;
		}
	}
	if (kind == KINDS)
		worst->counting = quoit_max(worst->counting, n);
	else
		worst->of[talk->owner][kind] = quoit_max(worst->of[talk->owner][kind], n);
	*calls += kind != KINDS;
	return true;
}

static bool step_through(pid_t pid, struct steps *steps)
{
	struct worst worst = {0};
	int status;

	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) != SIGTRAP) { /* a crash, or some signal: let it come */
			ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)WSTOPSIG(status));
			continue;
		}
		if (!count_one(pid, &worst, &steps->calls))
			break;
		if (ptrace(PTRACE_CONT, pid, NULL, NULL))
			break;
	}
	for (int owner = 0; owner < 3; owner++) {
		uint64_t *const of = worst.of[owner];

		for (int kind = ALLOC; kind < KINDS; kind++) {
			of[kind] -= quoit_min(of[kind], worst.counting);
			steps->failures += of[kind] > bounds[owner];
		}
		steps->alloc = quoit_max(steps->alloc, of[ALLOC]);
		steps->free = quoit_max(steps->free, quoit_max(of[FREE], of[FOREIGN]));
		steps->realloc = quoit_max(steps->realloc, of[REALLOC]);
		printf("note: %s: alloc %llu, free %llu, by another %llu, realloc %llu "
		       "instructions at most; %u is the bound\n",
		       owner_names[owner], (unsigned long long)of[ALLOC],
		       (unsigned long long)of[FREE], (unsigned long long)of[FOREIGN],
		       (unsigned long long)of[REALLOC], bounds[owner]);
	}
	if (talk->failures)
		printf("note: steps.c:%d: the first of %llu wrong answers\n", talk->first_line,
		       (unsigned long long)talk->failures);
	steps->failures += talk->failures;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool count_steps(struct steps *steps, const char **why_not)
{
	pid_t pid;
	bool done;

#if defined(QUOIT_TSAN) || defined(QUOIT_ASAN) || !defined(__OPTIMIZE__)
	*why_not = "the sanitizers' and a debugger's instructions are not those that ship";
	return false;
#endif
	talk = mmap(NULL, sizeof(*talk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (talk == MAP_FAILED)
		abort();
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid)
		child();
	done = step_through(pid, steps);
	if (!done && !steps->calls)
		*why_not = "ptrace is refused here";
	else
		steps->failures += !done;
	munmap(talk, sizeof(*talk));
	return done || steps->calls;
}
