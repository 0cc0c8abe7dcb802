/* SPDX-License-Identifier: MIT */
/*
 * region.h - memory that lies on one node, in whole pages of its own, mapped before it is needed.
 *
 * Two regions never share a page, so what belongs to one core cannot end up on another's node.
 * Where the placement falls short of what was asked the region still works, and says so.
 */
#ifndef QUOIT_NUMA_REGION_H
#define QUOIT_NUMA_REGION_H

#include <quoit/numa/machine.h>
#include <quoit/numa/reason.h>

QUOIT_C_BEGIN

struct quoit_region_options {
	size_t bytes; /* rounded up to whole pages */
	int node;     /* prefer this node's memory; below 0: no policy, whoever touches first */

	/*
	 * Address space that fills as it is touched, for slabs that grow: neither prefaulted nor
	 * charged before, so touching it can still meet the out-of-memory killer. Not with `lock`.
	 */
	bool reserve;
	bool lock;     /* never swapped out; counts against RLIMIT_MEMLOCK */
	bool dontfork; /* a forked child does not have it: for memory that the kernel writes into */
	bool require;  /* refuse where the placement falls short, instead of degrading */
	bool huge;     /* ask for huge pages: begin where one may, fall back to small ones */

	/*
	 * What /proc/PID/maps calls it, or NULL: the first QUOIT_REGION_NAME_MOST bytes, for which
	 * what the kernel does not take there becomes an underscore. An old kernel has no names.
	 */
	const char *name;

	size_t verify_pages; /* look at this many pages, evenly spread; 0 looks at all of them */
};

/* What fell short. Bits of quoit_region.degraded. */
enum quoit_region_shortfall {
	QUOIT_REGION_UNBOUND = 1,    /* the node policy was refused */
	QUOIT_REGION_FORKED = 2,     /* a forked child will share or copy it */
	QUOIT_REGION_UNLOCKED = 4,   /* it may be swapped out */
	QUOIT_REGION_UNVERIFIED = 8, /* the kernel does not tell where its pages are */
	QUOIT_REGION_ELSEWHERE = 16, /* pages lie on another node */
	QUOIT_REGION_ABSENT = 32,    /* pages are not in memory after all; never with reserve */
	QUOIT_REGION_SMALL = 64,     /* huge pages were refused: the kernel has none */
};

#define QUOIT_REGION_NAME_MOST 63

/*
 * Written by open, take and verify on the owner's thread; `base` and `bytes` never change between.
 */
struct quoit_region {
	void *base;
	size_t bytes; /* whole pages */
	size_t taken; /* from the start, by quoit_region_take */
	int node;     /* as asked for; -1 without a policy */
	bool reserve; /* as asked for */
	bool named;   /* the kernel took the name */

	unsigned degraded;  /* bits of enum quoit_region_shortfall; 0: all as asked for */
	int degraded_error; /* -errno of the first shortfall; 0 as long as `degraded` is */

	/* Of the last verification. Zeros with node < 0, and after opening a reserve. */
	size_t pages_checked;
	size_t pages_elsewhere; /* on another node */
	size_t pages_absent;	/* not touched yet, swapped out, or of unknown place */
};

/*
 * Map, bind to the node, keep from forks, ask for huge pages, lock, prefault, verify, in this
 * order: a page stays where it was first touched, so the policy comes before the touch and the look
 * after it.
 *
 * A shortfall of the placement sets bits in r->degraded, and `why` then holds the first in words
 * although the answer is 0 (`why` is untouched when all went well).
 *
 * Thread: any; pin it to the node first, so that the pages are near even where binding is refused.
 * Owns: the caller closes `r`, which is untouched on failure.
 * Errors: -EINVAL for no bytes, too many, a node beyond QUOIT_NODES_MAX, or reserve with lock;
 * -ENOMEM and others of mmap and of prefaulting; with `require` the -errno of the first shortfall.
 * Cost: filling the pages, about 0.3 ms per MiB in a VM; verifying them, a tenth of that.
 */
QUOIT_MUST_CHECK int quoit_region_open(struct quoit_region *r, const struct quoit_region_options *o,
				       struct quoit_reason *why);

/* Unmap it. What was taken from it is gone with it. A zeroed or closed region is let be. */
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
 * Gives how many pages lie on another node than r->node.
 * Errors: -EINVAL without a node, -errno where the kernel does not tell (a sandbox).
 * Cost: a system call per 512 pages.
 */
int64_t quoit_region_verify(struct quoit_region *r, size_t verify_pages);

QUOIT_C_END

#endif
