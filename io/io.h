/* SPDX-License-Identifier: MIT */
/*
 * io.h - how large one core's share of the kernel is, and what it counts.
 */
#ifndef QUOIT_IO_IO_H
#define QUOIT_IO_IO_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

/* Per core. 0 stands for the default. Out of range is refused with -EINVAL and the reason. */
struct quoit_io_options {
	uint32_t sq_entries;	  /* submission entries, 64 to 16,384; default 1,024 */
	uint32_t streams_max;	  /* connections at once, up to 1,048,576; default 16,384 */
	uint32_t buffer_bytes;	  /* one receive buffer, 256 to 1 MiB; default 4 KiB */
	uint32_t buffer_count;	  /* a power of two, up to 32,768; default 512 */
	size_t send_bytes_max;	  /* waiting to be sent on all streams; default 64 MiB */
	size_t receive_bytes_max; /* received and not yet taken by handlers; default 32 MiB */
};

/* Written by the core's thread, readable by any other at any time. */
struct quoit_io_counts {
	uint64_t opened;       /* connections accepted */
	uint64_t closed;       /* connections ended; opened - closed are open */
	uint64_t refused;      /* accepted and closed at once: streams_max was reached */
	uint64_t accept_waits; /* times accepting paused because descriptors or memory ran out */
	uint64_t receives;     /* receive completions with bytes */
	uint64_t bytes_in;
	uint64_t sends; /* send operations completed */
	uint64_t bytes_out;
	uint64_t pauses; /* times a stream stopped receiving because it did not get rid of bytes */
	uint64_t buffers_exhausted; /* receives that found no buffer and waited for one */
};

QUOIT_C_END

#endif
