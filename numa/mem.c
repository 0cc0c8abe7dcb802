/* SPDX-License-Identifier: MIT */
/*
 * mem.c - mbind, mlock and move_pages, with what they do not say themselves: see mem.h.
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/mem.h>

#include <string.h>

#define LOOK_BATCH 512 /* pages per move_pages: 4 KiB of addresses, 2 KiB of answers */

/*
 * The flag goes into the mode: the kernel knows no such bit of mbind's flags and refuses the whole
 * call (D-49). With it the nodes are those that were named, whatever becomes of the cpuset.
 */
static int mode_of(enum quoit_mem_policy policy)
{
	switch (policy) {
	case QUOIT_MEM_PREFERRED:
		return QUOIT__MPOL_PREFERRED;
	case QUOIT_MEM_BIND:
		return QUOIT__MPOL_BIND | QUOIT__MPOL_F_STATIC_NODES;
	case QUOIT_MEM_INTERLEAVE:
		return QUOIT__MPOL_INTERLEAVE | QUOIT__MPOL_F_STATIC_NODES;
	case QUOIT_MEM_LOCAL:
		return QUOIT__MPOL_LOCAL;
	case QUOIT_MEM_WEIGHTED:
		return QUOIT__MPOL_WEIGHTED_INTERLEAVE | QUOIT__MPOL_F_STATIC_NODES;
	}
	return -EINVAL;
}

int quoit_mem_bind_nodes(void *p, size_t bytes, const struct quoit_idset *nodes,
			 enum quoit_mem_policy policy, unsigned flags)
{
	const int mode = mode_of(policy);
	if (mode < 0 || flags & ~(unsigned)(QUOIT_MEM_MOVE | QUOIT_MEM_STRICT) ||
	    quoit_idset_next(nodes, QUOIT_NODES_MAX) >= 0)
		return -EINVAL;
	if (bytes == 0)
		return 0;
	const unsigned move = flags & QUOIT_MEM_MOVE ? QUOIT__MPOL_MF_MOVE : 0;
	const unsigned strict = flags & QUOIT_MEM_STRICT ? QUOIT__MPOL_MF_STRICT : 0;
	if (policy == QUOIT_MEM_LOCAL) /* the kernel takes it without a mask only */
		return quoit__sys_mbind(p, bytes, mode, NULL, 0, move | strict);
	return quoit__sys_mbind(p, bytes, mode, nodes->words, QUOIT_NODES_MAX, move | strict);
}

int quoit_mem_bind(void *p, size_t bytes, int node, enum quoit_mem_policy policy, unsigned flags)
{
	struct quoit_idset nodes = {0};
	if (node >= QUOIT_NODES_MAX)
		return -EINVAL;
	if (node >= 0) {
		quoit_idset_add(&nodes, (unsigned)node);
	} else if (quoit_mem_is_spread(policy)) {
		const int rc = quoit__sys_mems_allowed(nodes.words, QUOIT_NODES_MAX);
		if (rc)
			return rc;
	} else if (policy != QUOIT_MEM_LOCAL) {
		return -EINVAL;
	}
	return quoit_mem_bind_nodes(p, bytes, &nodes, policy, flags);
}

/*
 * What move_pages says of a page. Linux 6.1 says -EFAULT also of memory that nobody has touched
 * yet, where later ones say -ENOENT.
 */
static int status_of(void *page, size_t page_bytes, int status)
{
	unsigned char in;
	if (status != -EFAULT || quoit__sys_mincore(page, page_bytes, &in) < 0 || in & 1)
		return status;
	return -ENOENT;
}

int quoit_mem_node_of(const void *p)
{
	const uintptr_t page = quoit__sys_page_bytes();
	void *at = (void *)((uintptr_t)p & ~(page - 1));
	int status = -ENOENT;
	const int rc = quoit__sys_move_pages(1, &at, NULL, &status, 0);
	return rc < 0 ? rc : status_of(at, page, status);
}

static void count_page(struct quoit_mem_residency *r, int status)
{
	r->pages++;
	if (status == -ENOENT)
		r->absent++;
	else if (status < 0 || status >= QUOIT_NODES_MAX)
		r->unknown++;
	else
		r->on_node[status]++;
}

int quoit_mem_read_residency(const void *p, size_t bytes, struct quoit_mem_residency *r)
{
	const uintptr_t page = quoit__sys_page_bytes();
	const uintptr_t first = (uintptr_t)p & ~(page - 1);
	const size_t total = bytes ? ((uintptr_t)p + bytes - 1 - first) / page + 1 : 0;
	struct quoit_mem_residency found = {0};
	size_t step = 0;
	for (size_t done = 0; done < total; done += step) {
		void *pages[LOOK_BATCH];
		int status[LOOK_BATCH];
		step = quoit_min(total - done, LOOK_BATCH);
		for (size_t i = 0; i < step; i++) {
			pages[i] = (void *)(first + (done + i) * page);
			status[i] = -ENOENT;
		}
		const int rc = quoit__sys_move_pages(step, pages, NULL, status, 0);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < step; i++)
			count_page(&found, status_of(pages[i], page, status[i]));
	}
	*r = found;
	return 0;
}

int quoit_mem_lock(const void *p, size_t bytes)
{
	return bytes ? quoit__sys_mlock2(p, bytes, 0) : 0;
}

int quoit_mem_unlock(const void *p, size_t bytes)
{
	return bytes ? quoit__sys_munlock(p, bytes) : 0;
}

/*
 * Old kernels (before 5.14) and sandboxes that do not know the advice get a write to each page
 * instead, of what is there. The kernel makes it: a write of ours to a page that may not be
 * written, or is not mapped, would be a signal where the advice is an answer.
 */
static int touch_pages(uintptr_t first, uintptr_t end, uintptr_t page)
{
	unsigned char in;

	for (uintptr_t at = first; at < end; at += page) {
		const int rc = quoit__sys_touch((void *)at);

		if (rc == -EFAULT && quoit__sys_mincore((void *)at, page, &in) == -ENOMEM)
			return -ENOMEM; /* nothing is mapped there */
		if (rc < 0)
			return rc;
	}
	return 0;
}

int quoit_mem_prefault(void *p, size_t bytes)
{
	if (bytes == 0)
		return 0;
	const uintptr_t page = quoit__sys_page_bytes();
	const uintptr_t first = (uintptr_t)p & ~(page - 1);
	const uintptr_t end = ((uintptr_t)p + bytes + page - 1) & ~(page - 1);
	if (end <= first)
		return -EINVAL;
	int rc;
	do
		rc = quoit__sys_madvise((void *)first, end - first, MADV_POPULATE_WRITE);
	while (rc == -EINTR);
	/* It says the same of memory that may not be written: no bytes tell whether it is known. */
	if (rc == -EINVAL && !quoit__sys_madvise((void *)first, 0, MADV_POPULATE_WRITE))
		return -EFAULT;
	if (rc == -EINVAL || rc == -EPERM || rc == -ENOSYS)
		return touch_pages(first, end, page);
	return rc;
}
