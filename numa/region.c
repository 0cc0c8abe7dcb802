/* SPDX-License-Identifier: MIT */
/*
 * region.c - mmap, mbind, lock, prefault, verify; in this order, see README.md.
 *
 * The policy is preferred, not bound: a full node then costs locality, which is reported, where
 * MPOL_BIND would cost the process (the kernel kills it at the first touch that finds no page).
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/region.h>
#include <quoit/numa/idset.h>

#include <string.h>

#define VERIFY_BATCH 512 /* pages per move_pages: 4 KiB of addresses, 2 KiB of answers */

#define HUGE_PAGE ((size_t)2 << 20) /* x86-64, and arm64 with pages of 4 KiB */

/* Note a shortfall; the first is kept in words. */
#define FALL_SHORT(r, why, bit, error, ...)                                                  \
	do {                                                                                 \
		if (!(r)->degraded_error)                                                    \
			(r)->degraded_error = quoit_reason_set((why), (error), __VA_ARGS__); \
		(r)->degraded |= (bit);                                                      \
	} while (0)

static int check_options(const struct quoit_region_options *o, size_t page,
			 struct quoit_reason *why)
{
	if (o->bytes == 0 || o->bytes > SIZE_MAX / 2 - page - HUGE_PAGE)
		return quoit_reason_set(why, -EINVAL, "a region of %zu bytes is not possible",
					o->bytes);
	if (o->node >= QUOIT_NODES_MAX)
		return quoit_reason_set(why, -EINVAL, "node %d is not below %d", o->node,
					QUOIT_NODES_MAX);
	if (o->reserve && o->lock)
		return quoit_reason_set(why, -EINVAL,
					"a region is either reserved or locked, not both");
	return 0;
}

static void bind_to_node(struct quoit_region *r, struct quoit_reason *why)
{
	uint64_t mask[QUOIT_NODES_MAX / 64] = {0};
	mask[r->node / 64] = (uint64_t)1 << (r->node % 64);
	const int rc = quoit__sys_mbind(r->base, r->bytes, QUOIT__MPOL_PREFERRED, mask,
					QUOIT_NODES_MAX, 0);
	if (!rc)
		return;
	const char *const cure = rc == -EINVAL ? "the node has no memory, or none for this cpuset"
					       : "allow mbind in the sandbox (seccomp)";
	FALL_SHORT(r, why, QUOIT_REGION_UNBOUND, rc, "memory is not bound to node %d: %s; %s",
		   r->node, strerror(-rc), cure);
}

/*
 * Locking comes before the pages do, so that none is ever swappable, and on fault only, so that
 * what goes wrong while they are filled is told by the prefault.
 */
static void lock_pages(struct quoit_region *r, struct quoit_reason *why)
{
	const int rc = quoit__sys_mlock2(r->base, r->bytes, MLOCK_ONFAULT);
	if (rc)
		FALL_SHORT(r, why, QUOIT_REGION_UNLOCKED, rc,
			   "%zu bytes are not locked in memory: %s; raise RLIMIT_MEMLOCK "
			   "(ulimit -l, LimitMEMLOCK=)",
			   r->bytes, strerror(-rc));
}

/* A name is a help to who looks: without one nothing falls short. */
static void name_pages(struct quoit_region *r, const char *name)
{
	char text[QUOIT_REGION_NAME_MOST + 1];
	size_t n = 0;

	for (; name[n] && n < QUOIT_REGION_NAME_MOST; n++)
		text[n] = name[n] > ' ' && name[n] < 0x7f && !strchr("[]\\$`", name[n]) ? name[n]
											: '_';
	text[n] = '\0';
	r->named = n && !quoit__sys_name_memory(r->base, r->bytes, text);
}

/* Only before the touch: a small page is not made huge until some thread of the kernel's gets to
 * it. */
static void ask_for_huge_pages(struct quoit_region *r, struct quoit_reason *why)
{
	const int rc = quoit__sys_madvise(r->base, r->bytes, MADV_HUGEPAGE);
	if (rc)
		FALL_SHORT(r, why, QUOIT_REGION_SMALL, rc,
			   "a region gets no huge pages: %s; build the kernel with "
			   "TRANSPARENT_HUGEPAGE",
			   strerror(-rc));
}

/* Old kernels and sandboxes that do not know the advice get a write to each page instead. */
static int prefault(struct quoit_region *r, size_t page, struct quoit_reason *why)
{
	int rc;
	do
		rc = quoit__sys_madvise(r->base, r->bytes, MADV_POPULATE_WRITE);
	while (rc == -EINTR);
	if (rc == -EINVAL || rc == -EPERM || rc == -ENOSYS) {
		volatile char *const bytes = (volatile char *)r->base;
		for (size_t at = 0; at < r->bytes; at += page)
			bytes[at] = 0;
		return 0;
	}
	if (rc)
		return quoit_reason_set(why, rc, "%zu bytes of memory cannot be filled: %s",
					r->bytes, strerror(-rc));
	return 0;
}

/* Where are `count` of `total` pages, spread evenly? Counts into `r`. */
static int look_at_pages(struct quoit_region *r, size_t page, size_t total, size_t count)
{
	size_t elsewhere = 0;
	size_t absent = 0;
	size_t step = 0;
	for (size_t done = 0; done < count; done += step) {
		void *pages[VERIFY_BATCH];
		int status[VERIFY_BATCH];
		step = quoit_min(count - done, VERIFY_BATCH);
		for (size_t i = 0; i < step; i++) {
			const size_t index =
				(size_t)((unsigned __int128)(done + i) * total / count);
			pages[i] = (char *)r->base + index * page;
			status[i] = -ENOENT;
		}
		const int rc = quoit__sys_move_pages(step, pages, NULL, status, 0);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < step; i++) {
			if (status[i] < 0)
				absent++;
			else if (status[i] != r->node)
				elsewhere++;
		}
	}
	r->pages_checked = count;
	r->pages_elsewhere = elsewhere;
	r->pages_absent = absent;
	return 0;
}

static int64_t verify(struct quoit_region *r, size_t verify_pages, struct quoit_reason *why)
{
	const size_t page = quoit__sys_page_bytes();
	const size_t total = r->bytes / page;
	const size_t count = verify_pages ? quoit_min(verify_pages, total) : total;
	const int rc = look_at_pages(r, page, total, count);
	r->degraded &=
		~(unsigned)(QUOIT_REGION_UNVERIFIED | QUOIT_REGION_ELSEWHERE | QUOIT_REGION_ABSENT);
	if (!r->degraded)
		r->degraded_error = 0;
	if (rc) {
		FALL_SHORT(r, why, QUOIT_REGION_UNVERIFIED, rc,
			   "where the pages of a region on node %d are is not known: %s; allow "
			   "move_pages in the sandbox (seccomp)",
			   r->node, strerror(-rc));
		return rc;
	}
	if (r->pages_elsewhere)
		FALL_SHORT(r, why, QUOIT_REGION_ELSEWHERE, -ENOMEM,
			   "%zu of %zu pages are not on node %d: it has no free memory left",
			   r->pages_elsewhere, r->pages_checked, r->node);
	if (r->pages_absent && !r->reserve)
		FALL_SHORT(r, why, QUOIT_REGION_ABSENT, -ENODATA,
			   "%zu of %zu pages are not in memory although they were filled",
			   r->pages_absent, r->pages_checked);
	return (int64_t)r->pages_elsewhere;
}

/* Everything between the mapping and the answer. What it returns is fatal. */
static int place(struct quoit_region *r, const struct quoit_region_options *o, size_t page,
		 struct quoit_reason *why)
{
	if (o->node >= 0)
		bind_to_node(r, why);
	if (o->dontfork) {
		const int rc = quoit__sys_madvise(r->base, r->bytes, MADV_DONTFORK);
		if (rc)
			FALL_SHORT(r, why, QUOIT_REGION_FORKED, rc,
				   "a region cannot be kept from forked children: %s",
				   strerror(-rc));
	}
	if (o->huge)
		ask_for_huge_pages(r, why);
	if (o->name)
		name_pages(r, o->name);
	if (o->lock)
		lock_pages(r, why);
	if (!o->reserve) {
		const int rc = prefault(r, page, why);
		if (rc)
			return rc;
		if (o->node >= 0)
			(void)verify(r, o->verify_pages, why);
	}
	return o->require ? r->degraded_error : 0;
}

/*
 * A mapping that begins at a multiple of `align`: a larger one, of which what is in front and
 * behind goes back. Nothing of it has been touched.
 */
static int map(struct quoit_region *r, size_t align, int flags)
{
	const size_t page = quoit__sys_page_bytes();
	const size_t more = align > page ? align : 0;
	void *base = NULL;
	const int rc = quoit__sys_mmap(&base, r->bytes + more, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	if (rc)
		return rc;
	const size_t front = more ? (size_t)(-(uintptr_t)base & (align - 1)) : 0;
	r->base = (char *)base + front;
	if (front)
		(void)quoit__sys_munmap(base, front);
	if (more > front)
		(void)quoit__sys_munmap((char *)r->base + r->bytes, more - front);
	return 0;
}

int quoit_region_open(struct quoit_region *r, const struct quoit_region_options *o,
		      struct quoit_reason *why)
{
	const size_t page = quoit__sys_page_bytes();
	int rc = check_options(o, page, why);
	if (rc)
		return rc;

	struct quoit_region made = {
		.bytes = (o->bytes + page - 1) / page * page,
		.node = o->node < 0 ? -1 : o->node,
		.reserve = o->reserve,
	};
	const int flags = o->reserve ? MAP_NORESERVE : 0;
	rc = map(&made, o->huge ? HUGE_PAGE : page, flags);
	if (rc)
		return quoit_reason_set(why, rc, "%zu bytes of memory cannot be mapped: %s",
					made.bytes, strerror(-rc));
	rc = place(&made, o, page, why);
	if (rc) {
		quoit__sys_munmap(made.base, made.bytes);
		return rc;
	}
	*r = made;
	return 0;
}

void quoit_region_close(struct quoit_region *r)
{
	if (r->base) {
		const int rc = quoit__sys_munmap(r->base, r->bytes);
		(void)rc;
		QUOIT_ASSERT(rc == 0); /* whole, ours and mapped once: cannot fail */
	}
	*r = (struct quoit_region){.node = -1};
}

void *quoit_region_take(struct quoit_region *r, size_t bytes, size_t align)
{
	QUOIT_ASSERT(bytes > 0);
	QUOIT_ASSERT(align > 0 && (align & (align - 1)) == 0);
	const uintptr_t at = (uintptr_t)r->base + r->taken;
	const size_t gap = (size_t)(-at & (align - 1));
	const size_t left = r->bytes - r->taken;
	if (gap > left || bytes > left - gap)
		return NULL;
	r->taken += gap + bytes;
	return (char *)r->base + (r->taken - bytes);
}

int64_t quoit_region_verify(struct quoit_region *r, size_t verify_pages)
{
	if (r->node < 0 || !r->base)
		return -EINVAL;
	return verify(r, verify_pages, NULL);
}
