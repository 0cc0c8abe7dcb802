/* SPDX-License-Identifier: MIT */
/*
 * Memory by way of the kernel.
 *
 * expect: alloc: tick -> mmap
 */
#include <quoit/numa/realtime.h>

#include <stddef.h>
#include <sys/mman.h>

QUOIT_RT void *tick(void)
{
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
