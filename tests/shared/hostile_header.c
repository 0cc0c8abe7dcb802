/* SPDX-License-Identifier: MIT */
/*
 * hostile_header.c - rings that are none, and some that are, attached to; then a peer's stores in
 * those that were accepted.
 *
 * Beside attach stands a judge that knows the layout by heart and looks at everything again, one
 * condition after the other. They must agree, in both directions.
 */
#include <errno.h>

#include <shared/hostile.h>

#define CALLS 12
#define FILES 4

static bool id_is_sound(const struct quoit_shring_id *id, const struct hostile_file *file)
{
	const uint64_t page = 4096;
	const bool is_part = (id->flags & QUOIT_SHRING_FLAG_HARDENED) != 0;
	unsigned __int128 needed = 512;

	if (id->magic != 0x32474e52534f5551u || id->version != 2 || id->zero)
		return false;
	if (id->flags > 7 || id->part > 2 || is_part != (id->part != 0))
		return false;
	if (id->bits < 1 || id->bits > 31 || id->capacity != (uint64_t)1 << id->bits)
		return false;
	if (id->mask != id->capacity - 1 || id->header_size != 512)
		return false;
	if (id->slot_align < 8 || id->slot_align > 512 || id->slot_align & (id->slot_align - 1))
		return false;
	if (id->slot_bytes != PLAY_SLOT || id->slot_bytes % id->slot_align)
		return false;
	if (id->part != QUOIT_SHRING_CONSUMER_PART)
		needed += (unsigned __int128)id->capacity * id->slot_bytes;
	return id->total_size == file->bytes && needed <= file->bytes &&
	       needed > file->bytes - page;
}

/* May we attach to this with that role, and with nothing but the file? */
static bool is_sound(const struct hostile_file *file, enum quoit_shring_role role)
{
	const struct quoit_shring_header *const h = file->header;
	const bool produces = role == QUOIT_SHRING_PRODUCER;

	if (!id_is_sound(&h->id, file) || h->id.flags & QUOIT_SHRING_FLAG_BELLS)
		return false;
	if (h->id.part) /* and then a part of our own is made, of as many slots as it says */
		return file->hardened && h->id.part == (produces ? 2 : 1) &&
		       (!produces || h->id.capacity * PLAY_SLOT + 512 <= HOSTILE_MOST);
	/* Who shall write to it must be able to. */
	return !file->hardened && h->tail - h->head <= h->id.capacity && !h->consumer_closed &&
	       !(produces && h->producer_closed);
}

static void spoil_id(struct tape *tape, struct quoit_shring_id *id)
{
	unsigned char *const bytes = (unsigned char *)id;
	uint32_t *const words[] = {&id->version,    &id->bits,	      &id->slot_bytes,
				   &id->generation, &id->header_size, &id->slot_align,
				   &id->flags,	    &id->part,	      &id->zero};
	uint64_t *const longs[] = {&id->magic, &id->capacity, &id->mask, &id->total_size,
				   &id->pair};

	switch (tape_below(tape, 4)) {
	case 0:
		*words[tape_below(tape, 9)] = (uint32_t)tape_awkward(tape);
		break;
	case 1:
		*longs[tape_below(tape, 5)] = tape_awkward(tape);
		break;
	case 2: /* all that hang together */
		id->bits = (uint32_t)tape_below(tape, 34);
		id->capacity = UINT64_C(1) << id->bits;
		id->mask = id->capacity - 1;
		break;
	default:
		bytes[tape_below(tape, sizeof(*id))] ^= (uint8_t)(1u << tape_below(tape, 8));
	}
}

static void spoil(struct tape *tape, struct quoit_shring_header *h)
{
	const uint64_t at = tape_awkward(tape);

	h->head = at;
	h->tail = at + (tape_below(tape, 3) ? tape_below(tape, 65) : tape_awkward(tape));
	for (uint64_t n = tape_below(tape, 4); n; n--)
		spoil_id(tape, &h->id);
	if (!tape_below(tape, 8))
		h->consumer_closed = (uint32_t)tape_awkward(tape);
	if (!tape_below(tape, 8))
		h->producer_closed = (uint32_t)tape_awkward(tape);
	h->consumer_waiters = (uint32_t)tape_awkward(tape);
	h->producer_waiters = (uint32_t)tape_awkward(tape);
}

static void try_one(struct tape *tape, struct hostile_file *file, hostile_attach attach,
		    struct hostile_count *n)
{
	struct quoit_shring_options o = hostile_options(
		tape_below(tape, 2) ? QUOIT_SHRING_PRODUCER : QUOIT_SHRING_CONSUMER);
	struct quoit_shring *ring = NULL;
	struct quoit_reason why = {0};
	bool sound;
	int rc;

	hostile_describe(file, PLAY_BITS, PLAY_SLOT);
	if (file->hardened && o.role == QUOIT_SHRING_PRODUCER)
		file->header->id.part = QUOIT_SHRING_CONSUMER_PART;
	spoil(tape, file->header);
	o.trusted = !file->hardened && tape_below(tape, 2);
	sound = is_sound(file, o.role);
	rc = attach(&file->fd, 1, &o, &ring, &why);
	n->headers++;
	n->accepted += !rc;
	n->accepted_bad += !rc && !sound;
	n->refused_good += rc && sound;
	n->speechless += rc && (why.error != rc || !why.text[0]);
	if (rc && sound)
		printf("note: refused although it is sound: %s\n", why.text);
	if (rc || !ring)
		return;
	play(tape, ring, file->header, CALLS);
	quoit_shring_destroy(ring);
}

void hostile_headers(uint64_t count, uint64_t seed, hostile_attach attach, struct hostile_count *n)
{
	struct hostile_file files[FILES];
	struct tape tape = {.random.state = seed};

	hostile_open(&files[0], PLAY_BYTES, false);
	hostile_open(&files[1], PLAY_BYTES, false);
	hostile_open(&files[2], PLAY_BYTES, true);
	hostile_open(&files[3], 4 * PLAY_BYTES, false);
	while (count--)
		try_one(&tape, &files[tape_below(&tape, FILES)], attach, n);
	for (int i = 0; i < FILES; i++)
		hostile_close(&files[i]);
}

int hostile_attach_blindly(const int *fds, size_t fd_count,
			   const struct quoit_shring_options *options, struct quoit_shring **ring,
			   struct quoit_reason *why)
{
	const int rc = quoit_shring_attach(fds, fd_count, options, ring, why);

	return rc == -EUCLEAN ? 0 : rc;
}
