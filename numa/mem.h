/* SPDX-License-Identifier: MIT */
/*
 * mem.h - memory that somebody has already: where it lies, and that it stays there.
 *
 * Whoever maps memory of its own asks for a region (region.h), which does all of this in the right
 * order. These are for memory that is there: a stack, a shared mapping, somebody else's pool.
 */
#ifndef QUOIT_NUMA_MEM_H
#define QUOIT_NUMA_MEM_H

#include <quoit/numa/idset.h>

QUOIT_C_BEGIN

/* Where the pages come from that are touched from now on. */
enum quoit_mem_policy {
	QUOIT_MEM_PREFERRED,  /* this node; when it is full the next one */
	QUOIT_MEM_BIND,	      /* this node; when it is full the out-of-memory killer */
	QUOIT_MEM_INTERLEAVE, /* page by page from several nodes */
	QUOIT_MEM_LOCAL,      /* the node of whoever touches a page first */

	/*
	 * From several nodes, from each as many pages in turn as its weight says, which the
	 * administrator sets: /sys/kernel/mm/mempolicy/weighted_interleave/nodeN. Linux 6.9.
	 */
	QUOIT_MEM_WEIGHTED,
};

/* Does the policy take pages from several nodes in turn? */
QUOIT_HOT bool quoit_mem_is_spread(enum quoit_mem_policy policy)
{
	return policy == QUOIT_MEM_INTERLEAVE || policy == QUOIT_MEM_WEIGHTED;
}

/* What becomes of pages that are there already. */
enum quoit_mem_flag {
	QUOIT_MEM_MOVE = 1,   /* move those that no other process has too */
	QUOIT_MEM_STRICT = 2, /* fail when one lies elsewhere, or could not be moved */
};

/* How many pages of some memory lie on each node. */
struct quoit_mem_residency {
	size_t pages;	/* looked at */
	size_t absent;	/* not touched yet, or swapped out */
	size_t unknown; /* the kernel does not tell: not mapped, or not ordinary memory */
	size_t on_node[QUOIT_NODES_MAX];
};

/*
 * Set the policy of whole pages: `p` is the start of one, and `bytes` are rounded up. With `node`
 * below 0 interleaving, weighted or not, takes every node of this thread's cpuset; LOCAL needs no
 * node.
 *
 * Errors: -EINVAL for an address within a page, a policy, flags or a node that do not exist, or a
 * node that has no memory or none for this cpuset, and for WEIGHTED where the kernel does not know
 * it; -EIO for STRICT and a page elsewhere; -EFAULT for what is not mapped; -EPERM, -ENOSYS in a
 * sandbox. Nothing is ignored, and no other policy is taken instead.
 */
QUOIT_MUST_CHECK int quoit_mem_bind(void *p, size_t bytes, int node, enum quoit_mem_policy policy,
				    unsigned flags);

/*
 * The same with a set of nodes; BIND, INTERLEAVE and WEIGHTED can make use of more than one.
 * Errors: likewise.
 */
QUOIT_MUST_CHECK int quoit_mem_bind_nodes(void *p, size_t bytes, const struct quoit_idset *nodes,
					  enum quoit_mem_policy policy, unsigned flags);

/*
 * The node on which the page at `p` lies. Looking does not bring it in.
 *
 * Errors: -ENOENT for a page not touched yet or swapped out, -EFAULT for an address that is not
 * mapped; -EPERM, -ENOSYS in a sandbox.
 */
int quoit_mem_node_of(const void *p);

/*
 * Look at every page that these bytes touch, without bringing any in. No bytes are no pages.
 *
 * Errors: -EPERM, -ENOSYS in a sandbox; `r` is untouched then.   Cost: a system call per 512 pages.
 */
QUOIT_MUST_CHECK int quoit_mem_read_residency(const void *p, size_t bytes,
					      struct quoit_mem_residency *r);

/*
 * Bring the pages in and keep them from being swapped out. They are whole pages, and locks do not
 * nest: one unlock undoes all, also for a neighbour on the same page. No bytes are no error.
 *
 * Errors: -ENOMEM beyond RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK=) or for what is not mapped,
 * -EPERM without any such right, -EAGAIN for pages that cannot be locked.
 */
QUOIT_MUST_CHECK int quoit_mem_lock(const void *p, size_t bytes);

/* Let them be swapped out again; also when they were never locked. Errors: -ENOMEM not mapped. */
int quoit_mem_unlock(const void *p, size_t bytes);

/*
 * Bring the pages in, ready to be written, so that no touch waits for one. What they hold stays;
 * other threads may use them meanwhile. No bytes are no error.
 *
 * Errors: -ENOMEM for what is not mapped, or no memory; -EFAULT for what may not be written.
 */
QUOIT_MUST_CHECK int quoit_mem_prefault(void *p, size_t bytes);

QUOIT_C_END

#endif
