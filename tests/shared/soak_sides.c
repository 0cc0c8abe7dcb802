/* SPDX-License-Identifier: MIT */
/*
 * soak_sides.c - the two processes: one makes the ring and sends, one is given it and receives.
 *
 * Descriptors go with a hello over a socket; of a hardened ring the consumer's part comes back.
 */
#include <errno.h>
#include <unistd.h>

#include <quoit/io/hello.h>
#include <quoit/io/peer.h>

#include <shared/soak.h>

#define PATIENCE_NS INT64_C(30000000000)

__attribute__((noreturn)) static void give_up(const struct soak_side *side, const char *why)
{
	printf("note: %s: %s\n", side->run->way->name, why);
	(void)fflush(stdout);
	_exit(1);
}

/* --- meeting --------------------------------------------------------------------------------- */

static struct quoit_shring_options options(const struct soak_side *side,
					   enum quoit_shring_role role)
{
	const struct soak_way *const way = side->run->way;
	const struct quoit_shring_options o = {
		.size = sizeof(o),
		.role = role,
		.bits = SOAK_BITS,
		.node = QUOIT_NODE_AUTO,
		.waits = way->waits,
		.bells = way->bells,
		.hardened = way->hardened,
		.trusted = !way->hardened,
	};

	return o;
}

static void send_ring(struct soak_side *side, uint32_t role)
{
	struct quoit_hello hello = quoit_hello_make();
	struct quoit_reason why = {0};
	int fds[QUOIT_SHRING_FDS];

	hello.element_bytes = sizeof(uint64_t);
	hello.generation = quoit_shring_generation(&side->q->ring);
	hello.role = role;
	hello.fd_count = (uint32_t)quoit_shring_fds(&side->q->ring, fds);
	if (role == QUOIT_SHRING_PRODUCER) { /* only our part goes back */
		hello.fd_count = 1;
		fds[0] = quoit_shring_fd(&side->q->ring);
	}
	if (quoit_hello_send(side->sock, &hello, fds, quoit_deadline_ns(PATIENCE_NS), &why))
		give_up(side, why.text);
}

/* Gives how many descriptors came. */
static size_t receive_ring(struct soak_side *side, uint32_t role, int *fds)
{
	const struct quoit_hello_wanted wanted = {
		.element_bytes = sizeof(uint64_t),
		.roles = UINT32_C(1) << role,
		.fds_least = 1,
		.fds_most = QUOIT_SHRING_FDS,
	};
	struct quoit_reason why = {0};
	struct quoit_hello hello;

	if (quoit_hello_recv(side->sock, &hello, fds, &wanted, quoit_deadline_ns(PATIENCE_NS),
			     &why))
		give_up(side, why.text);
	return hello.fd_count;
}

static void watch_peer(struct soak_side *side)
{
	struct quoit_reason why = {0};
	const int pidfd = quoit_peer_pidfd(side->sock, NULL, &why);

	/* Of a pair that a third process made, it is that one: as good, for this. */
	if (pidfd < 0 || quoit_shring_set_peer(&side->q->ring, pidfd))
		give_up(side, why.text);
	(void)close(pidfd);
}

static void make(struct soak_side *side)
{
	const struct quoit_shring_options o = options(side, QUOIT_SHRING_PRODUCER);
	struct quoit_reason why = {0};
	int part[QUOIT_SHRING_FDS];

	if (words_create(&o, &side->q, &why))
		give_up(side, why.text);
	send_ring(side, QUOIT_SHRING_CONSUMER);
	if (side->run->way->hardened) {
		(void)receive_ring(side, QUOIT_SHRING_PRODUCER, part);
		if (quoit_shring_join(&side->q->ring, part[0], &why))
			give_up(side, why.text);
		(void)close(part[0]);
	}
	if (side->run->way->bells)
		watch_peer(side);
}

static void take(struct soak_side *side)
{
	const struct quoit_shring_options o = options(side, QUOIT_SHRING_CONSUMER);
	struct quoit_reason why = {0};
	int fds[QUOIT_SHRING_FDS];
	const size_t n = receive_ring(side, QUOIT_SHRING_CONSUMER, fds);

	if (words_attach(fds, n, &o, &side->q, &why))
		give_up(side, why.text);
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	if (side->run->way->hardened)
		send_ring(side, QUOIT_SHRING_PRODUCER);
	if (side->run->way->bells)
		watch_peer(side);
}

/* --- ways ------------------------------------------------------------------------------------ */

static size_t send_one_by_one(struct soak_side *side, const uint64_t *words, size_t n)
{
	size_t sent = 0;

	while (sent < n && words_send_one(side->q, &words[sent]))
		sent++;
	return sent;
}

static size_t receive_one_by_one(struct soak_side *side, uint64_t *words, size_t most)
{
	size_t n = 0;

	while (n < most && words_recv_one(side->q, &words[n]))
		n++;
	return n;
}

static size_t send_batch(struct soak_side *side, const uint64_t *words, size_t n)
{
	return words_send(side->q, words, n);
}

static size_t receive_batch(struct soak_side *side, uint64_t *words, size_t most)
{
	return words_recv(side->q, words, most);
}

static size_t send_in_place(struct soak_side *side, const uint64_t *words, size_t n)
{
	size_t granted = 0;
	uint64_t *const to = words_reserve(side->q, n, &granted);

	if (!to)
		return send_one_by_one(side, words, 1);
	if (random_u64(&side->random) % 8 == 0)
		granted = 1 + granted / 2;
	memcpy(to, words, granted * sizeof(*to));
	words_commit(side->q, granted);
	return granted;
}

static size_t receive_in_place(struct soak_side *side, uint64_t *words, size_t most)
{
	size_t n = 0;
	const uint64_t *const from = words_readable(side->q, &n);

	if (!from)
		return 0;
	n = quoit_min(n, most);
	memcpy(words, from, n * sizeof(*words));
	words_advance(side->q, n);
	return n;
}

static const struct quoit_wait until_woken = {.kind = QUOIT_WAIT_PHASED, .spins = 100};

static size_t send_or_sleep(struct soak_side *side, const uint64_t *words, size_t n)
{
	const int rc = words_send_wait(side->q, words, n, &until_woken);

	if (rc)
		give_up(side, strerror(-rc));
	return n;
}

static size_t receive_or_sleep(struct soak_side *side, uint64_t *words, size_t most)
{
	size_t n = 0;
	const int rc = words_recv_wait(side->q, words, most, &until_woken, &n);

	return rc ? 0 : n;
}

const struct soak_way soak_ways[] = {
	{.name = "one by one", .send = send_one_by_one, .receive = receive_one_by_one},
	{.name = "in batches", .send = send_batch, .receive = receive_batch},
	{.name = "in place", .send = send_in_place, .receive = receive_in_place},
	{.name = "asleep on a futex",
	 .waits = true,
	 .send = send_or_sleep,
	 .receive = receive_or_sleep},
	{.name = "asleep on a bell",
	 .bells = true,
	 .send = send_or_sleep,
	 .receive = receive_or_sleep},
	{.name = "hardened", .hardened = true, .send = send_batch, .receive = receive_batch},
	{.name = "hardened, asleep on a futex",
	 .waits = true,
	 .hardened = true,
	 .send = send_or_sleep,
	 .receive = receive_or_sleep},
	{.name = NULL},
};

/* --- the sides ------------------------------------------------------------------------------- */

/* Mostly a few, often one, now and then as many as go in a batch. */
static size_t amount(struct random *random)
{
	const uint64_t dice = random_u64(random);

	return 1 + (size_t)(dice >> 8) % (size_t)(UINT64_C(1) << dice % 10);
}

/* The messages from `number` on; with a fault, one of them is not what it should be. */
static size_t make_words(struct soak_side *side, uint64_t *words, uint64_t number, size_t n)
{
	/* From the middle on, in the first batch that has room for it. */
	const uint64_t at = quoit_max(side->run->count / 2, number);

	for (size_t i = 0; i < n; i++)
		words[i] = soak_word(number + i);
	if (quoit_likely(!side->run->fault) || at + 1 >= number + n)
		return n;
	switch (side->run->fault) {
	case SOAK_LOSE:
		memmove(&words[at - number], &words[at - number + 1],
			(size_t)(number + n - at - 1) * sizeof(*words));
		side->run->fault = SOAK_SOUND; /* ours: a process of its own */
		return n - 1;
	case SOAK_SWAP:
		words[at - number] = soak_word(at + 1);
		words[at - number + 1] = soak_word(at);
		side->run->fault = SOAK_SOUND;
		return n;
	default:
		side->run->fault = SOAK_SOUND;
		(void)memmove(&words[at - number + 1], &words[at - number],
			      (size_t)(number + n - at) * sizeof(*words));
		return n + 1;
	}
}

void soak_produce(struct soak_side *side)
{
	uint64_t words[SOAK_BATCH + 1], next = 0;

	make(side);
	while (next < side->run->count) {
		/* A fault needs two in one batch. */
		const size_t drawn = amount(&side->random) + (side->run->fault ? 8 : 0);
		const size_t take =
			quoit_min(quoit_min(drawn, SOAK_BATCH), side->run->count - next);
		const size_t n = make_words(side, words, next, take);

		for (size_t sent = 0; sent < n;) {
			const size_t some = side->run->way->send(side, words + sent, n - sent);

			sent += some;
			if (some)
				soak_pause(side, some);
			else
				(void)sched_yield();
		}
		next += take;
	}
	quoit_shring_close(&side->q->ring);
	side->run->verdict->wakes = side->q->ring.bells_rung;
	words_destroy(side->q);
}

void soak_consume(struct soak_side *side)
{
	struct soak_verdict *const v = side->run->verdict;
	uint64_t words[SOAK_BATCH];

	take(side);
	while (true) {
		/* Closed first: what was published before that is then seen. */
		const bool closed = quoit_shring_is_closed(&side->q->ring);
		const size_t most = quoit_min(amount(&side->random), SOAK_BATCH);
		const size_t n = side->run->way->receive(side, words, most);

		soak_judge(v, words, n);
		if (n)
			soak_pause(side, n);
		else if (closed)
			break;
		else
			(void)sched_yield();
	}
	if (quoit_shring_status(&side->q->ring))
		give_up(side, quoit_shring_why(&side->q->ring)->text);
	words_destroy(side->q);
}
