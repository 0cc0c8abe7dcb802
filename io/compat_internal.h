/* SPDX-License-Identifier: MIT */
/*
 * compat_internal.h - kernel names newer than liburing 2.3 (kernel 6.1), in one place.
 *
 * Everything here is probed at run time, with the plain path of 6.1 behind it.
 */
#ifndef QUOIT_IO_COMPAT_INTERNAL_H
#define QUOIT_IO_COMPAT_INTERNAL_H

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 6.5: the queues lie in memory of ours. */
#ifndef IORING_SETUP_NO_MMAP
#define IORING_SETUP_NO_MMAP (1U << 14)
#endif

/* Its address is the last word of each struct of offsets, which liburing before 2.5 calls resv2. */
static inline void quoit_params_set_memory(struct io_uring_params *params, const void *rings,
					   const void *entries)
{
	const uint64_t rings_at = (uintptr_t)rings;
	const uint64_t entries_at = (uintptr_t)entries;

	memcpy((char *)(&params->cq_off + 1) - sizeof(rings_at), &rings_at, sizeof(rings_at));
	memcpy((char *)(&params->sq_off + 1) - sizeof(entries_at), &entries_at, sizeof(entries_at));
}

/* 6.6: no index array between the submission tail and the entries. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

/* 6.12: a sleep with a shortest time besides its longest, in what was padding of the argument. */
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15)
#endif

/* struct io_uring_getevents_arg by its newer name: liburing before 2.8 calls the second word pad.
 */
struct quoit_getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_bytes;
	uint32_t min_wait_us;
	uint64_t ts;
};

_Static_assert(sizeof(struct quoit_getevents_arg) == sizeof(struct io_uring_getevents_arg) &&
		       offsetof(struct quoit_getevents_arg, ts) ==
			       offsetof(struct io_uring_getevents_arg, ts),
	       "the kernel reads it as its own struct");

/* 6.15: a sleeping loop does not count as waiting for I/O in the load figures. */
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17)
#endif
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7)
#endif

#endif
