/* SPDX-License-Identifier: MIT */
/*
 * drive.h - connections to the server, and one thread that keeps its share of them busy.
 *
 * Plain edge-triggered epoll, and nothing of the library: what it checks must not check itself.
 */
#ifndef LOAD_DRIVE_H
#define LOAD_DRIVE_H

#include "check.h"

#include <pthread.h>
#include <sys/socket.h>

enum {
	DRIVE_REASON = 160,
	DRIVE_DRAIN_S = 30, /* at most, from the end of the run to the last reply */
};

struct drive_options {
	struct sockaddr_storage to;
	socklen_t to_bytes;
	uint64_t run; /* tells our keys from those of other runs */
	unsigned connections, depth, keys;
	double seconds;
	double patience_s; /* without a byte from the server until its replies count as lost */
};

struct link {
	struct check check;
	int fd;	   /* -1 once it is closed */
	bool busy; /* there is more to ask, or to be answered */
	uint64_t heard_ns;
};

struct drive {
	const struct drive_options *options;
	struct link *links;
	unsigned link_count, busy;
	int epoll;
	int stop; /* eventfd: readable when the run shall end now */
	pthread_t thread;
	uint64_t end_ns, busy_ns; /* when to stop asking; how long the run took */
	struct findings findings;
	char reason[DRIVE_REASON]; /* why a connection ended early; the first one */
};

uint64_t now_ns(void);

/* A connected socket, or -errno. Waits at most `patience_s` for the connection, and for replies. */
int drive_connect(const struct drive_options *options);

/*
 * Connect `count` connections, the first of them with the number `first`.
 *
 * Owns: `stop` stays the caller's; once it is readable the run ends as if its time was over.
 * Errors: -errno; then nothing is left open.
 */
int drive_open(struct drive *d, const struct drive_options *options, unsigned first, unsigned count,
	       int stop);
void drive_close(struct drive *d);

/*
 * Run in a thread of its own until the time is over, every key is deleted again and every reply has
 * come or is lost. Errors: of pthread_create, negative.
 */
int drive_start(struct drive *d);

/* True once the thread is gone, false if it still ran at `until_ns`. */
bool drive_join(struct drive *d, uint64_t until_ns);

#endif
