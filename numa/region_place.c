/* SPDX-License-Identifier: MIT */
/*
 * region_place.c - bind, lock, prefault, verify; in this order, see README.md.
 *
 * The policy is preferred unless another is asked for: a full node then costs locality, which is
 * reported, where MPOL_BIND would cost the process (the kernel kills it at the first touch that
 * finds no page).
 */
#include <quoit/numa/region_internal.h>

#define VERIFY_BATCH 512 /* pages per move_pages: 4 KiB of addresses, 2 KiB of answers */

/* The nodes its pages may lie on. What it returns is a shortfall. */
static int choose_nodes(struct quoit_region *r, const struct quoit_region_options *o)
{
	const size_t bytes = sizeof r->nodes;
	const bool spread = quoit_mem_is_spread(o->policy);
	if (!spread && r->node < 0)
		return 0; /* local, and nobody says where that is */
	if (!spread)
		r->nodes[r->node / 64] = (uint64_t)1 << (r->node % 64);
	else if (o->nodes)
		memcpy(r->nodes, o->nodes->words, bytes);
	else
		return quoit__sys_mems_allowed(r->nodes, QUOIT_NODES_MAX);
	return 0;
}

/* They in words, "0-1". */
static const char *name_nodes(const struct quoit_region *r, char *text, size_t bytes)
{
	struct quoit_idset nodes = {0};
	memcpy(nodes.words, r->nodes, sizeof r->nodes);
	return quoit_idset_format(&nodes, text, bytes);
}

/*
 * A kernel that does not know weights refuses them as it refuses a node: by -EINVAL. It is asked
 * for equal parts then; only where it grants those was it the weights that it did not know.
 */
static int bind_by_weight(struct quoit_region *r, const struct quoit_idset *nodes,
			  struct quoit_reason *why)
{
	int rc = quoit_mem_bind_nodes(r->base, r->bytes, nodes, QUOIT_MEM_WEIGHTED, 0);
	if (rc != -EINVAL)
		return rc;
	rc = quoit_mem_bind_nodes(r->base, r->bytes, nodes, QUOIT_MEM_INTERLEAVE, 0);
	if (rc)
		return rc;
	r->policy = QUOIT_MEM_INTERLEAVE;
	QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_UNWEIGHTED, -EOPNOTSUPP,
				"this kernel does not interleave by weight: memory is taken from "
				"each node in equal parts; Linux 6.9 does");
	return 0;
}

static void bind_to_nodes(struct quoit_region *r, const struct quoit_region_options *o,
			  struct quoit_reason *why)
{
	struct quoit_idset nodes = {0};
	char text[64];
	int rc = choose_nodes(r, o);
	memcpy(nodes.words, r->nodes, sizeof r->nodes);
	if (!rc && o->policy == QUOIT_MEM_WEIGHTED)
		rc = bind_by_weight(r, &nodes, why);
	else if (!rc)
		rc = quoit_mem_bind_nodes(r->base, r->bytes, &nodes, o->policy, 0);
	if (!rc)
		return;
	const char *const cure = rc == -EINVAL ? "the node has no memory, or none for this cpuset"
					       : "allow mbind in the sandbox (seccomp)";
	QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_UNBOUND, rc,
				"memory is not bound to node %s: %s; %s",
				name_nodes(r, text, sizeof text), strerror(-rc), cure);
}

/*
 * Locking comes before the pages do, so that none is ever swappable, and on fault only, so that
 * what goes wrong while they are filled is told by the prefault.
 */
static int lock_pages(struct quoit_region *r, bool must, struct quoit_reason *why)
{
	static const char refused[] = "%zu bytes are not locked in memory: %s; raise "
				      "RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK=)";
	const int rc = quoit__sys_mlock2(r->base, r->bytes, MLOCK_ONFAULT);
	if (rc && must)
		return quoit_reason_set(why, rc, refused, r->bytes, strerror(-rc));
	if (rc)
		QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_UNLOCKED, rc, refused, r->bytes,
					strerror(-rc));
	return 0;
}

static int prefault(struct quoit_region *r, struct quoit_reason *why)
{
	const int rc = quoit_mem_prefault(r->base, r->bytes);
	if (rc)
		return quoit_reason_set(why, rc, "%zu bytes of memory cannot be filled: %s",
					r->bytes, strerror(-rc));
	return 0;
}

static bool is_wanted(const struct quoit_region *r, int node)
{
	return node < QUOIT_NODES_MAX && (r->nodes[node / 64] >> (node % 64) & 1);
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
			else if (!is_wanted(r, status[i]))
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
	char text[64];
	name_nodes(r, text, sizeof text);
	r->degraded &=
		~(unsigned)(QUOIT_REGION_UNVERIFIED | QUOIT_REGION_ELSEWHERE | QUOIT_REGION_ABSENT);
	if (!r->degraded)
		r->degraded_error = 0; /* else it is that of what fell short before */
	if (rc) {
		QUOIT_REGION_FALL_SHORT(
			r, why, QUOIT_REGION_UNVERIFIED, rc,
			"where the pages of a region on node %s are is not known: %s; allow "
			"move_pages in the sandbox (seccomp)",
			text, strerror(-rc));
		return rc;
	}
	if (r->pages_elsewhere)
		QUOIT_REGION_FALL_SHORT(
			r, why, QUOIT_REGION_ELSEWHERE, -ENOMEM,
			"%zu of %zu pages are not on node %s: it has no free memory left",
			r->pages_elsewhere, r->pages_checked, text);
	if (r->pages_absent && !r->reserve)
		QUOIT_REGION_FALL_SHORT(
			r, why, QUOIT_REGION_ABSENT, -ENODATA,
			"%zu of %zu pages are not in memory although they were filled",
			r->pages_absent, r->pages_checked);
	return (int64_t)r->pages_elsewhere;
}

/* Everything between the mapping and the answer. What it returns is fatal. */
int quoit_region_place(struct quoit_region *r, const struct quoit_region_options *o,
		       struct quoit_reason *why)
{
	const bool placed = r->node >= 0 || quoit_mem_is_spread(o->policy);
	if (placed || o->policy == QUOIT_MEM_LOCAL)
		bind_to_nodes(r, o, why);
	if (o->dontfork) {
		const int rc = quoit__sys_madvise(r->base, r->bytes, MADV_DONTFORK);
		if (rc)
			QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_FORKED, rc,
						"a region cannot be kept from forked children: %s",
						strerror(-rc));
	}
	if (o->lock || o->must_lock) {
		const int rc = lock_pages(r, o->must_lock, why);
		if (rc)
			return rc;
	}
	if (o->require && r->degraded_error)
		return r->degraded_error; /* no memory is taken for what will be refused */
	if (!o->reserve) {
		const int rc = prefault(r, why);
		if (rc)
			return rc;
		quoit_region_count_huge(r, why);
		if (placed)
			(void)verify(r, o->verify_pages, why);
	}
	return o->require ? r->degraded_error : 0;
}

int64_t quoit_region_verify(struct quoit_region *r, size_t verify_pages)
{
	if ((r->node < 0 && !quoit_mem_is_spread(r->policy)) || !r->base)
		return -EINVAL;
	return verify(r, verify_pages, NULL);
}

int quoit_region_residency(const struct quoit_region *r, struct quoit_mem_residency *residency)
{
	return quoit_mem_read_residency(r->base, r->bytes, residency);
}
