/* SPDX-License-Identifier: MIT */
/*
 * main.c - what is true of the library on a machine with several nodes, looked at from inside.
 *
 *	guest node=ID:CPUS:MIB ... distance=FROM:TO:UNITS ... [mems=NODES] [weighs] [lends]
 *[refused]
 *
 * Prints a line for each case, and at the end how many pages were looked at and how many of them
 * were on the node that they were meant for.
 */
#include <vm/guest.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_AT_ONCE 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned bad;
static size_t pages_seen, pages_there;

bool guest_say(bool good, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&lock);
	bad += !good;
	printf(good ? "ok - " : "not ok - ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	pthread_mutex_unlock(&lock);
	return good;
}

int guest_end(void)
{
	printf("pages=%zu resident=%zu\n", pages_seen, pages_there);
	return bad != 0;
}

/* Of `n` pages, how many are in memory at all, and how many on `node`. Below 0: not told. */
static long look_at(const char *at, size_t n, int node, size_t *present)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *pages[LOOK_AT_ONCE];
	int status[LOOK_AT_ONCE];
	long there = 0;

	for (size_t i = 0; i < n; i++)
		pages[i] = (void *)(uintptr_t)(at + i * page);
	if (syscall(SYS_move_pages, 0L, n, pages, NULL, status, 0L) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		*present += status[i] >= 0;
		there += status[i] == node;
	}
	return there;
}

static void count_pages(size_t meant, size_t there)
{
	pthread_mutex_lock(&lock);
	pages_seen += meant;
	pages_there += there;
	pthread_mutex_unlock(&lock);
}

bool guest_resident(const char *what, const void *base, size_t bytes, int node, bool sparse)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uintptr_t from = (uintptr_t)base / page * page;
	const size_t all = ((uintptr_t)base + bytes - from + page - 1) / page;
	size_t present = 0, there = 0, meant;

	for (size_t done = 0; done < all; done += LOOK_AT_ONCE) {
		const size_t n = quoit_min(all - done, LOOK_AT_ONCE);
		const long found = look_at((const char *)from + done * page, n, node, &present);

		if (found < 0)
			return guest_say(false, "%s: the kernel does not tell where it is", what);
		there += (size_t)found;
	}
	meant = sparse ? present : all;
	count_pages(meant, there);
	return guest_say(there == meant && meant, "%s: %zu of %zu pages on node %d", what, there,
			 meant, node);
}

bool guest_spread(const char *what, const struct quoit_region *region,
		  const size_t on_node[GUEST_NODES])
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t meant = 0, there = 0, present = 0;

	for (int node = 0; node < GUEST_NODES; node++) {
		size_t found = 0;

		for (size_t done = 0; on_node[node] && done < region->bytes / page;
		     done += LOOK_AT_ONCE) {
			const size_t n = quoit_min(region->bytes / page - done, LOOK_AT_ONCE);
			const char *const at = (const char *)region->base + done * page;
			const long here = look_at(at, n, node, &present);

			if (here < 0)
				return guest_say(false, "%s: nobody tells where it is", what);
			found += (size_t)here;
		}
		meant += on_node[node];
		there += quoit_min(found, on_node[node]);
	}
	count_pages(meant, there);
	return guest_say(there == meant && meant == region->bytes / page,
			 "%s: %zu of %zu pages as meant", what, there, meant);
}

bool guest_region_resident(const char *what, const struct quoit_region *region, int node)
{
	return guest_resident(what, region->base, region->bytes, node, region->reserve);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!guest_read(argv[i])) {
			fprintf(stderr, "%s: %s is no part of a machine\n", argv[0], argv[i]);
			return 2;
		}
	guest_check_topology();
	guest_check_regions();
	guest_check_spread();
	guest_check_pools();
	guest_check_rings();
	if (machine.refused) {
		guest_check_refusal();
	} else {
		guest_check_queues();
		guest_check_cores();
	}
	return guest_end();
}
