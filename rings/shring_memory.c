/* SPDX-License-Identifier: MIT */
/*
 * shring_memory.c - the file behind a ring between processes: made, filled, placed and mapped.
 *
 * In this order: a page stays where it was first touched, so the policy comes before the fill. The
 * fill comes before anybody uses it, because a file of memory that is full raises SIGBUS in whoever
 * touches a page that is not there (defects D-37, D-45). Sealing is the creator's, and comes last.
 */
#include <quoit/rings/shring_internal.h>

#define FILE_NAME "quoit shring" /* in /proc/PID/maps and /proc/PID/fd */

int quoit__shring_bytes(uint64_t capacity, uint64_t slot_bytes, size_t *bytes)
{
	size_t slots;

	if (__builtin_mul_overflow(capacity, slot_bytes, &slots) ||
	    __builtin_add_overflow(slots, QUOIT_SHRING_HEADER, bytes) || *bytes > INT64_MAX / 2)
		return -EOVERFLOW;
	return 0;
}

/* What fell short is told, and refused where that was asked for. */
static int fall_short(struct quoit_shring *ring, const struct quoit_shring_options *o,
		      enum quoit_shring_shortfall what, int error, struct quoit_reason *why,
		      const char *text)
{
	ring->degraded |= (unsigned)what;
	quoit_reason_set(why, error, "%s: %s", text, strerror(-error));
	return o->require ? error : 0;
}

static int open_file(bool huge_pages, struct quoit_reason *why)
{
	const unsigned huge = huge_pages ? MFD_HUGETLB : 0;
	int fd = quoit__sys_memfd(FILE_NAME, huge | MFD_NOEXEC_SEAL);

	if (fd == -EINVAL) /* before Linux 6.3 */
		fd = quoit__sys_memfd(FILE_NAME, huge);
	if (fd < 0)
		return quoit_reason_set(why, fd == -EINVAL || fd == -ENOSYS ? -EOPNOTSUPP : fd,
					"no file of memory can be made: %s", strerror(-fd));
	return fd;
}

/* A file of huge pages has no policy, only its mapping has: that must be what fills it. */
static int fill_pages(int fd, void *map, size_t bytes, bool by_mapping)
{
	const int rc = by_mapping ? quoit_mem_prefault(map, bytes) : 0;

	return rc ? rc : quoit__sys_allocate(fd, bytes);
}

/* Sized to whole pages of its own, mapped, placed on its node, filled. */
static int put_on_node(struct quoit_shring *ring, void *map, size_t bytes,
		       const struct quoit_shring_options *o, struct quoit_reason *why)
{
	const bool all = o->node == QUOIT_NODE_INTERLEAVE;
	const int rc = quoit_mem_bind(map, bytes, o->node,
				      all ? QUOIT_MEM_INTERLEAVE : QUOIT_MEM_PREFERRED, 0);
	char text[128];

	if (!rc)
		return 0;
	if (all)
		(void)snprintf(text, sizeof(text), "the ring is not interleaved");
	else
		(void)snprintf(text, sizeof(text), "the ring is not bound to node %d; %s", o->node,
			       rc == -EINVAL ? "the node has no memory, or none for this cpuset"
					     : "allow mbind in the sandbox (seccomp)");
	return fall_short(ring, o, QUOIT_SHRING_UNBOUND, rc, why, text);
}

static int fill(struct quoit_shring *ring, int fd, const struct quoit_shring_options *o,
		size_t bytes, struct quoit_reason *why)
{
	uint64_t kind;
	size_t page_bytes = 1;
	void *map = NULL;
	int rc = quoit__sys_file_system(fd, &kind, &page_bytes);

	if (rc)
		return quoit_reason_set(why, rc, "fstatfs of the ring: %s", strerror(-rc));
	bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
	if (bytes > quoit__sys_longest_file())
		return quoit_reason_set(why, -EFBIG,
					"%zu bytes for the ring are more than this process may "
					"write to a file: raise the limit (ulimit -f)",
					bytes);
	rc = quoit__sys_set_length(fd, bytes);
	if (!rc)
		rc = quoit__sys_mmap(&map, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rc)
		return quoit_reason_set(why, rc, "%zu bytes for the ring: %s", bytes,
					strerror(-rc));
	if (o->node != QUOIT_NODE_AUTO)
		rc = put_on_node(ring, map, bytes, o, why);
	if (!rc) {
		rc = fill_pages(fd, map, bytes,
				o->node != QUOIT_NODE_AUTO && page_bytes > quoit__sys_page_bytes());
		if (rc)
			quoit_reason_set(why, rc, "%zu bytes for the ring cannot be filled: %s",
					 bytes, strerror(-rc));
	}
	if (rc) {
		quoit__sys_munmap(map, bytes);
		return rc;
	}
	ring->home.own_map = map;
	ring->home.own_bytes = bytes;
	return 0;
}

static int make(struct quoit_shring *ring, const struct quoit_shring_options *o, size_t bytes,
		bool huge_pages, struct quoit_reason *why)
{
	const int fd = open_file(huge_pages, why);
	int rc;

	if (fd < 0)
		return fd;
	rc = fill(ring, fd, o, bytes, why);
	if (rc) {
		quoit__sys_close(fd);
		return rc;
	}
	ring->home.fd = fd;
	return 0;
}

/* What may not be written can only be read ahead; that every page is there was checked. */
static int read_ahead(void *map, size_t bytes)
{
	int rc;

	do
		rc = quoit__sys_madvise(map, bytes, MADV_POPULATE_READ);
	while (rc == -EINTR);
	return rc == -EINVAL ? 0 : rc; /* before Linux 5.14: each comes at its first touch */
}

/* Bring every page in here too: only then does no first touch wait for one. */
static int bring_in(struct quoit_shring *ring, void *map, size_t bytes, bool writable,
		    const struct quoit_shring_options *o, struct quoit_reason *why)
{
	int rc = writable ? quoit_mem_prefault(map, bytes) : read_ahead(map, bytes);

	if (rc)
		return quoit_reason_set(why, rc, "the ring's pages cannot be brought in: %s",
					strerror(-rc));
	rc = o->lock ? quoit_mem_lock(map, bytes) : 0;
	return rc ? fall_short(ring, o, QUOIT_SHRING_UNLOCKED, rc, why,
			       "the ring can be swapped out (ulimit -l)")
		  : 0;
}

int quoit__shring_make(struct quoit_shring *ring, const struct quoit_shring_options *o,
		       size_t bytes, struct quoit_reason *why)
{
	int rc = make(ring, o, bytes, o->huge_pages, why);

	if (rc && o->huge_pages) {
		ring->degraded = 0; /* of what has not come to be */
		rc = fall_short(ring, o, QUOIT_SHRING_SMALL, rc, why,
				"no huge pages for the ring (vm.nr_hugepages)");
		if (!rc)
			rc = make(ring, o, bytes, false, why);
	}
	if (rc)
		return rc;
	if (ring->degraded & QUOIT_SHRING_SMALL) /* the kernel may still find some */
		(void)quoit__sys_madvise(ring->home.own_map, ring->home.own_bytes, MADV_HUGEPAGE);
	return bring_in(ring, ring->home.own_map, ring->home.own_bytes, true, o, why);
}

int quoit__shring_map(struct quoit_shring *ring, int fd, size_t bytes, bool writable,
		      const struct quoit_shring_options *o, void **map, struct quoit_reason *why)
{
	void *at = NULL;
	int rc = quoit__sys_mmap(&at, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
				 MAP_SHARED, fd, 0);

	if (rc)
		return quoit_reason_set(why, rc, "the ring's %zu bytes cannot be mapped: %s", bytes,
					strerror(-rc));
	rc = bring_in(ring, at, bytes, writable, o, why);
	if (rc) {
		quoit__sys_munmap(at, bytes);
		return rc;
	}
	*map = at;
	return 0;
}
