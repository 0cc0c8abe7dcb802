/* SPDX-License-Identifier: MIT */
/*
 * region_checks.h - what the region tests share. Include it after cmocka.
 */
#ifndef QUOIT_TESTS_NUMA_REGION_CHECKS_H
#define QUOIT_TESTS_NUMA_REGION_CHECKS_H

#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/numa/region.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>

static inline size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The node that memory comes from for the first cpu of this machine. */
static int home;

/*
 * What the kernel grants this process, tried here without a region: only where the answer is no may
 * a region fall short, and the test be skipped.
 */
static struct {
	bool bind, tell, lock;
} granted;

static inline void probe_kernel(void)
{
	const size_t bytes = 1 << 20;
	void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(page != MAP_FAILED);
	const int preferred = 1;
	uint64_t mask[QUOIT_NODES_MAX / 64] = {0};
	mask[home / 64] = (uint64_t)1 << (home % 64);
	int status = -1;
	granted.bind = !syscall(SYS_mbind, page, bytes, (long)preferred, mask,
				(long)QUOIT_NODES_MAX + 1, 0L);
	*(volatile char *)page = 1;
	granted.tell = !syscall(SYS_move_pages, 0L, 1L, &page, NULL, &status, 0L);
	granted.lock = !mlock(page, bytes);
	munmap(page, bytes);
}

/* What this process has locked. */
static inline long locked_kib(void)
{
	FILE *const status = fopen("/proc/self/status", "re");
	assert_non_null(status);
	char line[256];
	long kib = -1;
	while (fgets(line, sizeof line, status) && sscanf(line, "VmLck: %ld kB", &kib) != 1)
		;
	fclose(status);
	return kib;
}

static inline void need(bool grant, const char *what)
{
	if (grant)
		return;
	print_message("SKIP: this kernel or sandbox refuses %s\n", what);
	skip();
}

static inline int find_home(void **state)
{
	(void)state;
	struct quoit_topology t;
	struct quoit_reason why = {0};
	if (quoit_topology_load(&t, NULL, &why)) {
		print_error("%s\n", why.text);
		return -1;
	}
	/* Be there: what no policy binds is then at home too, on a machine of several nodes. */
	home = quoit_topology_memory_node(&t, t.cpus[0].node);
	const int rc = quoit_thread_pin(t.cpus[0].cpu);
	quoit_topology_fini(&t);
	if (home < 0 || rc < 0)
		return -1;
	probe_kernel();
	return 0;
}

/* Still mapped? A page that is not there has no residency. */
static inline bool mapped(void *base)
{
	unsigned char resident;
	return mincore(base, page_bytes(), &resident) == 0;
}

#endif
