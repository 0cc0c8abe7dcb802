/* SPDX-License-Identifier: MIT */
/* shring_create.c - a ring between processes from its creation to its end. Nothing here is hot. */
#include <quoit/rings/shring_internal.h>

#include <quoit/rings/shring_wait.h>

#define HOME_MAGIC 0x73687267u
#define HUGE_PAGE  (2 << 20) /* the largest that a small part usually is one of */

/* --- memory of our own ----------------------------------------------------------------------- */

static int open_region(size_t bytes, struct quoit_region *region, struct quoit_reason *why)
{
	const struct quoit_region_options place = {
		.bytes = bytes,
		.node = -1,
		.name = "quoit shring",
	};

	return quoit_region_open(region, &place, why);
}

/* A word that is 1 here and 0 in every child, whatever namespaces it was forked into. */
static int open_life(struct quoit_region *life, struct quoit_reason *why)
{
	const int rc = open_region(sizeof(uint32_t), life, why);

	if (rc)
		return rc;
	(void)quoit__sys_madvise(life->base, life->bytes, MADV_WIPEONFORK);
	*(uint32_t *)life->base = 1;
	return 0;
}

static int open_box(const struct quoit_shring_options *o, struct quoit_shring **ring,
		    struct quoit_reason *why)
{
	struct quoit_region region, life;
	struct shring_box *box;
	int rc = open_region(sizeof(struct shring_box), &region, why);

	if (rc)
		return rc;
	rc = open_life(&life, why);
	if (rc) {
		quoit_region_close(&region);
		return rc;
	}
	box = (struct shring_box *)quoit_region_take(&region, sizeof(*box), QUOIT_ISOLATION);
	box->region = region;
	box->life = life;
	box->ring.role = o->role;
	box->ring.home = (struct quoit_shring_home){
		.magic = HOME_MAGIC,
		.fd = -1,
		.claim = -1,
		.peer_part = -1,
		.bells = {-1, -1},
		.own_bell = -1,
		.is_ours = (const uint32_t *)life.base,
		.pidfd = -1,
	};
	*ring = &box->ring;
	return 0;
}

static void close_if(int fd)
{
	if (fd >= 0)
		quoit__sys_close(fd);
}

/* Undo whatever has been done, in any state. */
static void close_box(struct quoit_shring *ring)
{
	struct shring_box *const box = quoit_container_of(ring, struct shring_box, ring);
	struct quoit_shring_home *const home = &ring->home;
	struct quoit_region region = box->region, life = box->life; /* they lie inside */

	quoit__shring_disclaim(ring);
	if (home->own_map)
		quoit__sys_munmap(home->own_map, home->own_bytes);
	if (home->peer_map)
		quoit__sys_munmap((void *)(uintptr_t)home->peer_map, home->peer_bytes);
	close_if(home->fd);
	close_if(home->peer_part);
	close_if(home->bells[0]);
	close_if(home->bells[1]);
	close_if(home->own_bell);
	close_if(home->pidfd);
	home->magic = 0;
	quoit_region_close(&life);
	quoit_region_close(&region);
}

static struct quoit_shring_header *own_header(const struct quoit_shring *ring)
{
	return (struct quoit_shring_header *)ring->home.own_map;
}

static void set_shape(struct quoit_shring *ring, const struct quoit_shring_options *o)
{
	const struct quoit_shring_id *const id = &ring->home.id;
	const bool hardened = (id->flags & QUOIT_SHRING_FLAG_HARDENED) != 0;

	ring->mask = id->mask;
	ring->slot_bytes = id->slot_bytes;
	ring->flags = id->flags;
	ring->in_place = !hardened && (o->role == QUOIT_SHRING_PRODUCER || o->trusted);
}

static void set_owner(struct quoit_shring *ring, int pid)
{
	struct quoit_shring_header *const own = own_header(ring);

	quoit_store(ring->role == QUOIT_SHRING_PRODUCER ? &own->producer_owner
							: &own->consumer_owner,
		    (uint32_t)pid);
}

/* --- create ---------------------------------------------------------------------------------- */

static int make_bell(int *bell, struct quoit_reason *why)
{
	*bell = quoit__sys_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return *bell < 0 ? quoit_reason_set(why, *bell, "a bell: %s", strerror(-*bell)) : 0;
}

static int make_bells(struct quoit_shring *ring, struct quoit_reason *why)
{
	int rc = make_bell(&ring->home.own_bell, why);

	for (int i = 0; i < 2 && !rc; i++)
		rc = make_bell(&ring->home.bells[i], why);
	return rc;
}

static enum quoit_shring_part part_of(enum quoit_shring_role role)
{
	return role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_PRODUCER_PART
					     : QUOIT_SHRING_CONSUMER_PART;
}

/* What a new ring is; its size is known when its file is. */
static void describe(const struct quoit_shring_options *o, struct quoit_shring_id *id)
{
	*id = (struct quoit_shring_id){
		.magic = QUOIT_SHRING_MAGIC,
		.version = QUOIT_SHRING_VERSION,
		.bits = o->bits,
		.capacity = UINT64_C(1) << o->bits,
		.mask = (UINT64_C(1) << o->bits) - 1,
		.slot_bytes = (uint32_t)o->slot_bytes,
		.header_size = QUOIT_SHRING_HEADER,
		.creator_pid = (uint32_t)quoit__sys_getpid(),
		.generation = 1,
		.slot_align = (uint32_t)o->slot_align,
		.flags = (o->waits ? QUOIT_SHRING_FLAG_WAITS : 0) |
			 (o->bells ? QUOIT_SHRING_FLAG_BELLS : 0) |
			 (o->hardened ? QUOIT_SHRING_FLAG_HARDENED : 0),
		.part = o->hardened ? part_of(o->role) : QUOIT_SHRING_WHOLE,
	};
	/* Where the kernel has no numbers yet, both parts still agree on 0. */
	(void)quoit__sys_getrandom(&id->pair, sizeof(id->pair), GRND_NONBLOCK);
}

/* Our file, with its identification, sealed: after this it may be passed on. */
static int make_own(struct quoit_shring *ring, const struct quoit_shring_options *o,
		    struct quoit_reason *why)
{
	struct quoit_shring_id *const id = &ring->home.id;
	size_t bytes = QUOIT_SHRING_HEADER;
	int rc = 0;

	if (id->part != QUOIT_SHRING_CONSUMER_PART)
		rc = quoit__shring_bytes(id->capacity, id->slot_bytes, &bytes);
	if (rc)
		return quoit_reason_set(why, rc, "%llu items of %u bytes are too many",
					(unsigned long long)id->capacity, id->slot_bytes);
	rc = quoit__shring_make(ring, o, bytes, why);
	if (rc)
		return rc;
	id->total_size = ring->home.own_bytes;
	own_header(ring)->id = *id;
	rc = quoit__sys_add_seals(ring->home.fd, id->part == QUOIT_SHRING_WHOLE
							 ? SHRING_SEALS
							 : SHRING_SEALS_HARDENED);
	return rc ? quoit_reason_set(why, -EOPNOTSUPP, "the ring cannot be sealed (%s): %s",
				     o->hardened ? "hardened needs Linux 5.1" : "memfd",
				     strerror(-rc))
		  : 0;
}

static int create(struct quoit_shring *ring, const struct quoit_shring_options *o,
		  struct quoit_reason *why)
{
	int rc;

	describe(o, &ring->home.id);
	rc = make_own(ring, o, why);
	if (!rc)
		rc = quoit__shring_claim(ring, ring->home.fd, why);
	if (!rc && o->bells)
		rc = make_bells(ring, why);
	if (rc)
		return rc;
	ring->home.shared = own_header(ring);
	ring->slots = (char *)ring->home.own_map + QUOIT_SHRING_HEADER;
	set_shape(ring, o);
	quoit__shring_bind(ring, own_header(ring), o->hardened ? &ring->blank : own_header(ring), 0,
			   0);
	set_owner(ring, ring->home.pid);
	return 0;
}

int quoit_shring_create(const struct quoit_shring_options *options, struct quoit_shring **ring,
			struct quoit_reason *why)
{
	struct quoit_shring_options o;
	struct quoit_shring *made;
	int rc = quoit__shring_options(options, true, &o, why);

	if (!rc)
		rc = open_box(&o, &made, why);
	if (rc)
		return rc;
	rc = create(made, &o, why);
	if (rc) {
		close_box(made);
		return rc;
	}
	*ring = made;
	return 0;
}

/* --- attach ---------------------------------------------------------------------------------- */

static int take_bells(struct quoit_shring *ring, const int *fds, size_t fd_count,
		      struct quoit_reason *why)
{
	const size_t wanted = ring->home.id.flags & QUOIT_SHRING_FLAG_BELLS ? 3 : 1;

	if (fd_count != wanted)
		return quoit_reason_set(why, -EBADMSG,
					"the ring comes with %zu descriptors and %zu were passed: "
					"pass all of quoit_shring_fds()",
					wanted, fd_count);
	for (size_t i = 1; i < wanted; i++) {
		int rc = quoit__shring_check_bell(fds[i], why);

		if (rc)
			return rc;
		rc = quoit__sys_duplicate(fds[i]);
		if (rc < 0)
			return quoit_reason_set(why, rc, "a bell: %s", strerror(-rc));
		ring->home.bells[i - 1] = rc;
	}
	return wanted > 1 ? make_bell(&ring->home.own_bell, why) : 0;
}

/* That rings them, so we have the role by now: who looks then must not find it free. */
static int try_bells(struct quoit_shring *ring, struct quoit_reason *why)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++)
		rc = quoit__shring_check_counter(ring->home.bells[i], why);
	return rc;
}

/*
 * Go on where the role was left. Only our own position is taken from there, once; that the other
 * one fits to it is all that can be known.
 */
static int resume(struct quoit_shring *ring, struct quoit_reason *why)
{
	struct quoit_shring_header *const own = own_header(ring);
	const uint64_t head = quoit__shring_head(own), tail = quoit__shring_tail(own);
	const bool produces = ring->role == QUOIT_SHRING_PRODUCER;

	if (quoit_load(&own->id.generation) != ring->home.id.generation)
		return quoit_reason_set(why, -ESTALE,
					"the ring was begun anew meanwhile: ask "
					"its owner again");
	if (tail - head > ring->home.id.capacity)
		return quoit_reason_set(why, -EUCLEAN,
					"the ring's positions cannot be: tail %llu, head %llu, "
					"capacity %llu",
					(unsigned long long)tail, (unsigned long long)head,
					(unsigned long long)ring->home.id.capacity);
	if (quoit_load(&own->consumer_closed) || (produces && quoit_load(&own->producer_closed)))
		return quoit_reason_set(why, -ESHUTDOWN,
					"the ring was closed: whoever has its other role may "
					"begin it anew (quoit_shring_reset)");
	quoit__shring_bind(ring, own, own, produces ? tail : head, produces ? head : tail);
	return 0;
}

static int attach_whole(struct quoit_shring *ring, const struct quoit_shring_options *o,
			struct quoit_reason *why)
{
	const size_t bytes = ring->home.id.total_size;
	void *map;
	int rc = quoit__shring_claim(ring, ring->home.fd, why);

	if (!rc)
		rc = quoit__shring_map(ring, ring->home.fd, bytes, true, o, &map, why);
	if (rc)
		return rc;
	ring->home.own_map = map;
	ring->home.own_bytes = bytes;
	ring->home.shared = own_header(ring);
	ring->slots = (char *)map + QUOIT_SHRING_HEADER;
	return resume(ring, why);
}

/* The other side's file, to be read only. */
static int map_peer(struct quoit_shring *ring, int fd, size_t bytes,
		    const struct quoit_shring_options *o, struct quoit_reason *why)
{
	void *map;
	const int rc = quoit__shring_map(ring, fd, bytes, false, o, &map, why);

	if (rc)
		return rc;
	ring->home.peer_map = map;
	ring->home.peer_bytes = bytes;
	if (ring->role == QUOIT_SHRING_CONSUMER)
		ring->slots = (char *)map + QUOIT_SHRING_HEADER;
	return 0;
}

static size_t most_bytes(const struct quoit_shring_options *o)
{
	return o->most_bytes ? o->most_bytes : QUOIT_SHRING_MOST_BYTES;
}

/* The slots of our own part are as many as the peer says: it must not take all memory by that. */
static int check_own_size(const struct quoit_shring *ring, const struct quoit_shring_options *o,
			  struct quoit_reason *why)
{
	const struct quoit_shring_id *const id = &ring->home.id;
	size_t bytes = 0;

	if (ring->role == QUOIT_SHRING_CONSUMER ||
	    (!quoit__shring_bytes(id->capacity, id->slot_bytes, &bytes) && bytes <= most_bytes(o)))
		return 0;
	return quoit_reason_set(why, -EFBIG,
				"our part would have %llu items of %u bytes, and %zu bytes are "
				"allowed: raise options.most_bytes, or have a smaller ring made",
				(unsigned long long)id->capacity, id->slot_bytes, most_bytes(o));
}

/* We have been given the other side's part: make ours, which is to be passed back. */
static int attach_part(struct quoit_shring *ring, const struct quoit_shring_options *o,
		       struct quoit_reason *why)
{
	struct quoit_shring_id *const id = &ring->home.id;
	const int given = ring->home.fd;
	int rc;

	if (id->part == (uint32_t)part_of(ring->role))
		return quoit_reason_set(why, -EBUSY,
					"the ring's creator is its %s: take the other role",
					quoit__shring_role_name(ring->role));
	ring->home.fd = -1;
	ring->home.peer_part = given;
	rc = check_own_size(ring, o, why);
	if (!rc)
		rc = quoit__shring_claim(ring, given, why);
	if (!rc)
		rc = map_peer(ring, given, id->total_size, o, why);
	if (rc)
		return rc;
	ring->home.shared = (const struct quoit_shring_header *)ring->home.peer_map;
	id->part = (uint32_t)part_of(ring->role);
	rc = make_own(ring, o, why);
	if (rc)
		return rc;
	if (ring->role == QUOIT_SHRING_PRODUCER)
		ring->slots = (char *)ring->home.own_map + QUOIT_SHRING_HEADER;
	quoit__shring_bind(ring, own_header(ring), ring->home.shared, 0, 0);
	return 0;
}

static int attach(struct quoit_shring *ring, const int *fds, size_t fd_count,
		  const struct quoit_shring_options *o, struct quoit_reason *why)
{
	struct shring_size size;
	int rc = quoit__shring_check_sealed(fds[0], why);

	if (rc)
		return rc;
	rc = quoit__sys_duplicate(fds[0]);
	if (rc < 0)
		return quoit_reason_set(why, rc, "the ring's descriptor: %s", strerror(-rc));
	ring->home.fd = rc;
	rc = quoit__shring_check_file(ring->home.fd, most_bytes(o), &size, why);
	if (!rc)
		rc = quoit__shring_check_id(ring->home.fd, &size, &ring->home.id, why);
	if (!rc)
		rc = quoit__shring_check_wanted(ring->home.fd, &size, &ring->home.id, o, why);
	if (!rc)
		rc = take_bells(ring, fds, fd_count, why);
	if (rc)
		return rc;
	set_shape(ring, o);
	rc = ring->home.id.part == QUOIT_SHRING_WHOLE ? attach_whole(ring, o, why)
						      : attach_part(ring, o, why);
	if (!rc && (ring->flags & QUOIT_SHRING_FLAG_BELLS))
		rc = try_bells(ring, why);
	if (rc)
		return rc;
	set_owner(ring, ring->home.pid);
	quoit_shring_beat(ring); /* what the last owner left may be stale already: this is not */
	return 0;
}

int quoit_shring_attach(const int *fds, size_t fd_count, const struct quoit_shring_options *options,
			struct quoit_shring **ring, struct quoit_reason *why)
{
	struct quoit_shring_options o;
	struct quoit_shring *made;
	int rc = quoit__shring_options(options, false, &o, why);

	if (!rc && !fd_count)
		rc = quoit_reason_set(why, -EBADMSG, "no descriptor was passed");
	if (!rc)
		rc = open_box(&o, &made, why);
	if (rc)
		return rc;
	rc = attach(made, fds, fd_count, &o, why);
	if (rc) {
		close_box(made);
		return rc;
	}
	*ring = made;
	return 0;
}

/* --- join ------------------------------------------------------------------------------------ */

/* Is it the other part of this very ring? */
static int check_pair(const struct quoit_shring *ring, const struct quoit_shring_id *id,
		      struct quoit_reason *why)
{
	const struct quoit_shring_id *const own = &ring->home.id;

	/* Its items are known to be of our size. */
	if (id->pair == own->pair && id->bits == own->bits && id->slot_align == own->slot_align &&
	    id->flags == own->flags && id->generation == own->generation &&
	    id->part == (uint32_t)part_of(quoit__shring_other(ring->role)))
		return 0;
	return quoit_reason_set(why, -EPROTO,
				"the file is not the %s's part of this ring: pass back "
				"quoit_shring_fd() of whoever attached to it",
				quoit__shring_role_name(quoit__shring_other(ring->role)));
}

/* What the other part needs, in pages of which we know no more than that ours may be as large. */
static size_t most_bytes_of_part(const struct quoit_shring *ring)
{
	const struct quoit_shring_id *const id = &ring->home.id;
	size_t bytes = QUOIT_SHRING_HEADER;

	if (ring->role == QUOIT_SHRING_CONSUMER) /* it was created with so many: they can be */
		(void)quoit__shring_bytes(id->capacity, id->slot_bytes, &bytes);
	return bytes + quoit_max(ring->home.own_bytes, (size_t)HUGE_PAGE);
}

int quoit_shring_join(struct quoit_shring *ring, int fd, struct quoit_reason *why)
{
	const struct quoit_shring_options o = {
		.slot_bytes = ring->slot_bytes,
		.hardened = true,
	};
	struct quoit_shring_id id;
	struct shring_size size;
	int rc, part;

	if (!(ring->flags & QUOIT_SHRING_FLAG_HARDENED) || ring->home.peer_map)
		return quoit_reason_set(why, -EINVAL,
					"only the creator of a hardened ring joins, and once");
	rc = quoit__shring_check_sealed(fd, why);
	if (rc)
		return rc;
	part = quoit__sys_duplicate(fd);
	if (part < 0)
		return quoit_reason_set(why, part, "the peer's part: %s", strerror(-part));
	rc = quoit__shring_check_file(part, most_bytes_of_part(ring), &size, why);
	if (!rc)
		rc = quoit__shring_check_id(part, &size, &id, why);
	if (!rc)
		rc = quoit__shring_check_wanted(part, &size, &id, &o, why);
	if (!rc)
		rc = check_pair(ring, &id, why);
	if (!rc)
		rc = map_peer(ring, part, size.bytes, &o, why);
	if (rc) {
		quoit__sys_close(part);
		return rc;
	}
	ring->home.peer_part = part;
	quoit__shring_bind_peer(ring, (const struct quoit_shring_header *)ring->home.peer_map);
	return 0;
}

/* --- the rest -------------------------------------------------------------------------------- */

void quoit_shring_destroy(struct quoit_shring *ring)
{
	if (!ring)
		return;
	QUOIT_ASSERT(ring->home.magic == HOME_MAGIC);
	if (quoit__shring_is_ours(ring)) {
		/* The name stays: it tells that we were there. Whoever looks asks the kernel, too.
		 */
		quoit__shring_disclaim(ring);
		quoit__shring_stir(ring, QUOIT_SHRING_ASLEEP); /* so that it sees us gone */
	}
	close_box(ring);
}

/* Whoever comes next is another: nothing that was known of the last one is about him. */
static void forget_peer(struct quoit_shring *ring)
{
	uint64_t bells;

	close_if(ring->home.pidfd);
	ring->home.pidfd = -1;
	ring->home.beat_seen_ns = 0;
	ring->home.met = false;
	/* The close that it told of is over. Without bells it is -1, and nothing is read. */
	(void)quoit__sys_read_now(ring->home.own_bell, &bells, sizeof(bells));
}

/* Nobody has the other role, and nobody can take it now. */
static void begin_anew(struct quoit_shring *ring)
{
	struct quoit_shring_header *const own = own_header(ring);
	const uint64_t at = quoit_load(&own->tail);

	ring->home.id.generation++;
	quoit__shring_empty(own, at, ring->home.id.generation);
	quoit_store(&ring->closed, 0u);
	ring->leased = 0;
	ring->error = 0;
	ring->why = (struct quoit_reason){0};
	ring->mine = ring->published = ring->owned = ring->seen = at;
	ring->peer_index = ring->role == QUOIT_SHRING_PRODUCER ? &own->head : &own->tail;
	forget_peer(ring);
	set_owner(ring, ring->home.pid);
}

int quoit_shring_reset(struct quoit_shring *ring, struct quoit_reason *why)
{
	const enum quoit_shring_role other = quoit__shring_other(ring->role);
	int rc;

	if (ring->flags & QUOIT_SHRING_FLAG_HARDENED)
		return quoit_reason_set(why, -EOPNOTSUPP,
					"a hardened ring cannot begin anew, because nobody can "
					"write to both parts: make another");
	rc = quoit__sys_lock_byte(ring->home.claim, quoit__shring_lock_at(other), F_WRLCK);
	if (rc)
		return quoit_reason_set(why, rc == -EAGAIN || rc == -EACCES ? -EBUSY : rc,
					"the ring has a %s that lives: end it first",
					quoit__shring_role_name(other));
	begin_anew(ring);
	(void)quoit__sys_lock_byte(ring->home.claim, quoit__shring_lock_at(other), F_UNLCK);
	return 0;
}

size_t quoit_shring_fds(const struct quoit_shring *ring, int *fds)
{
	fds[0] = ring->home.fd;
	if (!(ring->flags & QUOIT_SHRING_FLAG_BELLS))
		return 1;
	fds[1] = ring->home.bells[0];
	fds[2] = ring->home.bells[1];
	return 3;
}
