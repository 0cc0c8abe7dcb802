/* SPDX-License-Identifier: MIT */
/*
 * hostile_live.c - a process that writes at full speed whatever it likes into the ring that we read
 * from or write to.
 *
 * Most of what it says could be, because a position that cannot be ends the ring at once; then we
 * attach again, while it goes on. What it changes in the identification it puts back a moment
 * later, so that a copy that is looked at twice would differ.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shared/hostile.h>

#define CAPACITY     (UINT64_C(1) << PLAY_BITS)
#define STUCK_AFTER  100000 /* attempts to attach, one after the other */
#define PRODUCES_ONE 4	    /* of so many turns */

/* --- the scribbler --------------------------------------------------------------------------- */

/* Forward, and never by more than there is. */
static void say_plausibly(struct random *random, struct quoit_shring_header *h)
{
	const uint64_t head = quoit_load(&h->head), tail = quoit_load(&h->tail);
	const uint64_t length = tail - head;

	if (length > CAPACITY)
		quoit_store(&h->tail, head);
	else
		quoit_store_release(&h->tail, tail + random_below(random, CAPACITY - length + 1));
	if (random_u64(random) % 2 && length <= CAPACITY)
		quoit_store_release(&h->head, head + random_below(random, length + 1));
}

static void change_for_a_moment(struct random *random, uint32_t *word, uint32_t value)
{
	const uint32_t before = quoit_load(word);

	quoit_store(word, value);
	for (uint64_t n = random_below(random, 200); n; n--)
		quoit_relax();
	quoit_store(word, before);
}

static void say_wildly(struct random *random, struct hostile_file *file)
{
	struct quoit_shring_header *const h = file->header;
	uint32_t *const words[] = {&h->id.bits,		 &h->id.slot_bytes,
				   &h->id.flags,	 (uint32_t *)(void *)&h->id.capacity,
				   &h->producer_closed,	 (uint32_t *)(void *)&h->id.mask,
				   &h->consumer_closed,	 &h->consumer_waiters,
				   &h->producer_waiters, &h->data_seq,
				   &h->space_seq,	 &h->id.generation};

	switch (random_below(random, 8)) {
	case 0:
		quoit_store(&h->tail, random_u64(random));
		break;
	case 1:
		quoit_store(&h->head, random_u64(random));
		break;
	case 2:
		(void)fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				(off_t)file->bytes);
		hostile_describe(file, PLAY_BITS, PLAY_SLOT);
		break;
	default:
		change_for_a_moment(random,
				    words[random_below(random, sizeof(words) / sizeof(words[0]))],
				    (uint32_t)random_u64(random));
	}
}

__attribute__((noreturn)) static void scribble(struct hostile_file *file, uint64_t seed)
{
	struct random random = {.state = seed};
	uint64_t *const slots = (uint64_t *)(void *)(file->header + 1);
	const uint64_t words = (file->bytes - sizeof(*file->header)) / sizeof(*slots);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (true) {
		const uint64_t dice = random_u64(&random);

		quoit_store(&slots[(dice >> 32) % words], dice);
		if (dice % 1024 == 0)
			say_wildly(&random, file);
		else if (dice % 4 == 0)
			say_plausibly(&random, file->header);
	}
}

/* --- we -------------------------------------------------------------------------------------- */

static struct quoit_shring *attach(struct hostile_file *file, enum quoit_shring_role role,
				   struct hostile_count *n)
{
	struct quoit_shring_options o = hostile_options(role);
	struct quoit_shring *ring = NULL;
	struct quoit_reason why = {0};
	unsigned tries = 0;

	o.trusted = true;
	while (quoit_shring_attach(&file->fd, 1, &o, &ring, &why)) {
		n->speechless += !why.text[0];
		play_expect(++tries < STUCK_AFTER, "a ring can be attached to now and then");
	}
	n->attached++;
	return ring;
}

static uint64_t receive_until_poisoned(struct quoit_shring *ring, struct tape *tape, uint64_t most,
				       uint64_t *items_received)
{
	char *const items = (char *)malloc(CAPACITY * PLAY_SLOT);
	uint64_t received = 0;

	play_expect(items != NULL, "there is memory");
	for (; received < most && !ring->error; received++) {
		const size_t want = 1 + tape_below(tape, CAPACITY);
		size_t n = 0;

		if (received % 64 == 63 && quoit_shring_readable(ring, &n)) {
			play_expect(n <= CAPACITY, "as many in place as the ring holds");
			quoit_shring_advance(ring, n);
			*items_received += n;
			continue;
		}
		n = quoit_shring_recv(ring, items, want);
		play_expect(n <= want, "no more is received than asked for");
		*items_received += n;
		if (received % 4096 == 0)
			(void)quoit_shring_status(ring);
	}
	free(items);
	return received;
}

static void send_until_poisoned(struct quoit_shring *ring, struct tape *tape)
{
	char *const items = (char *)calloc(CAPACITY, PLAY_SLOT);

	play_expect(items != NULL, "there is memory");
	for (unsigned sends = 0; sends < 20000 && !ring->error; sends++) {
		const size_t n = 1 + tape_below(tape, CAPACITY);

		play_expect(quoit_shring_send(ring, items, n) <= n, "no more is sent than given");
	}
	free(items);
}

void hostile_live(uint64_t receives, uint64_t seed, struct hostile_count *n)
{
	struct tape tape = {.random.state = seed + 1};
	struct hostile_file file;
	pid_t scribbler;

	hostile_open(&file, PLAY_BYTES, false);
	hostile_describe(&file, PLAY_BITS, PLAY_SLOT);
	(void)fflush(stdout);
	scribbler = fork();
	if (scribbler < 0)
		abort();
	if (!scribbler)
		scribble(&file, seed);
	for (uint64_t done = 0; done < receives;) {
		const bool produces = tape_below(&tape, PRODUCES_ONE) == 0;
		struct quoit_shring *const ring =
			attach(&file, produces ? QUOIT_SHRING_PRODUCER : QUOIT_SHRING_CONSUMER, n);

		if (produces)
			send_until_poisoned(ring, &tape);
		else
			done += receive_until_poisoned(ring, &tape, receives - done, &n->items);
		n->poisoned += ring->error != 0;
		n->speechless += ring->error && !quoit_shring_why(ring)->text[0];
		quoit_shring_destroy(ring);
	}
	n->receives += receives;
	(void)kill(scribbler, SIGKILL);
	(void)waitpid(scribbler, NULL, 0);
	hostile_close(&file);
}

/* --- planted --------------------------------------------------------------------------------- */

void hostile_live_believing(void)
{
	struct hostile_file file;
	volatile char *slots;
	uint64_t n;

	hostile_open(&file, PLAY_BYTES, false);
	hostile_describe(&file, PLAY_BITS, PLAY_SLOT);
	file.header->tail = 2 * CAPACITY;
	slots = (volatile char *)(file.header + 1);
	n = file.header->tail - file.header->head; /* and not looked at */
	for (uint64_t i = 0; i < n * PLAY_SLOT; i++)
		(void)slots[i];
	hostile_close(&file);
}
