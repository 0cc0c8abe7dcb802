/* SPDX-License-Identifier: MIT */
/*
 * uring_map_internal.h - the memory that an io_uring shares with us: SQ, CQ and entries.
 *
 * Either a region of ours on a chosen node, whose pages the kernel then pins (NO_MMAP), or the
 * kernel's own, which we map.
 */
#ifndef QUOIT_IO_URING_MAP_INTERNAL_H
#define QUOIT_IO_URING_MAP_INTERNAL_H

#include <quoit/io/uring_internal.h>

/* Open a region on `node` that is large enough. Errors: those of quoit_region_open(). */
QUOIT_MUST_CHECK int quoit_queues_reserve(struct quoit_region *queues, unsigned sq_entries,
					  int node, struct quoit_reason *why);

/* Put their addresses where io_uring_setup looks for them. */
void quoit_queues_offer(const struct quoit_region *queues, struct io_uring_params *params,
			unsigned sq_entries);

/* Did the kernel find enough room there? It looks for no more than its own size. */
bool quoit_queues_fit(const struct io_uring_params *params, unsigned sq_entries);

/*
 * After io_uring_setup: let uring->ring point into the memory, which uring->queues takes over where
 * params->flags say that the kernel took it. Errors: those of mmap.
 */
QUOIT_MUST_CHECK int quoit_queues_map(struct quoit_uring *uring,
				      const struct io_uring_params *params,
				      const struct quoit_region *queues, unsigned sq_entries,
				      int fd);

/* See whether the pages are on `node`; below 0 it does not matter. Sets uring->degraded. */
void quoit_queues_verify(struct quoit_uring *uring, int node);

/* After the descriptor has been closed. */
void quoit_queues_unmap(struct quoit_uring *uring);

#endif
