/* SPDX-License-Identifier: MIT */
/*
 * fake_root.h - a directory that looks like another machine's /sys and /proc, built by a test.
 */
#ifndef QUOIT_TESTS_NUMA_FAKE_ROOT_H
#define QUOIT_TESTS_NUMA_FAKE_ROOT_H

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake_root {
	char path[256];
};

struct fake_node {
	int id;
	const char *cpulist;
	long memory_kib;
	const char *distance;
};

/* What is NULL or 0 is left out. */
struct fake_machine {
	const char *cpus_online;
	const char *cpus_allowed;
	const char *mems_allowed;
	const char *nodes_online;
	struct fake_node nodes[16]; /* up to the first without a cpulist */
	int cpus;		    /* how many cpuN/topology folders */
	int smt_stride;	   /* cpu c and c + stride are siblings, for c < stride; 0: no SMT */
	long free_kib[16]; /* of the nodes; 0: 7 */
	const char *cpus_present;
	const char *cpus_isolated;
	const char *cpus_tickless;
};

static inline void fake_root_fail(const char *what, const char *path)
{
	perror(what);
	fprintf(stderr, "%s %s\n", what, path);
	abort();
}

/* Write a file below the root, with its folders. */
__attribute__((format(printf, 3, 4))) static inline void fake_root_write(
	const struct fake_root *root, const char *path, const char *format, ...)
{
	char whole[512];
	snprintf(whole, sizeof whole, "%s/%s", root->path, path);
	for (char *slash = whole + strlen(root->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(whole, 0700);
		*slash = '/';
	}
	FILE *const file = fopen(whole, "we");
	if (!file)
		fake_root_fail("write", whole);
	va_list arguments;
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	if (fclose(file))
		fake_root_fail("write", whole);
}

/* A failed test jumps over its clean-up: the next root, or the end of the program, makes up for it.
 */
static struct fake_root fake_root_left;

static inline int fake_root_remove_one(const char *path, const struct stat *status, int type,
				       struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline void fake_root_remove(const struct fake_root *root)
{
	fake_root_left.path[0] = '\0';
	nftw(root->path, fake_root_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fake_root_remove_left(void)
{
	const struct fake_root left = fake_root_left;
	if (left.path[0])
		fake_root_remove(&left);
}

/* An empty root. One at a time: it takes away what an earlier one left. */
static inline void fake_root_open(struct fake_root *root)
{
	static bool registered;
	if (!registered)
		registered = !atexit(fake_root_remove_left);
	fake_root_remove_left();
	const char *const folder = getenv("TMPDIR");
	snprintf(root->path, sizeof root->path, "%s/quoit-root-XXXXXX", folder ? folder : P_tmpdir);
	if (!mkdtemp(root->path))
		fake_root_fail("mkdtemp", root->path);
	fake_root_left = *root;
}

static inline void fake_root_status(const struct fake_root *root, const struct fake_machine *m)
{
	char allowed[256] = "";
	char mems[256] = "";
	if (m->cpus_allowed)
		snprintf(allowed, sizeof allowed, "Cpus_allowed:\tff\nCpus_allowed_list:\t%s\n",
			 m->cpus_allowed);
	if (m->mems_allowed)
		snprintf(mems, sizeof mems, "Mems_allowed:\tff\nMems_allowed_list:\t%s\n",
			 m->mems_allowed);
	fake_root_write(root, "proc/self/status",
			"Name:\tfake\nThreads:\t1\n%s%snonvoluntary:\t0\n", allowed, mems);
}

static inline void fake_root_cpus(const struct fake_root *root, const struct fake_machine *m)
{
	for (int cpu = 0; cpu < m->cpus; cpu++) {
		const int stride = m->smt_stride;
		const int core = stride ? cpu % stride : cpu;
		char path[128];
		const int n =
			snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/", cpu);
		snprintf(path + n, sizeof path - (size_t)n, "core_cpus_list");
		if (stride)
			fake_root_write(root, path, "%d,%d\n", core, core + stride);
		else
			fake_root_write(root, path, "%d\n", cpu);
		snprintf(path + n, sizeof path - (size_t)n, "core_id");
		fake_root_write(root, path, "%d\n", core * 2); /* core ids have holes in earnest */
		snprintf(path + n, sizeof path - (size_t)n, "physical_package_id");
		fake_root_write(root, path, "%d\n", core % 2);
	}
}

static inline void fake_root_lists(const struct fake_root *root, const struct fake_machine *m)
{
	const struct {
		const char *path, *list;
	} lists[] = {
		{"sys/devices/system/cpu/online", m->cpus_online},
		{"sys/devices/system/cpu/present", m->cpus_present},
		{"sys/devices/system/cpu/isolated", m->cpus_isolated},
		{"sys/devices/system/cpu/nohz_full", m->cpus_tickless},
		{"sys/devices/system/node/online", m->nodes_online},
	};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (lists[i].list)
			fake_root_write(root, lists[i].path, "%s\n", lists[i].list);
}

static inline void fake_root_build(struct fake_root *root, const struct fake_machine *m)
{
	fake_root_open(root);
	fake_root_lists(root, m);
	fake_root_status(root, m);
	fake_root_cpus(root, m);
	fake_root_write(root, "proc/meminfo", "MemTotal:        1024 kB\nMemFree: 5 kB\n");
	for (const struct fake_node *node = m->nodes; node->cpulist; node++) {
		char path[128];
		const long free_kib = m->free_kib[node - m->nodes];
		const int n =
			snprintf(path, sizeof path, "sys/devices/system/node/node%d/", node->id);
		snprintf(path + n, sizeof path - (size_t)n, "cpulist");
		fake_root_write(root, path, "%s\n", node->cpulist);
		snprintf(path + n, sizeof path - (size_t)n, "meminfo");
		fake_root_write(root, path,
				"Node %d MemTotal:       %ld kB\nNode %d MemFree: %ld kB\n",
				node->id, node->memory_kib, node->id, free_kib ? free_kib : 7);
		snprintf(path + n, sizeof path - (size_t)n, "distance");
		fake_root_write(root, path, "%s\n", node->distance);
	}
}

#endif
