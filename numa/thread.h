/* SPDX-License-Identifier: MIT */
/*
 * thread.h - where the calling thread runs.
 */
#ifndef QUOIT_NUMA_THREAD_H
#define QUOIT_NUMA_THREAD_H

#include <quoit/numa/idset.h>

QUOIT_C_BEGIN

struct quoit_topology;

/*
 * Keep the calling thread on one cpu, and look that it is there when this returns.
 *
 * Errors: -EINVAL for a cpu that does not exist, is offline, outside the cpuset or not below
 * QUOIT_CPUS_MAX; -ENODEV when the thread runs elsewhere all the same (the cpu went offline in
 * between, and the kernel widened the mask); -EPERM where a sandbox forbids it.
 */
QUOIT_MUST_CHECK int quoit_thread_pin(unsigned cpu);

/*
 * Let the calling thread run on these cpus only. The kernel drops those that are not allowed.
 *
 * Errors: -EINVAL if none is left.
 */
QUOIT_MUST_CHECK int quoit_thread_allow(const struct quoit_idset *cpus);

/*
 * Keep the calling thread on the usable cpus of one node, all of them: quoit_topology_pick_cpu()
 * and quoit_thread_pin() choose one.
 *
 * Errors: -ENODEV no such node, or no usable cpu there; those of quoit_thread_allow().
 */
QUOIT_MUST_CHECK int quoit_thread_pin_node(const struct quoit_topology *topology, int node);

/*
 * Where the calling thread may run.
 *
 * Errors: -E2BIG when the kernel knows more than QUOIT_CPUS_MAX cpus.
 */
QUOIT_MUST_CHECK int quoit_thread_affinity(struct quoit_idset *cpus);

/*
 * The cpu that runs the calling thread: a truth of the moment unless the thread is pinned. A pinned
 * thread that sees another cpu here was moved by hot-plug.
 *
 * Errors: -errno of getcpu, which a sandbox may forbid.   Cost: a few ns, no system call.
 */
int quoit_thread_cpu(void);

/*
 * The node of the cpu that runs the calling thread: as much a truth of the moment.
 *
 * Errors: -errno of getcpu, which a sandbox may forbid.   Cost: a few ns, no system call.
 */
int quoit_thread_node(void);

/*
 * The node that memory for the calling thread should come from: its own if the thread may take
 * memory there, else the nearest where it may, as quoit_topology_memory_node() of this moment.
 *
 * Errors: -errno of getcpu, which a sandbox may forbid; -ENODEV, -ENOMEM and others of
 * quoit_topology_load() where the own node has none.
 * Cost: a system call; reading the topology where the own node has no memory. Not for hot paths.
 */
int quoit_thread_memory_node(void);

/*
 * Name the calling thread for ps, top and debuggers. The kernel keeps the first 15 bytes.
 */
int quoit_thread_name(const char *name);

QUOIT_C_END

#endif
