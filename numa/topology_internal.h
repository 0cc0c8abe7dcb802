/* SPDX-License-Identifier: MIT */
/*
 * topology_internal.h - what the readers of a topology share: the picture so far, and one buffer
 * through which every file goes.
 */
#ifndef QUOIT_NUMA_TOPOLOGY_INTERNAL_H
#define QUOIT_NUMA_TOPOLOGY_INTERNAL_H

#include <quoit/numa/sys_internal.h>
#include <quoit/numa/topology.h>

#include <limits.h>
#include <string.h>

#define QUOIT_TOPOLOGY_FILE_BYTES (64 * 1024) /* 8192 cpus without neighbours take 20 KiB */

struct quoit_topology_loader {
	struct quoit_topology t;
	const char *root; /* "" for this machine */
	bool injected;
	struct quoit_reason *why;
	struct quoit_idset usable; /* cpus; the online ones are in `t` */
	bool guessed_online;	   /* from who may be used: the rest may be online all the same */
	struct quoit_idset nodes;
	struct quoit_idset mems;	      /* nodes the cpuset allows */
	char path[PATH_MAX];		      /* of the file read last, for messages */
	char text[QUOIT_TOPOLOGY_FILE_BYTES]; /* and what it held */
};

#define QUOIT_TOPOLOGY_GUESS(l, ...) \
	((l)->t.guesses++ ? (void)0  \
			  : (void)quoit_reason_set(&(l)->t.first_guess, -ENODATA, __VA_ARGS__))

/* --- topology_files.c ---------------------------------------------------------------------------
 */

/* Find the root, and refuse one that is no folder. */
int quoit_topology_open_root(struct quoit_topology_loader *l, const char *root);

/* Read <root>/<path> into l->text: 0 or -errno, -EINVAL for a file that was cut short. */
QUOIT_PRINTF(2, 3)
int quoit_topology_read(struct quoit_topology_loader *l, const char *format, ...);

/* Read a file that is one list. -E2BIG for a number of `limit` or more; the set stays then. */
int quoit_topology_read_list(struct quoit_topology_loader *l, const char *path,
			     struct quoit_idset *set, unsigned limit);

/* Cut the list out of the line "<key>\t0-3\n" of the status file: -ENOENT if it has no such line.
 */
int quoit_topology_read_status(struct quoit_topology_loader *l, const char *key,
			       struct quoit_idset *set, unsigned limit);

/* --- topology_cpus.c ----------------------------------------------------------------------------
 */

/* Which cpus are online and which of them this thread may use. What it returns is fatal. */
int quoit_topology_load_usable(struct quoit_topology_loader *l);

/* Core, package and isolation of each usable cpu. */
int quoit_topology_load_cpus(struct quoit_topology_loader *l);

/* --- topology_nodes.c ---------------------------------------------------------------------------
 */

/* Which nodes are online and which may give memory to this thread. What it returns is fatal. */
int quoit_topology_load_node_lists(struct quoit_topology_loader *l);

/* Memory, distances and cpus of each node. */
void quoit_topology_load_nodes(struct quoit_topology_loader *l);

#endif
