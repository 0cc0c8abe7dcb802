/* SPDX-License-Identifier: MIT */
/*
 * drive.c - edge-triggered epoll over the connections of one thread.
 *
 * Each batch of replies is followed at once by as many new requests, in one send. A connection that
 * has finished stays open to the end: whatever still came on it nobody asked for.
 */
#include "drive.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 128,
	TICK_MS = 100,
	READ_BYTES = 32768,
};

static const uint64_t second_ns = 1000000000;

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * second_ns + (uint64_t)t.tv_nsec;
}

int drive_connect(const struct drive_options *options)
{
	const struct timeval patience = {
		.tv_sec = (time_t)options->patience_s,
		.tv_usec = (suseconds_t)(options->patience_s * 1e6) % 1000000,
	};
	const int one = 1;
	const int fd = socket(options->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (const struct sockaddr *)&options->to, options->to_bytes) == 0 &&
	    (options->to.ss_family == AF_UNIX ||
	     setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0))
		return fd;

	const int rc = errno == EINPROGRESS ? -ETIMEDOUT : -errno;

	close(fd);
	return rc;
}

static int link_open(struct drive *d, struct link *l, unsigned number)
{
	const struct drive_options *const o = d->options;
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = l,
	};
	int rc = drive_connect(o);

	if (rc < 0)
		return rc;
	l->fd = rc;
	l->busy = true;
	d->busy++;
	rc = check_init(&l->check, &d->findings, o->run, number, o->keys, o->depth);
	if (rc == 0 && (fcntl(l->fd, F_SETFL, O_NONBLOCK) ||
			epoll_ctl(d->epoll, EPOLL_CTL_ADD, l->fd, &event)))
		rc = -errno;
	return rc;
}

static void link_finish(struct drive *d, struct link *l)
{
	d->busy -= l->busy;
	l->busy = false;
}

static void link_close(struct drive *d, struct link *l)
{
	link_finish(d, l);
	close(l->fd);
	l->fd = -1;
}

int drive_open(struct drive *d, const struct drive_options *options, unsigned first, unsigned count,
	       int stop)
{
	struct epoll_event event = {.events = EPOLLIN};
	int rc = 0;

	*d = (struct drive){.options = options, .stop = stop};
	d->links = calloc(count, sizeof(*d->links));
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!d->links || d->epoll < 0 || epoll_ctl(d->epoll, EPOLL_CTL_ADD, stop, &event))
		rc = d->links ? -errno : -ENOMEM;
	for (unsigned i = 0; rc == 0 && i < count; i++) {
		struct link *const l = &d->links[d->link_count++];

		l->fd = -1;
		rc = link_open(d, l, first + i);
	}
	if (rc != 0)
		drive_close(d);
	return rc;
}

void drive_close(struct drive *d)
{
	for (unsigned i = 0; i < d->link_count; i++) {
		if (d->links[i].fd >= 0)
			link_close(d, &d->links[i]);
		check_fini(&d->links[i].check);
	}
	if (d->epoll >= 0)
		close(d->epoll);
	d->epoll = -1;
	free(d->links);
	d->links = NULL;
	d->link_count = 0;
}

/* The connection is of no more use: what is outstanding is lost. */
static void link_fail(struct drive *d, struct link *l, const char *why)
{
	const uint64_t outstanding = check_outstanding(&l->check);

	if (!d->reason[0])
		snprintf(d->reason, sizeof(d->reason),
			 "connection %u: %s, %llu replies outstanding", l->check.connection, why,
			 (unsigned long long)outstanding);
	check_give_up(&l->check);
	link_close(d, l);
}

/* Ask what may be asked now and send it. */
static void link_push(struct drive *d, struct link *l, uint64_t now)
{
	struct check *const c = &l->check;

	if (now >= d->end_ns)
		workload_sweep(&c->workload);
	check_ask(c, now);
	if (!check_outstanding(c))
		link_finish(d, l);
	while (check_unsent(c)) {
		const ssize_t n = send(l->fd, check_unsent_data(c), check_unsent(c), MSG_NOSIGNAL);

		if (n >= 0)
			check_was_sent(c, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR) {
			link_fail(d, l, strerror(errno));
			return;
		}
	}
}

/* Receive and compare until there is no more; `ending` if an end of file may be among it. */
static bool link_pull(struct drive *d, struct link *l, bool ending)
{
	struct bytes *const in = &l->check.input;

	for (;;) {
		if (!bytes_space(in, READ_BYTES))
			bytes_space(in, 1);

		const size_t room = in->room - in->end;
		const ssize_t n = recv(l->fd, in->data + in->end, room, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0 && !l->busy) {
			link_close(d, l);
			return false;
		}
		if (n <= 0) {
			link_fail(d, l, n ? strerror(errno) : "closed by the server");
			return false;
		}
		in->end += (size_t)n;
		l->heard_ns = now_ns();
		if (check_take(&l->check, l->heard_ns)) {
			link_fail(d, l, "not the reply to a request");
			return false;
		}
		if ((size_t)n < room && !ending)
			return true;
	}
}

static void link_serve(struct drive *d, struct link *l, uint32_t events)
{
	if (l->fd < 0)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) &&
	    !link_pull(d, l, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		return;
	link_push(d, l, now_ns());
}

/* Ten times a second: who has been waiting for too long? */
static void tick(struct drive *d, uint64_t now)
{
	const uint64_t patience = (uint64_t)(d->options->patience_s * 1e9);
	const bool overdue = now > d->end_ns && now - d->end_ns > DRIVE_DRAIN_S * second_ns;
	char why[64];

	snprintf(why, sizeof(why), "nothing came for %g s", d->options->patience_s);
	for (unsigned i = 0; i < d->link_count; i++) {
		struct link *const l = &d->links[i];

		if (!l->busy)
			continue;
		if (overdue)
			link_fail(d, l, "not finished long after the end");
		else if (now - l->heard_ns > patience)
			link_fail(d, l, why);
	}
}

static void begin(struct drive *d, uint64_t now)
{
	d->end_ns = now + (uint64_t)(d->options->seconds * 1e9);
	for (unsigned i = 0; i < d->link_count; i++) {
		d->links[i].heard_ns = now;
		link_push(d, &d->links[i], now);
	}
}

static void *drive_thread(void *ctx)
{
	struct drive *const d = ctx;
	const uint64_t start = now_ns();
	uint64_t ticked = start;
	struct epoll_event events[EVENTS];

	begin(d, start);
	while (d->busy) {
		const int n = epoll_wait(d->epoll, events, EVENTS, TICK_MS);

		for (int i = 0; i < n; i++) {
			struct link *const l = events[i].data.ptr;

			if (l) {
				link_serve(d, l, events[i].events);
				continue;
			}
			epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->stop, NULL);
			d->end_ns = now_ns();
		}

		const uint64_t now = now_ns();

		if (now - ticked >= TICK_MS * second_ns / 1000) {
			ticked = now;
			tick(d, now);
		}
	}
	d->busy_ns = now_ns() - start;
	for (unsigned i = 0; i < d->link_count; i++)
		link_serve(d, &d->links[i], EPOLLIN);
	return NULL;
}

int drive_start(struct drive *d)
{
	return -pthread_create(&d->thread, NULL, drive_thread, d);
}

bool drive_join(struct drive *d, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / second_ns),
		.tv_nsec = (long)(until_ns % second_ns),
	};

	return pthread_clockjoin_np(d->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}
