/* SPDX-License-Identifier: MIT */
/*
 * policy.h - by which policy the kernel would take the next page of some memory: what a ring asked
 * for, seen from outside, also on a machine of one node.
 */
#ifndef QUOIT_TESTS_SUPPORT_POLICY_H
#define QUOIT_TESTS_SUPPORT_POLICY_H

#include <sys/syscall.h>
#include <unistd.h>

/* As in <linux/mempolicy.h>, with MPOL_F_STATIC_NODES where we set it. */
enum {
	POLICY_DEFAULT = 0,
	POLICY_PREFERRED = 1,
	POLICY_INTERLEAVED = 3 | 1 << 15,
};

/* Below 0: the kernel does not tell. */
static inline int memory_policy(const void *at)
{
	const unsigned long of_address = 2;
	int mode = -1;

	return syscall(SYS_get_mempolicy, &mode, NULL, 0L, at, of_address) < 0 ? -1 : mode;
}

#endif
