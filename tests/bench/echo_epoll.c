/* SPDX-License-Identifier: MIT */
/*
 * echo_epoll.c - the peer that everybody knows: an echo server on edge-triggered epoll, tuned.
 *
 *	echo_epoll CPU
 *
 * One thread. A connection is registered once, for both directions, and epoll_ctl is never called
 * again. A read that comes back short has emptied the socket, so there is no second one that says
 * EAGAIN; what is read is sent from the same buffer at once. Only if the socket does not take all
 * of it is the rest kept, and the connection not read until it has gone. A busy connection gives
 * way to the others after a few reads.
 */
#include "net.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 65536, /* by descriptor */
	EVENTS_PER_WAIT = 512,
	READ_BYTES = 65536,
	READS_PER_TURN = 8,
};

struct connection {
	char *rest; /* what the socket did not take, READ_BYTES at most; else NULL */
	size_t rest_at, rest_len;
	bool ended; /* the peer has sent its FIN: a short read does not mean empty */
};

static struct connection connections[CONNECTIONS_MAX];
static char bytes[READ_BYTES];
static int unfinished[EVENTS_PER_WAIT * 2]; /* had more to read, and gave way */
static int unfinished_count;

static void connection_close(int fd)
{
	free(connections[fd].rest);
	connections[fd].rest = NULL;
	close(fd);
}

/* Send, and keep what does not go. False: the connection is broken. */
static bool send_or_keep(int fd, const char *data, size_t len)
{
	struct connection *const c = &connections[fd];
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return true;
	c->rest = malloc(READ_BYTES);
	if (!c->rest)
		return false;
	c->rest_at = 0;
	c->rest_len = len - (size_t)n;
	memcpy(c->rest, data + n, c->rest_len);
	return true;
}

/* Send what was kept. False: the connection is broken. */
static bool flush_rest(int fd)
{
	struct connection *const c = &connections[fd];

	while (c->rest_len > 0) {
		const ssize_t n = send(fd, c->rest + c->rest_at, c->rest_len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			c->rest_at += (size_t)n;
			c->rest_len -= (size_t)n;
		}
	}
	free(c->rest);
	c->rest = NULL;
	return true;
}

static void serve(int fd)
{
	struct connection *const c = &connections[fd];

	if (c->rest && !flush_rest(fd)) {
		connection_close(fd);
		return;
	}
	for (int reads = 0; !c->rest; reads++) {
		if (reads >= READS_PER_TURN && unfinished_count < EVENTS_PER_WAIT * 2) {
			unfinished[unfinished_count++] = fd;
			return;
		}

		const ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || !send_or_keep(fd, bytes, (size_t)n)) {
			connection_close(fd);
			return;
		}
		if ((size_t)n < sizeof(bytes) && !c->ended)
			return;
	}
}

static void accept_all(int poll_fd, int listener)
{
	for (;;) {
		const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
					 .data.fd = fd};

		if (fd < 0)
			return;
		if (fd >= CONNECTIONS_MAX || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &ev)) {
			close(fd);
			continue;
		}
		connections[fd] = (struct connection){0};
	}
}

int main(int argc, char **argv)
{
	static struct epoll_event events[EVENTS_PER_WAIT];
	static int again[EVENTS_PER_WAIT * 2];

	if (argc != 2)
		die("usage: echo_epoll CPU");
	pin_to_cpu((int)number(argv[1], "CPU", 0, CPU_SETSIZE - 1));

	const int listener = listen_and_tell();
	const int poll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener};

	if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &ev))
		die("epoll: %m");
	for (;;) {
		const int n =
			epoll_wait(poll_fd, events, EVENTS_PER_WAIT, unfinished_count ? 0 : -1);
		const int again_count = unfinished_count;

		if (n < 0 && errno != EINTR)
			die("epoll_wait: %m");
		/* one that was closed meanwhile fails with EBADF, and a new one is read in vain */
		memcpy(again, unfinished, (size_t)again_count * sizeof(*again));
		unfinished_count = 0;
		for (int i = 0; i < again_count; i++)
			serve(again[i]);
		for (int i = 0; i < n; i++) {
			const int fd = events[i].data.fd;

			if (fd == listener) {
				accept_all(poll_fd, listener);
				continue;
			}
			connections[fd].ended |= (events[i].events & (EPOLLRDHUP | EPOLLHUP)) != 0;
			serve(fd);
		}
	}
}
