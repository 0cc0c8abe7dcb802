/* SPDX-License-Identifier: MIT */
/*
 * shring_check.c - what somebody else's descriptor must be before a ring is seen in it.
 *
 * Nothing is mapped here. The identification is read by one read(2) into private memory, and only
 * that copy is looked at, then and ever after: what the peer writes into the shared one later is
 * his own affair (defects D-36, D-37).
 */
#include <quoit/rings/shring_internal.h>

#define TMPFS	  UINT64_C(0x01021994)
#define HUGETLBFS UINT64_C(0x958458f6)

/* --- options --------------------------------------------------------------------------------- */

static int check_sized(const struct quoit_shring_options *from, struct quoit_shring_options *o,
		       struct quoit_reason *why)
{
	const unsigned char *const bytes = (const unsigned char *)from;

	if (from->size < offsetof(struct quoit_shring_options, bits))
		return quoit_reason_set(why, -EINVAL,
					"options.size is %zu: set it to sizeof(struct "
					"quoit_shring_options)",
					from->size);
	for (size_t i = sizeof(*o); i < from->size; i++)
		if (bytes[i])
			return quoit_reason_set(why, -EINVAL,
						"the options ask for something that this library "
						"does not know: it is older than the program");
	memset(o, 0, sizeof(*o));
	memcpy(o, from, quoit_min(from->size, sizeof(*o)));
	return 0;
}

static int check_create(const struct quoit_shring_options *o, struct quoit_reason *why)
{
	if (!o->bits || o->bits > QUOIT_SHRING_BITS_MAX)
		return quoit_reason_set(why, -EINVAL, "bits are %u; they can be 1 to %d", o->bits,
					QUOIT_SHRING_BITS_MAX);
	if (o->node >= QUOIT_NODES_MAX || o->node < QUOIT_NODE_INTERLEAVE)
		return quoit_reason_set(why, -EINVAL, "node %d does not exist", o->node);
	return 0;
}

int quoit__shring_options(const struct quoit_shring_options *from, bool create,
			  struct quoit_shring_options *o, struct quoit_reason *why)
{
	const int rc = check_sized(from, o, why);

	if (rc)
		return rc;
	if (o->role != QUOIT_SHRING_PRODUCER && o->role != QUOIT_SHRING_CONSUMER)
		return quoit_reason_set(why, -EINVAL, "role %d is neither producer nor consumer",
					(int)o->role);
	if (!o->slot_align)
		o->slot_align = 1;
	if (o->slot_align > QUOIT_SHRING_ALIGN_MAX || (o->slot_align & (o->slot_align - 1)))
		return quoit_reason_set(why, -EINVAL,
					"an alignment of %zu is no power of two up to %d",
					o->slot_align, QUOIT_SHRING_ALIGN_MAX);
	if (!o->slot_bytes || o->slot_bytes > UINT32_MAX || o->slot_bytes % o->slot_align)
		return quoit_reason_set(why, -EINVAL,
					"items of %zu bytes, aligned to %zu, are not possible",
					o->slot_bytes, o->slot_align);
	if (o->hardened && o->trusted)
		return quoit_reason_set(why, -EINVAL,
					"a ring is either hardened or of trusted peers, not both");
	return create ? check_create(o, why) : 0;
}

/* --- the file -------------------------------------------------------------------------------- */

static int check_seals(int fd, int wanted, struct quoit_reason *why)
{
	const int seals = quoit__sys_seals(fd);

	if (seals < 0)
		return quoit_reason_set(why, seals == -EBADF ? seals : -ENOTSUP,
					"the descriptor is no file of memory (%s): pass the one of "
					"quoit_shring_fds() first",
					strerror(-seals));
	if ((seals & wanted) != wanted)
		return quoit_reason_set(why, -EUCLEAN,
					"the file has seals %#x and needs %#x too, or its owner "
					"could take it away under us: seal it before passing it",
					(unsigned)seals, (unsigned)(wanted & ~seals));
	return 0;
}

int quoit__shring_check_sealed(int fd, struct quoit_reason *why)
{
	return check_seals(fd, SHRING_SEALS, why);
}

int quoit__shring_check_file(int fd, size_t most_bytes, struct shring_size *size,
			     struct quoit_reason *why)
{
	struct stat status;
	uint64_t kind = 0;
	size_t page_bytes = 0;
	int rc = quoit__sys_status(fd, &status);

	if (rc)
		return quoit_reason_set(why, rc, "descriptor %d: %s", fd, strerror(-rc));
	rc = quoit__sys_file_system(fd, &kind, &page_bytes);
	if (rc || (kind != TMPFS && kind != HUGETLBFS))
		return quoit_reason_set(why, -ENOTSUP,
					"the file lies on a file system of kind %#llx, not in "
					"memory: pass a memfd",
					(unsigned long long)kind);
	if (!page_bytes || (uint64_t)status.st_size % page_bytes)
		return quoit_reason_set(why, -EUCLEAN,
					"the file has %lld bytes, which is no ring in whole pages",
					(long long)status.st_size);
	if ((uint64_t)status.st_size > most_bytes)
		return quoit_reason_set(why, -EFBIG,
					"the file has %lld bytes and %zu are allowed: raise "
					"options.most_bytes, or have a smaller ring made",
					(long long)status.st_size, most_bytes);
	size->bytes = (size_t)status.st_size;
	size->page_bytes = page_bytes;
	size->is_filled = (uint64_t)status.st_blocks * 512 >= (uint64_t)status.st_size;
	return 0;
}

/* --- the identification ---------------------------------------------------------------------- */

static int check_known(const struct quoit_shring_id *id, struct quoit_reason *why)
{
	if (id->magic != QUOIT_SHRING_MAGIC)
		return quoit_reason_set(why, -EPROTO,
					"the file does not begin as a ring of this machine's "
					"byte order does");
	if (id->version != QUOIT_SHRING_VERSION)
		return quoit_reason_set(why, -EPROTONOSUPPORT,
					"the ring is of version %u and this library of %d: use "
					"the same on both sides",
					id->version, QUOIT_SHRING_VERSION);
	if (id->flags & ~QUOIT_SHRING_FLAGS_KNOWN || id->zero)
		return quoit_reason_set(why, -EPROTONOSUPPORT,
					"the ring has flags %#x, of which this library knows %#x",
					id->flags, QUOIT_SHRING_FLAGS_KNOWN);
	if (id->part > QUOIT_SHRING_CONSUMER_PART ||
	    (id->part != QUOIT_SHRING_WHOLE) != ((id->flags & QUOIT_SHRING_FLAG_HARDENED) != 0))
		return quoit_reason_set(why, -EUCLEAN, "the ring is part %u of one with flags %#x",
					id->part, id->flags);
	return 0;
}

static bool shape_can_be(const struct quoit_shring_id *id)
{
	return id->header_size == QUOIT_SHRING_HEADER && id->bits >= 1 &&
	       id->bits <= QUOIT_SHRING_BITS_MAX && id->capacity == UINT64_C(1) << id->bits &&
	       id->mask == id->capacity - 1 && id->slot_bytes && id->slot_align &&
	       id->slot_align <= QUOIT_SHRING_ALIGN_MAX &&
	       !(id->slot_align & (id->slot_align - 1)) && id->slot_bytes % id->slot_align == 0;
}

/* The file is exactly as long as it says, and as its slots need, in whole pages. */
static int check_shape(const struct quoit_shring_id *id, const struct shring_size *size,
		       struct quoit_reason *why)
{
	size_t needed = QUOIT_SHRING_HEADER;

	if (!shape_can_be(id))
		return quoit_reason_set(why, -EUCLEAN,
					"the ring says bits %u, capacity %llu, mask %llu, items of "
					"%u bytes aligned to %u, header of %u: that cannot be",
					id->bits, (unsigned long long)id->capacity,
					(unsigned long long)id->mask, id->slot_bytes,
					id->slot_align, id->header_size);
	if (id->part != QUOIT_SHRING_CONSUMER_PART &&
	    quoit__shring_bytes(id->capacity, id->slot_bytes, &needed))
		needed = SIZE_MAX;
	if (id->total_size != size->bytes || needed > size->bytes ||
	    size->bytes - needed >= size->page_bytes)
		return quoit_reason_set(why, -EUCLEAN,
					"the ring says it has %llu bytes and needs %zu, but its "
					"file has %zu",
					(unsigned long long)id->total_size, needed, size->bytes);
	return 0;
}

int quoit__shring_check_id(int fd, const struct shring_size *size, struct quoit_shring_id *id,
			   struct quoit_reason *why)
{
	struct quoit_shring_id copy;
	const ssize_t got = quoit__sys_read_at(fd, &copy, sizeof(copy), 0);
	int rc;

	if (got != (ssize_t)sizeof(copy))
		return quoit_reason_set(why, got < 0 ? (int)got : -EUCLEAN,
					"the file's beginning cannot be read: %s",
					got < 0 ? strerror((int)-got) : "it is too short");
	rc = check_known(&copy, why);
	if (!rc)
		rc = check_shape(&copy, size, why);
	if (!rc)
		*id = copy;
	return rc;
}

/* Its owner alone fills a part: what is missing there would be ours to pay, or a SIGBUS. */
static int check_part(int fd, const struct shring_size *size, struct quoit_reason *why)
{
	const int rc = check_seals(fd, SHRING_SEALS_HARDENED, why);

	if (!rc && !size->is_filled)
		return quoit_reason_set(why, -EUCLEAN,
					"the peer's part has holes: fill it before sealing it");
	return rc;
}

int quoit__shring_check_wanted(int fd, const struct shring_size *size,
			       const struct quoit_shring_id *id,
			       const struct quoit_shring_options *o, struct quoit_reason *why)
{
	if (id->slot_bytes != o->slot_bytes || id->slot_align < o->slot_align)
		return quoit_reason_set(why, -EPROTO,
					"the ring has items of %u bytes aligned to %u, not of %zu "
					"aligned to %zu: use the same type on both sides",
					id->slot_bytes, id->slot_align, o->slot_bytes,
					o->slot_align);
	if (o->bits && id->bits != o->bits)
		return quoit_reason_set(why, -EPROTO, "the ring has %u bits, not %u", id->bits,
					o->bits);
	if (o->generation && id->generation != o->generation)
		return quoit_reason_set(why, -ESTALE,
					"the ring is of generation %u, not %u: it was begun anew, "
					"ask its owner again",
					id->generation, o->generation);
	if (o->hardened && id->part == QUOIT_SHRING_WHOLE)
		return quoit_reason_set(why, -EPROTO,
					"the ring is not hardened: its creator has to ask for it");
	if (id->part == QUOIT_SHRING_WHOLE)
		return 0;
	return check_part(fd, size, why);
}

/* --- bells ----------------------------------------------------------------------------------- */

/*
 * A semaphore gives 1 at each read: the peer would write once, and we would wake up for ever. What
 * was rung before stays rung.
 */
static bool is_semaphore(int bell)
{
	const uint64_t one = 1, two = 2;
	uint64_t was = 0;

	(void)quoit__sys_write(bell, &two, sizeof(two)); /* if it is full, that serves as well */
	if (quoit__sys_read_now(bell, &was, sizeof(was)) != sizeof(was))
		return false; /* whose bell it is has heard it */
	if (was != two)
		(void)quoit__sys_write(bell, &one, sizeof(one));
	return was == 1;
}

int quoit__shring_check_bell(int fd, struct quoit_reason *why)
{
	static const char eventfd[] = "anon_inode:[eventfd]";
	char path[40], text[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	(void)quoit__sys_read_link(path, text, sizeof(text) - 1);
	if (strcmp(text, eventfd) != 0)
		return quoit_reason_set(why, -EBADMSG,
					"a bell is no eventfd but '%s': pass those of "
					"quoit_shring_fds() in their order",
					text);
	if (quoit__sys_is_blocking(fd) != 0)
		return quoit_reason_set(why, -EBADMSG, "a bell is an eventfd that blocks");
	return 0;
}

int quoit__shring_check_counter(int bell, struct quoit_reason *why)
{
	return is_semaphore(bell) ? quoit_reason_set(why, -EBADMSG,
						     "a bell is an eventfd that counts down "
						     "(EFD_SEMAPHORE)")
				  : 0;
}
