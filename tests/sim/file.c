/* SPDX-License-Identifier: MIT */
/*
 * file.c - the table of descriptors, and eventfds.
 *
 * As on Linux the lowest free number is given, so a number that was closed is used again at once,
 * and a file lives on while a request holds it.
 */
#include <sim/sim.h>

#include <errno.h>
#include <stdio.h>

static struct sim_file *table[SIM_FDS];
static uint64_t closed_at[SIM_FDS];
static unsigned highest; /* no file lies at or above it */

void sim_files_reset(void)
{
	for (unsigned i = 0; i < SIM_FDS; i++) {
		if (table[i])
			sim_file_close(SIM_FD_BASE + (int)i);
		closed_at[i] = 0;
	}
	highest = 0;
}

unsigned sim_files_highest(void)
{
	return highest;
}

struct sim_file *sim_file_new(enum sim_kind kind)
{
	struct sim_file *file = sim_alloc(sizeof(*file));

	file->kind = kind;
	file->fd = -1;
	return file;
}

int sim_file_open(struct sim_file *file)
{
	for (unsigned i = 0; i < SIM_FDS; i++) {
		if (table[i])
			continue;
		if (closed_at[i])
			sim_fault_note(SIM_FD_REUSED);
		table[i] = file;
		highest = i + 1 > highest ? i + 1 : highest;
		file->refs++;
		file->fd = SIM_FD_BASE + (int)i;
		return file->fd;
	}
	sim_violation("descriptors run out: something is never closed");
	return -EMFILE;
}

struct sim_file *sim_file_of(int fd)
{
	const int at = fd - SIM_FD_BASE;

	return at >= 0 && at < SIM_FDS ? table[at] : NULL;
}

struct sim_file *sim_file_at(unsigned index)
{
	return index < SIM_FDS ? table[index] : NULL;
}

static void destroy(struct sim_file *file)
{
	switch (file->kind) {
	case SIM_RING:
		sim_ring_close(file->ring);
		break;
	case SIM_LISTENER:
		sim_listener_closed(file);
		break;
	case SIM_STREAM:
		sim_conn_closed(file->conn);
		break;
	case SIM_EVENTFD:
		break;
	}
	sim_free(file);
}

void sim_file_put(struct sim_file *file)
{
	if (!--file->refs)
		destroy(file);
}

int sim_file_close(int fd)
{
	struct sim_file *file = sim_file_of(fd);

	if (!file) {
		sim_violation("close of a descriptor that is not open: %d", fd);
		return -EBADF;
	}
	sim_trace("close %d", fd);
	table[fd - SIM_FD_BASE] = NULL;
	closed_at[fd - SIM_FD_BASE] = sim.now_ns;
	file->fd = -1;
	sim_file_put(file);
	return 0;
}

unsigned sim_files_open(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SIM_FDS; i++)
		n += table[i] != NULL;
	return n;
}

void sim_files_describe(void)
{
	static const char *const kinds[] = {"eventfd", "io_uring", "listener", "stream"};

	for (unsigned i = 0; i < SIM_FDS; i++)
		if (table[i])
			printf("  descriptor %u is open: %s\n", SIM_FD_BASE + i,
			       kinds[table[i]->kind]);
}

void sim_eventfd_ring(struct sim_file *file, uint64_t value)
{
	file->counter += value;
	file->wakes++;
}
