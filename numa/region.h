/* SPDX-License-Identifier: MIT */
/*
 * region.h - memory that lies on one node, in whole pages of its own, mapped before it is needed.
 *
 * Two regions never share a page, so what belongs to one core cannot end up on another's node.
 * Where the placement falls short of what was asked the region still works, and says so.
 */
#ifndef QUOIT_NUMA_REGION_H
#define QUOIT_NUMA_REGION_H

#include <quoit/numa/mem.h>
#include <quoit/numa/reason.h>

QUOIT_C_BEGIN

/* How large its pages are. Huge ones are 2 MiB where small ones are 4 KiB. */
enum quoit_region_pages {
	QUOIT_REGION_SMALL_PAGES,
	QUOIT_REGION_TRANSPARENT, /* huge ones if the kernel finds some (transparent_hugepage) */
	QUOIT_REGION_HUGE_PAGES,  /* from those set aside (vm.nr_hugepages), else as above */
};

struct quoit_region_options {
	size_t bytes; /* rounded up to whole pages */
	/* Take this node's memory; below 0: no policy, whoever touches first. Zeros mean node 0. */
	int node;

	/*
	 * What becomes of `node` when it is full: preferred, the default, takes the next; bound
	 * ends in the out-of-memory killer. Interleaved takes `nodes` in turn, and not `node`; NULL
	 * are all of this thread's cpuset. Weighted does so by the administrator's weights, and is
	 * plainly interleaved, which falls short, before Linux 6.9. Local binds to nothing: `node`
	 * is where it should be.
	 */
	enum quoit_mem_policy policy;
	const struct quoit_idset *nodes;

	/*
	 * Address space that fills as it is touched, for slabs that grow: neither prefaulted nor
	 * charged before, so touching it can still meet the out-of-memory killer. Not with a lock.
	 */
	bool reserve;
	bool lock;	/* never swapped out; counts against RLIMIT_MEMLOCK */
	bool must_lock; /* and refused where it is not, before it is filled */
	bool dontfork; /* a forked child does not have it: for memory that the kernel writes into */
	enum quoit_region_pages pages; /* the region is whole ones of them. Not with `reserve` */
	bool guard;   /* a page on either side that nobody can touch: what runs over stops there */
	bool require; /* refuse where the placement falls short, instead of degrading */

	/*
	 * In /proc/self/maps, "[anon:quoit core]": the first QUOIT_REGION_NAME_MOST bytes, for
	 * which what the kernel does not take becomes an underscore. NULL, or a kernel < 5.17 or
	 * one without CONFIG_ANON_VMA_NAME: none.
	 */
	const char *name;

	size_t verify_pages; /* look at this many pages, evenly spread; 0 looks at all of them */
};

/* What fell short. Bits of quoit_region.degraded. */
enum quoit_region_shortfall {
	QUOIT_REGION_UNBOUND = 1,      /* the node policy was refused */
	QUOIT_REGION_FORKED = 2,       /* a forked child will share or copy it */
	QUOIT_REGION_UNLOCKED = 4,     /* it may be swapped out */
	QUOIT_REGION_UNVERIFIED = 8,   /* the kernel does not tell where its pages are */
	QUOIT_REGION_ELSEWHERE = 16,   /* pages lie on another node */
	QUOIT_REGION_ABSENT = 32,      /* pages are not in memory after all; never with reserve */
	QUOIT_REGION_SMALL = 64,       /* not all of it is in huge pages */
	QUOIT_REGION_UNWEIGHTED = 128, /* interleaved in equal parts, not by weight */
};

#define QUOIT_REGION_NAME_MOST 63

/*
 * Written by open, take and verify on the owner's thread; `base` and `bytes` never change between.
 */
struct quoit_region {
	void *base;
	size_t bytes;		      /* whole pages */
	size_t taken;		      /* from the start, by quoit_region_take */
	int node;		      /* as asked for; -1 without a policy, and where several are */
	bool reserve;		      /* as asked for */
	bool named;		      /* the kernel took the name */
	enum quoit_mem_policy policy; /* in force, or refused: see UNBOUND, UNWEIGHTED */
	enum quoit_region_pages pages;	      /* what the mapping is made of */
	size_t guard_bytes;		      /* before base, and behind its end */
	size_t huge_bytes;		      /* in huge pages when it was filled */
	uint64_t nodes[QUOIT_NODES_MAX / 64]; /* where its pages may lie; empty without a policy */

	unsigned degraded;  /* bits of enum quoit_region_shortfall; 0: all as asked for */
	int degraded_error; /* -errno of the first shortfall; 0 as long as `degraded` is */

	/* Of the last verification. Zeros with node < 0, and after opening a reserve. */
	size_t pages_checked;
	size_t pages_elsewhere; /* on a node that was not asked for */
	size_t pages_absent;	/* not touched yet, swapped out, or of unknown place */
};

/*
 * Map, name, bind to the node, keep from forks, lock, prefault, verify, in this order: a page stays
 * where it was first touched, so the policy comes before the touch and the look after it.
 *
 * A shortfall of the placement sets bits in r->degraded, and `why` then holds the first in words
 * although the answer is 0 (`why` is untouched when all went well).
 *
 * Thread: any; pin it to the node first, so that the pages are near even where binding is refused.
 * Owns: the caller closes `r`, which is untouched on failure.
 * Errors: -EINVAL for no bytes, too many, nodes beyond QUOIT_NODES_MAX or none of them, a
 * policy that does not exist, or reserve with a lock or huge pages; -ENOMEM and others of mmap and
 * of prefaulting; with `must_lock` that of locking; with `require` that of the first shortfall.
 * Cost: filling the pages, about 0.3 ms per MiB in a VM; verifying them, a tenth of that.
 */
QUOIT_MUST_CHECK int quoit_region_open(struct quoit_region *r, const struct quoit_region_options *o,
				       struct quoit_reason *why);

/*
 * Unmap it. What was taken from it is gone with it. A zeroed or closed region is let be.
 *
 * In a process with as many mappings as there may be (vm.max_map_count) its addresses may stay
 * taken, and only its memory is given back; if locked, since Linux 5.18. Not so with `guard`.
 */
void quoit_region_close(struct quoit_region *r);

/*
 * Cut the next `bytes` off the region, at a multiple of `align` (a power of two, of the address).
 *
 * Gives NULL if not that many are left, and the region is as it was. There is no giving back: what
 * a core needs is laid out once, at its start. Zeros, unless a reserve was written before. Thread:
 * the owner's.
 */
void *quoit_region_take(struct quoit_region *r, size_t bytes, size_t align);

/*
 * Look again where the pages lie, all or `verify_pages` of them spread evenly: for a reserve once
 * it has been touched, or after a migration. Updates the page counts and the bits UNVERIFIED,
 * ELSEWHERE and ABSENT.
 *
 * Gives how many pages lie on a node that was not asked for.
 * Errors: -EINVAL where none was, -errno where the kernel does not tell (a sandbox).
 * Cost: a system call per 512 pages.
 */
int64_t quoit_region_verify(struct quoit_region *r, size_t verify_pages);

/* How many regions of this process fell short when they were opened. Thread: any. */
uint64_t quoit_region_shortfalls(void);

/*
 * How many of its pages lie on each node: for a report, also of a region without a policy.
 *
 * Errors: those of quoit_mem_read_residency().   Cost: a system call per 512 pages.
 */
QUOIT_MUST_CHECK int quoit_region_residency(const struct quoit_region *r,
					    struct quoit_mem_residency *residency);

QUOIT_C_END

#endif
