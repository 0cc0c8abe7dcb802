/* SPDX-License-Identifier: MIT */
/*
 * shring.c - a ring between processes: both sides as they ship, with the sleeps of shring_wait.h.
 *
 * The two threads are the two processes. Each side's private memory is its own thread's, so a look
 * at the other's would be a race; the header and the slots are what they share. A side sleeps in
 * the blocking calls, on a futex or on a bell, or in a loop of its own. One may die before any of
 * its steps, and a successor goes on at the published position, or nobody does and the survivor
 * must see that.
 *
 * What makes a role unique is the kernel's lock, which is not modelled: a successor runs where the
 * dead one ran. A position that cannot be would poison the ring, which no honest peer's may.
 */
#include <errno.h>
#include <string.h>

#include <model/targets/list.h>

#define memcpy model_memcpy
#include <quoit/rings/typed_shring.h>

#include <model/seam.h>

#define SLOTS_MOST 4
#define BEGIN	   (UINT64_MAX - 1) /* positions go through 2^64 */

QUOIT_SHRING(parcels, uint64_t);

enum rest {
	SPINS,
	FUTEX, /* in the blocking calls */
	BELL,  /* likewise */
	LOOP,  /* arm, look, and wait for the bell oneself */
};

enum flaw {
	FLAWLESS,
	SILENT,	     /* publishes without looking whether anybody sleeps */
	FENCE_FIRST, /* looks before it publishes */
	NO_LOOK,     /* arms, and waits without another look */
	CLOSED_LAST, /* empty first, then closed: what came in between is lost */
	DEATH_LAST,  /* empty first, then dead */
	TWICE,	     /* a successor begins one before the published position */
};

struct plan {
	unsigned capacity;
	unsigned items;
	unsigned batch;
	enum rest rest;
	bool in_place;
	bool rings;  /* the producer does, by itself */
	bool closes; /* the consumer closes after its first items */
	bool open;   /* the producer does not close when it has sent all: no wake comes after it */
	bool succeeds; /* somebody takes the role of the dead */
	enum flaw flaw;
};

static struct {
	QUOIT_ISOLATED struct quoit_shring_header header;
	QUOIT_ISOLATED uint64_t slots[SLOTS_MOST];
	QUOIT_ISOLATED struct parcels p[2]; /* and a successor's */
	QUOIT_ISOLATED struct parcels c[2];
	QUOIT_ISOLATED uint32_t dead;
	uint32_t mortal;
	QUOIT_ISOLATED uint64_t sent;	  /* the producer's */
	QUOIT_ISOLATED uint64_t received; /* the consumer's */
	bool finished;			  /* the consumer's: it saw the end */
} s;

/* --- the kernel, and what else rings/shring.c and shring_claim.c would do -------------------- */

/* A sleep that is cut into pieces ends when the word has changed, and when the peer has died. */
int quoit__sys_futex_wait_shared(const uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
	(void)deadline_ns;
	if (!s.mortal)
		return quoit__sys_futex_wait((uint32_t *)(uintptr_t)word, expected, 0);
	while (quoit_load(word) == expected && !quoit_load(&s.dead))
		quoit_relax();
	return 0;
}

int quoit__sys_futex_wake_shared(const uint32_t *word, int most)
{
	return s.mortal ? 0 : quoit__sys_futex_wake((uint32_t *)(uintptr_t)word, most);
}

static struct quoit_notify bell_of(int fd)
{
	const struct quoit_notify notify = {NULL, fd};

	return notify;
}

/* The peer's pidfd is taken for its bell: on_death rings it. */
int quoit__sys_wait_either(int first, int second, int third, uint64_t deadline_ns)
{
	const struct quoit_notify notify = bell_of(first);

	(void)second;
	(void)third;
	(void)deadline_ns;
	model_wait(&notify);
	return 1;
}

int quoit__sys_is_blocking(int fd)
{
	(void)fd;
	return 0;
}

ssize_t quoit__sys_write(int fd, const void *data, size_t bytes)
{
	const struct quoit_notify notify = bell_of(fd);

	(void)data;
	(void)quoit_notify_ring(&notify);
	return (ssize_t)bytes;
}

ssize_t quoit__sys_read_now(int fd, void *data, size_t bytes)
{
	const struct quoit_notify notify = bell_of(fd);

	(void)data;
	model_hush(&notify);
	return (ssize_t)bytes;
}

void quoit__shring_poison(struct quoit_shring *ring, uint64_t saw)
{
	(void)ring;
	(void)saw;
	model_violated("a position that cannot be");
}

int quoit_shring_status(struct quoit_shring *ring)
{
	return ring->error;
}

enum quoit_shring_peer quoit_shring_peer_state(struct quoit_shring *ring, uint64_t stale_ns)
{
	(void)ring;
	(void)stale_ns;
	return s.mortal && quoit_load_acquire(&s.dead) ? QUOIT_SHRING_DEAD : QUOIT_SHRING_ALIVE;
}

/* --- a ring ---------------------------------------------------------------------------------- */

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.header.tail, 8, "tail");
	model_name(&s.header.head, 8, "head");
	model_name(&s.header.consumer_waiters, 4, "consumer_waiters");
	model_name(&s.header.producer_waiters, 4, "producer_waiters");
	model_name(&s.header.producer_closed, 4, "producer_closed");
	model_name(&s.header.consumer_closed, 4, "consumer_closed");
	model_name(&s.header.data_seq, 4, "data_seq");
	model_name(&s.header.space_seq, 4, "space_seq");
	model_name(s.slots, sizeof(s.slots), "slots");
	model_name(&s.dead, 4, "dead");
	model_name(s.p, sizeof(s.p), "the producer's own");
	model_name(s.c, sizeof(s.c), "the consumer's own");
}

static void make_side(struct parcels *q, enum quoit_shring_role role, const struct plan *plan,
		      uint64_t mine, uint64_t seen)
{
	static const uint32_t flags[] = {0, QUOIT_SHRING_FLAG_WAITS, QUOIT_SHRING_FLAG_BELLS,
					 QUOIT_SHRING_FLAG_BELLS};
	struct quoit_shring *const ring = &q->ring;

	ring->role = role;
	ring->flags = flags[plan->rest];
	ring->mask = plan->capacity - 1;
	ring->slots = (char *)s.slots;
	ring->slot_bytes = sizeof(uint64_t);
	ring->in_place = true;
	ring->home.bells[0] = 0;
	ring->home.bells[1] = 1;
	ring->home.own_bell = -1; /* no other thread closes */
	quoit__shring_bind(ring, &s.header, &s.header, mine, seen);
}

static void setup_for(const struct plan *plan, bool mortal)
{
	s.header.head = s.header.tail = BEGIN;
	s.mortal = mortal;
	make_side(&s.p[0], QUOIT_SHRING_PRODUCER, plan, BEGIN, BEGIN);
	make_side(&s.c[0], QUOIT_SHRING_CONSUMER, plan, BEGIN, BEGIN);
}

static void setup(const void *arg)
{
	setup_for(arg, false);
}

static void setup_mortal(const void *arg)
{
	setup_for(arg, true);
}

/* --- resting --------------------------------------------------------------------------------- */

/* It sleeps at once: pausing is another target's. */
static const struct quoit_wait at_once = {.kind = QUOIT_WAIT_PHASED};

static bool has_what_it_wants(struct quoit_shring *ring)
{
	return ring->role == QUOIT_SHRING_CONSUMER ? quoit_shring_has_news(ring)
						   : quoit_shring_has_room(ring, 1);
}

/* The order of these looks is what tells an end: dead and closed first, then what is there. */
static int look(struct quoit_shring *ring, enum flaw flaw)
{
	const bool late = flaw == CLOSED_LAST || flaw == DEATH_LAST;
	const bool early = late && has_what_it_wants(ring);
	const bool dead = quoit_shring_peer_state(ring, 0) == QUOIT_SHRING_DEAD;
	const bool closed = quoit_shring_is_closed(ring);
	const bool there = late ? early : flaw != NO_LOOK && has_what_it_wants(ring);

	if (there && (!closed || ring->role == QUOIT_SHRING_CONSUMER))
		return 0;
	return closed ? -ESHUTDOWN : dead ? -EOWNERDEAD : -EAGAIN;
}

static int rest_in_a_loop(struct quoit_shring *ring, enum flaw flaw)
{
	const struct quoit_notify notify = bell_of(quoit_shring_bell(ring));
	int rc;

	quoit_shring_hush(ring);
	quoit_shring_arm(ring);
	rc = look(ring, flaw);
	if (rc == -EAGAIN)
		model_wait(&notify);
	quoit_shring_disarm(ring);
	return rc == -EAGAIN ? 0 : rc;
}

static int rest_spinning(struct quoit_shring *ring, enum flaw flaw)
{
	const int rc = look(ring, flaw);

	if (rc != -EAGAIN)
		return rc;
	quoit_relax();
	return 0;
}

static int rest(struct parcels *q, const struct plan *plan)
{
	if (plan->rest == SPINS)
		return rest_spinning(&q->ring, plan->flaw);
	if (plan->rest == LOOP)
		return rest_in_a_loop(&q->ring, plan->flaw);
	return q->ring.role == QUOIT_SHRING_CONSUMER
		       ? quoit_shring_wait_data(&q->ring, &at_once)
		       : quoit_shring_wait_space(&q->ring, 1, &at_once);
}

/* --- the sides ------------------------------------------------------------------------------- */

/* A publication as it must not be. */
static size_t send_wrongly(struct parcels *q, const struct plan *plan, uint64_t word)
{
	size_t granted = 0;
	uint64_t *const slot = parcels_reserve(q, 1, &granted);

	if (!slot)
		return 0;
	*slot = word;
	quoit_shring_commit_later(&q->ring, 1);
	if (plan->flaw == FENCE_FIRST)
		quoit_shring_notify(&q->ring);
	quoit_shring_publish(&q->ring);
	return 1;
}

static void ring_by_oneself(struct parcels *q)
{
	const struct quoit_notify notify = bell_of(quoit_shring_peer_bell(&q->ring));

	if (quoit_shring_owes_bell(&q->ring))
		(void)quoit_notify_ring(&notify);
}

static size_t send_some(struct parcels *q, const struct plan *plan)
{
	const size_t n = quoit_min((size_t)plan->batch + !plan->batch, plan->items - s.sent);
	uint64_t words[SLOTS_MOST], *to;
	size_t granted = 0;

	for (size_t i = 0; i < n; i++)
		words[i] = s.sent + i;
	if (plan->flaw == SILENT || plan->flaw == FENCE_FIRST)
		return send_wrongly(q, plan, s.sent);
	if (!plan->in_place)
		return parcels_send(q, words, n);
	to = parcels_reserve(q, n, &granted);
	if (!to)
		return 0;
	for (size_t i = 0; i < granted; i++)
		to[i] = words[i];
	if (!plan->rings) {
		parcels_commit(q, granted);
		return granted;
	}
	quoit_shring_commit_later(&q->ring, granted);
	quoit_shring_publish(&q->ring);
	ring_by_oneself(q);
	return granted;
}

static void check_answer(int rc)
{
	model_check(!rc || rc == -ESHUTDOWN || (rc == -EOWNERDEAD && s.mortal),
		    "a wait gave something else");
}

static void produce(struct parcels *q, const struct plan *plan)
{
	while (s.sent < plan->items) {
		const size_t n = send_some(q, plan);
		int rc;

		s.sent += n;
		if (n)
			continue;
		rc = rest(q, plan);
		check_answer(rc);
		if (rc)
			break;
	}
	if (!plan->open)
		quoit_shring_close(&q->ring);
}

static void producer(const void *arg)
{
	produce(&s.p[0], arg);
}

static size_t receive_some(struct parcels *q, const struct plan *plan)
{
	uint64_t words[SLOTS_MOST];
	const uint64_t *from = words;
	size_t n = 0;

	if (plan->in_place) {
		from = parcels_readable(q, &n);
		if (!from)
			return 0;
	} else {
		n = parcels_recv(q, words, SLOTS_MOST);
	}
	for (size_t i = 0; i < n; i++)
		model_check(from[i] == s.received + i, "an item is not the next one");
	if (plan->in_place)
		parcels_advance(q, n);
	s.received += n;
	return n;
}

static void consume(struct parcels *q, const struct plan *plan)
{
	while (!s.finished && !(plan->open && s.received == plan->items)) {
		int rc;

		if (receive_some(q, plan)) {
			if (plan->closes)
				break;
			continue;
		}
		rc = rest(q, plan);
		check_answer(rc);
		s.finished = rc != 0;
	}
	if (plan->closes)
		quoit_shring_close(&q->ring);
}

static void consumer(const void *arg)
{
	consume(&s.c[0], arg);
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	model_check(s.header.tail - BEGIN == s.sent, "not all that was sent was published");
	if (plan->closes)
		return;
	model_check(s.sent == plan->items, "not everything was sent");
	model_check(s.received == s.sent, "not everything was read");
	model_check(s.header.head == s.header.tail, "head and tail differ");
}

/* --- death ----------------------------------------------------------------------------------- */

static void tell_death(int bell)
{
	const struct quoit_notify notify = bell_of(bell);

	quoit_store_release(&s.dead, 1);
	model_ring_for_ever(&notify);
}

/* It goes on at the position that was published: items are numbered from there. */
static void producer_died(const void *arg)
{
	const struct plan *plan = arg;
	uint64_t head, tail;

	if (!plan->succeeds) {
		tell_death(0);
		return;
	}
	/* Who sleeps on a bell does so on the pidfd, too, and looks by itself after ten seconds. */
	(void)quoit_notify_ring(&(struct quoit_notify){NULL, 0});
	head = quoit__shring_head(&s.header);
	tail = quoit__shring_tail(&s.header);
	model_check(tail - BEGIN >= s.sent, "what was sent is not published");
	s.sent = tail - BEGIN - (plan->flaw == TWICE);
	make_side(&s.p[1], QUOIT_SHRING_PRODUCER, plan, tail, head);
	produce(&s.p[1], plan);
}

static void consumer_died(const void *arg)
{
	const struct plan *plan = arg;
	uint64_t head, tail;

	if (!plan->succeeds) {
		tell_death(1);
		return;
	}
	(void)quoit_notify_ring(&(struct quoit_notify){NULL, 1}); /* as above */
	head = quoit__shring_head(&s.header);
	tail = quoit__shring_tail(&s.header);
	model_check(head - BEGIN >= s.received, "what was read comes again");
	s.received = head - BEGIN - (plan->flaw == TWICE);
	s.finished = false;
	make_side(&s.c[1], QUOIT_SHRING_CONSUMER, plan, head, tail);
	consume(&s.c[1], plan);
}

static void finish_producer_died(const void *arg)
{
	const struct plan *plan = arg;

	model_check(s.finished, "the consumer has not seen the end");
	model_check(s.header.tail - BEGIN == s.received, "not all that was published was read");
	model_check(s.received <= plan->items, "more was read than sent");
	model_check(!plan->succeeds || s.received == plan->items, "not everything came");
}

static void finish_consumer_died(const void *arg)
{
	const struct plan *plan = arg;

	model_check(s.header.tail - BEGIN == s.sent, "not all that was sent was published");
	model_check(s.header.tail - s.header.head <= plan->capacity, "more than there is room for");
	if (plan->succeeds)
		model_check(s.sent == plan->items && s.header.head == s.header.tail,
			    "not everything came");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "shring"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

#define MORTAL(target, who, died, end)                           \
	static const struct model_target target = {              \
		.shared = &s,                                    \
		.bytes = sizeof(s),                              \
		.name_all = name_all,                            \
		.setup = setup_mortal,                           \
		.threads = {THREAD(producer), THREAD(consumer)}, \
		.finish = end,                                   \
		.mortal = who,                                   \
		.on_death = died,                                \
	}

TARGET(both, setup, finish, THREAD(producer), THREAD(consumer));
MORTAL(producer_dies, 1, producer_died, finish_producer_died);
MORTAL(consumer_dies, 2, consumer_died, finish_consumer_died);

/* A lost wake shows where the other side waits too, before its close wakes everybody. */
#define LOSES_AS(text, sign, function, kind, order, ...)                                   \
	{                                                                                  \
		.name = GROUP " mutant: " text, .target = &both, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(1, 1), .breaks = sign, .mutation = {                           \
			function,                                                          \
			kind,                                                              \
			order                                                              \
		}                                                                          \
	}
#define DOZES(text, function, kind, order) \
	LOSES_AS(text, "wakes it", function, kind, order, TWO_ITEMS, .rest = FUTEX)
#define RINGS(text, sign, function, kind, order, ...) \
	LOSES_AS(text, sign, function, kind, order, TWO_ITEMS, .rest = LOOP, __VA_ARGS__)
#define RACES(text, function, kind) \
	BREAKS(text, both, "race on slots", function, kind, MODEL_RELAXED, TWO_ITEMS)

#define ONE_ITEM  .capacity = 2, .items = 1
#define TWO_ITEMS .capacity = 1, .items = 2
#define IN_TWO	  .capacity = 2, .items = 2
#define IN_THREE  .capacity = 2, .items = 3

const struct model_case model_shring_cases[] = {
	CORRECT("1 slot, one by one", both, 2, 1, .capacity = 1, .items = 3),
	CORRECT("2 slots by twos, in place", both, 2, 1, IN_THREE, .batch = 2, .in_place = true),
	CORRECT("4 slots by threes", both, 2, -1, .capacity = 4, .items = 5, .batch = 3),
	CORRECT("closed by the consumer", both, 2, 1, IN_THREE, .closes = true),
	CORRECT("asleep on futexes, one item", both, 2, 1, ONE_ITEM, .rest = FUTEX),
	CORRECT("asleep on futexes, left open", both, 2, 1, ONE_ITEM, .rest = FUTEX, .open = true),
	CORRECT("asleep on futexes", both, 0, -1, TWO_ITEMS, .rest = FUTEX),
	CORRECT("asleep on bells, one item", both, 2, 1, ONE_ITEM, .rest = BELL),
	CORRECT("asleep on bells, left open", both, 2, 1, ONE_ITEM, .rest = BELL, .open = true),
	CORRECT("asleep on bells", both, 0, -1, TWO_ITEMS, .rest = BELL),
	CORRECT("in loops, one item", both, 2, 1, ONE_ITEM, .rest = LOOP),
	CORRECT("in loops, left open", both, 2, 1, ONE_ITEM, .rest = LOOP, .open = true),
	CORRECT("in loops, rung by oneself", both, 2, 1, ONE_ITEM, .rest = LOOP, .open = true,
		.in_place = true, .rings = true),
	CORRECT("in loops with bells", both, 1, 0, TWO_ITEMS, .rest = LOOP),
	CORRECT("asleep on futexes, closed by the consumer", both, 1, 0, TWO_ITEMS, .rest = FUTEX,
		.closes = true),

	CORRECT("death of the producer, spinning", producer_dies, 2, 1, IN_THREE),
	CORRECT("death of the producer, futex", producer_dies, 1, 0, ONE_ITEM, .rest = FUTEX),
	CORRECT("death of the producer, loop", producer_dies, 1, 0, IN_TWO, .rest = LOOP),
	CORRECT("a producer's successor", producer_dies, 1, 0, IN_THREE, .succeeds = true),
	CORRECT("a producer's successor, loop", producer_dies, 1, 0, ONE_ITEM, .rest = LOOP,
		.succeeds = true),
	CORRECT("death of the consumer, spinning", consumer_dies, 2, 1, IN_THREE),
	CORRECT("death of the consumer, futex", consumer_dies, 0, -1, TWO_ITEMS, .rest = FUTEX),
	CORRECT("death of the consumer, loop", consumer_dies, 1, 0, TWO_ITEMS, .rest = LOOP),
	CORRECT("a consumer's successor", consumer_dies, 1, 0, IN_THREE, .succeeds = true),
	CORRECT("a consumer's successor, loop", consumer_dies, 0, -1, TWO_ITEMS, .rest = LOOP,
		.succeeds = true),

	RACES("publish is relaxed", "quoit_shring_publish", MODEL_STORE),
	RACES("arrived is relaxed", "quoit__shring_arrived", MODEL_LOAD),
	RACES("free is relaxed", "quoit__shring_free", MODEL_STORE),
	RACES("freed is relaxed", "quoit__shring_freed", MODEL_LOAD),
	BREAKS("close is relaxed", both, "not everything", "quoit_shring_close", MODEL_STORE,
	       MODEL_RELAXED, ONE_ITEM),
	BREAKS("closed is read relaxed", both, "not everything", "quoit_shring_is_closed",
	       MODEL_LOAD, MODEL_RELAXED, ONE_ITEM),
	DOZES("no fences (D-01)", "quoit__shring_fence", MODEL_FENCE, MODEL_DROPPED),
	DOZES("fences that only acquire and release", "quoit__shring_fence", MODEL_FENCE,
	      MODEL_ACQ_REL),
	DOZES("the sequence stays", "quoit__shring_stir", MODEL_ADD, MODEL_DROPPED),
	DOZES("the key is read relaxed", "quoit__shring_key", MODEL_LOAD, MODEL_RELAXED),
	RINGS("no fences, with bells", "no bell rings", "quoit__shring_fence", MODEL_FENCE,
	      MODEL_DROPPED, .batch = 1),
	RINGS("nobody looks for sleepers", "no bell rings", NULL, MODEL_LOAD, MODEL_RELAXED,
	      .flaw = SILENT),
	RINGS("sleepers are looked for first", "no bell rings", NULL, MODEL_LOAD, MODEL_RELAXED,
	      .flaw = FENCE_FIRST),
	RINGS("no look after arming", "not everything", NULL, MODEL_LOAD, MODEL_RELAXED,
	      .flaw = NO_LOOK),
	FLAWED("empty first, then closed", both, "not everything", ONE_ITEM, .flaw = CLOSED_LAST),
	FLAWED("empty first, then dead", producer_dies, "not all", IN_TWO, .flaw = DEATH_LAST),
	FLAWED("a successor sends again what was sent", producer_dies, "not all", IN_TWO,
	       .succeeds = true, .flaw = TWICE),
	FLAWED("a successor reads again what was read", consumer_dies, "not the next", IN_TWO,
	       .succeeds = true, .flaw = TWICE),
	{.target = NULL},
};
