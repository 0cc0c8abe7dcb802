/* SPDX-License-Identifier: MIT */
/*
 * channel.c - rings of all four kinds feed eight loops on however few cpus there are, and every so
 * often a loop lets go of its ring, which another one takes on while the producers run.
 *
 * Each kind in turn: MOVERS threads with a loop each share RINGS rings (SPSC, MPSC) through a
 * shelf, or are the consumers of one ring (SPMC, MPMC) and leave and rejoin its group. Producers
 * send one to 64 items at a time, and pause now and then, so that the loops sleep. An item tells
 * its producer and number: none may be lost, doubled, or out of its producer's order, of which each
 * reader of a shared ring has a part. Both sides sum up the items, mixed, so that a loss and a
 * doubling do not make up for each other.
 *
 * SOAK_COUNT is how many items each kind carries, if not a few (SEED= replays the pauses).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/runtime/channel.h>

#include <support/random.h>

QUOIT_SPSC(line, uint64_t);
QUOIT_MPSC(post, uint64_t);
QUOIT_SPMC(deal, uint64_t);
QUOIT_MPMC(pool, uint64_t);

#define LOOPS	   8
#define RINGS	   4 /* of SPSC and MPSC, on the shelf */
#define PRODUCERS  8
#define SLOTS	   256
#define BATCH_MOST 64
#define MOVE_RUNS  40 /* runs that a loop handles before it lets go */

enum kind {
	SPSC,
	MPSC,
	SPMC,
	MPMC,
	KINDS
};

static const char *const names[KINDS] = {"spsc", "mpsc", "spmc", "mpmc"};

/* A ring that one loop has at a time. */
struct ring {
	struct line spsc;
	uint64_t slots[SLOTS];
	struct post mpsc;
	bool ended;
	bool held; /* by a loop */
};

static struct {
	enum kind kind;
	uint64_t messages; /* of each kind */
	uint64_t items;	   /* of each producer */
	uint64_t seed;
	pthread_mutex_t lock; /* the shelf */
	struct ring rings[RINGS];
	struct deal spmc;
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(SLOTS)];
	uint64_t slots[SLOTS];
	struct pool mpmc;
	struct quoit_group group;
	uint64_t next[PRODUCERS];  /* of the kinds with one reader at a time */
	uint64_t count[PRODUCERS]; /* of all kinds */
	uint64_t sum[PRODUCERS];   /* of the same, mixed */
	uint64_t sent[PRODUCERS];  /* the same sum, of the producer's own */
	uint32_t reordered;
	uint32_t moves;
	uint32_t over; /* rings that have ended */
} s;

static struct {
	uint64_t messages, lost, doubled, reordered;
} total;

/* --- producers ------------------------------------------------------------------------------- */

static unsigned producers(void)
{
	return s.kind == SPSC ? RINGS : s.kind == SPMC ? 1 : PRODUCERS;
}

static void pause_now_and_then(struct random *dice, size_t sent)
{
	const struct timespec nap = {.tv_nsec = 50000};

	if (random_below(dice, 2048) < sent)
		nanosleep(&nap, NULL);
}

struct end {
	struct post_producer mpsc;
	struct pool_producer mpmc;
};

static size_t send_some(unsigned self, struct end *end, const uint64_t *items, size_t n)
{
	switch (s.kind) {
	case SPSC:
		return line_send(&s.rings[self].spsc, items, n);
	case MPSC:
		return post_send(&end->mpsc, items, n);
	case SPMC:
		return deal_send(&s.spmc, items, n);
	default:
		return pool_send(&end->mpmc, items, n);
	}
}

/* One to BATCH_MOST items, from number `first` on, however full the ring is. Gives how many. */
static size_t send_batch(unsigned self, struct end *end, struct random *dice, uint64_t first)
{
	const size_t n = quoit_min(1 + random_below(dice, BATCH_MOST), s.items - first);
	uint64_t items[BATCH_MOST];

	for (size_t i = 0; i < n; i++) {
		items[i] = (uint64_t)self << 48 | (first + i);
		s.sent[self] += random_mix(items[i]);
	}
	for (size_t sent = 0; sent < n;) {
		const size_t more = send_some(self, end, items + sent, n - sent);

		if (!more)
			quoit_yield();
		sent += more;
	}
	return n;
}

static int begin(unsigned self, struct end *end)
{
	if (s.kind == MPSC)
		return post_register(&s.rings[self % RINGS].mpsc, &end->mpsc);
	return s.kind == MPMC ? pool_register_producer(&s.mpmc, &end->mpmc) : 0;
}

static int finish(unsigned self, struct end *end)
{
	if (s.kind == SPSC)
		quoit_spsc_finish(&s.rings[self].spsc.ring);
	else if (s.kind == MPSC)
		return post_deregister(&end->mpsc);
	else if (s.kind == SPMC)
		quoit_spmc_finish(&s.spmc.ring);
	else
		pool_deregister_producer(&end->mpmc);
	return 0;
}

static void *produce_worker(void *ctx)
{
	const unsigned self = (unsigned)(uintptr_t)ctx;
	struct random dice = {.state = s.seed + self};
	struct end end;

	if (begin(self, &end))
		return "registering failed";
	s.sent[self] = 0;
	for (uint64_t i = 0; i < s.items;) {
		const size_t n = send_batch(self, &end, &dice, i);

		i += n;
		pause_now_and_then(&dice, n);
	}
	return finish(self, &end) ? "finishing failed" : NULL;
}

/* --- loops ----------------------------------------------------------------------------------- */

struct reader {
	struct quoit_loop *loop;
	struct quoit_channel channel;
	struct ring *ring; /* SPSC, MPSC */
	struct deal_consumer spmc;
	struct pool_consumer mpmc;
	uint64_t count[PRODUCERS], sum[PRODUCERS];
	uint64_t next[PRODUCERS]; /* one above the highest so far */
	unsigned runs;
	bool out, ended;
};

static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	const uint64_t *item = items;
	struct reader *r = ctx;

	(void)more;
	for (size_t i = 0; i < n; i++) {
		const unsigned of = (unsigned)(item[i] >> 48) % PRODUCERS;
		const uint64_t number = item[i] & ((UINT64_C(1) << 48) - 1);

		/* One reader at a time, and what it knows goes along with the ring. */
		if (number < r->next[of] || (s.kind <= MPSC && number != s.next[of]++))
			(void)quoit_add(&s.reordered, 1);
		r->next[of] = number + 1;
		r->count[of]++;
		r->sum[of] += random_mix(item[i]);
	}
	/* Some leave from their own handler, and are told in any case. */
	if (++r->runs >= MOVE_RUNS && quoit_channel_detach(channel) == 0)
		r->out = true;
}

static void gone(struct quoit_channel *channel, void *ctx)
{
	struct reader *r = ctx;

	(void)channel;
	r->out = true;
}

static void end(struct quoit_channel *channel, void *ctx)
{
	struct reader *r = ctx;

	(void)channel;
	r->out = r->ended = true;
}

static bool is_out(void *ctx)
{
	return ((struct reader *)ctx)->out;
}

/* The first ring from `from` on that nobody has. */
static struct ring *take_ring(unsigned from)
{
	struct ring *taken = NULL;

	pthread_mutex_lock(&s.lock);
	for (unsigned i = 0; !taken && i < RINGS; i++) {
		struct ring *const ring = &s.rings[(from + i) % RINGS];

		if (!ring->held && !ring->ended)
			taken = ring;
	}
	if (taken)
		taken->held = true;
	pthread_mutex_unlock(&s.lock);
	return taken;
}

static void put_back(struct reader *r)
{
	pthread_mutex_lock(&s.lock);
	r->ring->held = false;
	r->ring->ended = r->ended;
	s.over += r->ended;
	s.moves++;
	pthread_mutex_unlock(&s.lock);
}

static int attach(struct reader *r, bool own)
{
	const struct quoit_channel_options options = {
		.own_bell = own, .batch_items = 32, .ended = end, .detached = gone};

	switch (s.kind) {
	case SPSC:
		return quoit_channel_attach_spsc_of(r->loop, &r->channel, &r->ring->spsc, &options,
						    handle, r);
	case MPSC:
		return quoit_channel_attach_mpsc(r->loop, &r->channel, r->ring->mpsc.channel,
						 &options, handle, r);
	case SPMC:
		return quoit_channel_attach_spmc(r->loop, &r->channel, &r->spmc.seat, 8, &options,
						 handle, r);
	default:
		return quoit_channel_attach_mpmc(r->loop, &r->channel, &r->mpmc.seat, 8, &options,
						 handle, r);
	}
}

/* One ring from attaching it until it has been detached or has ended. */
static bool serve(struct reader *r, unsigned turn)
{
	if (s.kind <= MPSC) {
		const struct timespec nap = {.tv_nsec = 100000};

		r->ring = take_ring(turn);
		if (!r->ring) {
			nanosleep(&nap, NULL);
			return true;
		}
	}
	r->out = r->ended = false;
	r->runs = 0;
	if (attach(r, turn % 2) || quoit_loop_run_until(r->loop, is_out, r, QUOIT_FOREVER))
		return false;
	if (s.kind <= MPSC)
		put_back(r);
	else
		(void)quoit_add(&s.moves, !r->ended);
	return true;
}

static bool is_over(const struct reader *r)
{
	bool over;

	if (s.kind > MPSC)
		return r->ended;
	pthread_mutex_lock(&s.lock);
	over = s.over == RINGS;
	pthread_mutex_unlock(&s.lock);
	return over;
}

static const char *read_until_the_end(struct reader *r, unsigned self)
{
	struct quoit_reason why = {0};

	if (s.kind == SPMC && deal_register_consumer(&s.spmc, &r->spmc))
		return s.spmc.ring.lane.finished ? NULL : "no seat";
	if (s.kind == MPMC && pool_register_consumer(&s.mpmc, &r->mpmc))
		return "no seat";
	if (quoit_loop_create(NULL, &r->loop, &why))
		return "no loop";
	for (unsigned turn = self; !is_over(r); turn++)
		if (!serve(r, turn))
			return "attaching failed";
	if (quoit_loop_destroy(r->loop))
		return "the loop is in use";
	if (s.kind == SPMC)
		deal_deregister_consumer(&r->spmc);
	if (s.kind == MPMC)
		pool_deregister_consumer(&r->mpmc);
	return NULL;
}

static void *read_worker(void *ctx)
{
	struct reader *const r = calloc(1, sizeof(*r) + QUOIT_ISOLATION);
	struct reader *const at =
		(void *)(((uintptr_t)r + QUOIT_ISOLATION - 1) & ~(uintptr_t)(QUOIT_ISOLATION - 1));
	const char *wrong = r ? read_until_the_end(at, (unsigned)(uintptr_t)ctx) : "no memory";

	for (unsigned i = 0; r && i < PRODUCERS; i++) {
		(void)quoit_add(&s.count[i], at->count[i]);
		(void)quoit_add(&s.sum[i], at->sum[i]);
	}
	free(r);
	return (void *)(uintptr_t)wrong;
}

/* --- one kind -------------------------------------------------------------------------------- */

static int make_rings(void)
{
	const struct quoit_mpsc_options mpsc = {.capacity_slots = SLOTS,
						.producers_most = PRODUCERS};
	const struct quoit_spmc_options spmc = {.capacity_slots = SLOTS, .consumers_most = LOOPS};
	const struct quoit_mpmc_options mpmc = {.capacity_slots = SLOTS,
						.producers_most = PRODUCERS,
						.consumers_most = LOOPS,
						.node = QUOIT_MPMC_ANYWHERE};

	for (unsigned i = 0; i < RINGS; i++) {
		if (line_init(&s.rings[i].spsc, s.rings[i].slots, SLOTS) ||
		    post_create(&s.rings[i].mpsc, &mpsc) ||
		    quoit_mpsc_attach(s.rings[i].mpsc.channel, &quoit_notify_nobody))
			return -1;
		quoit_spsc_attach(&s.rings[i].spsc.ring, &quoit_notify_nobody);
	}
	if (deal_init(&s.spmc, s.slots, s.blocks, &spmc) || pool_create(&s.mpmc, &mpmc))
		return -1;
	return s.kind == SPMC ? quoit_spmc_attach_group(&s.spmc.ring, &s.group)
			      : quoit_mpmc_attach_group(s.mpmc.ring, &s.group);
}

static int free_rings(void)
{
	int rc = 0;

	for (unsigned i = 0; i < RINGS; i++)
		rc |= quoit_mpsc_destroy(s.rings[i].mpsc.channel);
	quoit_mpmc_destroy(s.mpmc.ring);
	return rc;
}

static void close_what_has_no_last_producer(void)
{
	for (unsigned i = 0; i < RINGS; i++)
		quoit_mpsc_close(s.rings[i].mpsc.channel);
	quoit_mpmc_close(s.mpmc.ring);
}

static bool run_kind(enum kind kind)
{
	pthread_t loops[LOOPS], ends[PRODUCERS];
	uint64_t lost = 0, doubled = 0;
	const char *wrong = NULL;
	void *told;

	memset(s.rings, 0, sizeof(s.rings));
	memset(s.next, 0, sizeof(s.next));
	memset(s.count, 0, sizeof(s.count));
	memset(s.sum, 0, sizeof(s.sum));
	s.kind = kind;
	s.items = s.messages / producers();
	s.reordered = s.moves = s.over = 0;
	if (make_rings())
		return false;
	for (uintptr_t i = 0; i < LOOPS; i++)
		if (pthread_create(&loops[i], NULL, read_worker, (void *)i))
			abort();
	for (uintptr_t i = 0; i < producers(); i++)
		if (pthread_create(&ends[i], NULL, produce_worker, (void *)i))
			abort();
	for (unsigned i = 0; i < producers(); i++) {
		(void)pthread_join(ends[i], &told);
		wrong = told ? told : wrong;
	}
	close_what_has_no_last_producer();
	for (unsigned i = 0; i < LOOPS; i++) {
		(void)pthread_join(loops[i], &told);
		wrong = told ? told : wrong;
	}
	for (unsigned i = 0; i < producers(); i++) {
		/* As many as were sent, and not the same: for each that is missing one came twice.
		 */
		const bool mixed_up = s.count[i] == s.items && s.sum[i] != s.sent[i];

		lost += mixed_up + (s.count[i] < s.items ? s.items - s.count[i] : 0);
		doubled += mixed_up + (s.count[i] > s.items ? s.count[i] - s.items : 0);
		total.messages += s.count[i];
	}
	printf("%s - %s: nothing is lost, doubled or reordered, and the ring moved (%u)%s%s\n",
	       wrong || lost || doubled || s.reordered ? "not ok" : "ok", names[kind], s.moves,
	       wrong ? ": " : "", wrong ? wrong : "");
	total.lost += lost;
	total.doubled += doubled;
	total.reordered += s.reordered;
	return !free_rings() && !(wrong || lost || doubled || s.reordered);
}

int main(void)
{
	const char *const count = getenv("SOAK_COUNT");
	bool good = true;

	s.messages = count ? strtoull(count, NULL, 10) : 80000;
	s.seed = random_seed();
	(void)pthread_mutex_init(&s.lock, NULL); /* never fails on Linux */
	printf("note: SEED=%llu\n", (unsigned long long)s.seed);
	for (unsigned kind = 0; kind < KINDS; kind++)
		good &= run_kind((enum kind)kind);
	printf("RESULT name=%s kinds=%u core_messages=%llu lost=%llu doubled=%llu "
	       "reordered=%llu\n",
	       count ? "soak" : "stress-channel", KINDS, (unsigned long long)total.messages,
	       (unsigned long long)total.lost, (unsigned long long)total.doubled,
	       (unsigned long long)total.reordered);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
