/* SPDX-License-Identifier: MIT */
/*
 * faulty_proxy.h - a server that does one thing wrong: it hands on what redis answers, but for the
 * one reply it was told to spoil.
 */
#ifndef TESTS_LOAD_FAULTY_PROXY_H
#define TESTS_LOAD_FAULTY_PROXY_H

#include "bytes.h"
#include "reply.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum fault {
	NO_FAULT,
	CRUMBS, /* no fault either: byte by byte */
	FLIP,
	WRONG_TYPE,
	STALE,
	SWAP,
	TWICE,
	DROP,
	MISROUTE,
	CUT,
	STALL,
	CLOSE,
};

enum {
	PROXY_PAIRS_MAX = 8,
	PROXY_ROOM = 1 << 20,
	PROXY_CRUMBS = 4000,	/* bytes */
	PROXY_FAULT_AFTER = 40, /* replies: every run has more of them */
};

struct proxy_pair {
	int client, server;
	bool stalled;
	struct bytes in;
	struct bytes last; /* the bulk string that was handed on last */
};

struct proxy {
	enum fault fault;
	bool done;
	unsigned replies, crumbs, pair_count;
	struct sockaddr_un redis;
	struct proxy_pair pairs[PROXY_PAIRS_MAX];
};

static int proxy_connect(const struct sockaddr_un *to)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void proxy_give(struct proxy *p, int fd, const char *data, size_t len)
{
	while (len) {
		const bool crumb = p->fault == CRUMBS && p->crumbs < PROXY_CRUMBS;
		const ssize_t n = send(fd, data, crumb ? 1 : len, MSG_NOSIGNAL);

		if (n < 0)
			return;
		p->crumbs += crumb;
		data += n;
		len -= (size_t)n;
	}
}

static void proxy_close(struct proxy_pair *pair)
{
	close(pair->client);
	close(pair->server);
	pair->client = pair->server = -1;
}

/* Spoil one whole reply, unless this one does not lend itself to it. Returns the bytes used. */
static size_t proxy_spoil(struct proxy *p, struct proxy_pair *pair, const char *data, size_t len,
			  size_t held)
{
	char copy[64];
	const ssize_t next = reply_measure(data + len, held - len);

	switch (p->fault) {
	case FLIP:
		if (len > sizeof(copy) || data[len - 3] == '1')
			return 0;
		memcpy(copy, data, len);
		copy[len - 3] ^= 1;
		proxy_give(p, pair->client, copy, len);
		return len;
	case WRONG_TYPE:
		if (*data != ':')
			return 0;
		proxy_give(p, pair->client, "+", 1);
		proxy_give(p, pair->client, data + 1, len - 1);
		return len;
	case STALE:
		if (*data != '$' || !bytes_held(&pair->last) ||
		    (bytes_held(&pair->last) == len &&
		     memcmp(bytes_front(&pair->last), data, len) == 0))
			return 0;
		proxy_give(p, pair->client, bytes_front(&pair->last), bytes_held(&pair->last));
		return len;
	case SWAP:
		if (next <= 0 || ((size_t)next == len && memcmp(data, data + len, len) == 0))
			return 0;
		proxy_give(p, pair->client, data + len, (size_t)next);
		proxy_give(p, pair->client, data, len);
		return len + (size_t)next;
	case TWICE:
		proxy_give(p, pair->client, data, len);
		proxy_give(p, pair->client, data, len);
		return len;
	case MISROUTE:
		if (pair == &p->pairs[0])
			return 0;
		proxy_give(p, p->pairs[0].client, data, len);
		return len;
	case CUT:
		proxy_give(p, pair->client, data, len / 2);
		proxy_close(pair);
		return len;
	case CLOSE:
		proxy_close(pair);
		return len;
	case STALL:
		pair->stalled = true;
		return len;
	default: /* DROP */
		return len;
	}
}

static void proxy_remember(struct proxy_pair *pair, const char *data, size_t len)
{
	if (*data != '$' || data[1] == '-')
		return;
	bytes_drop(&pair->last, bytes_held(&pair->last));
	bytes_put(&pair->last, data, len);
}

static void proxy_replies(struct proxy *p, struct proxy_pair *pair)
{
	while (pair->client >= 0 && !pair->stalled) {
		const char *const data = bytes_front(&pair->in);
		const size_t held = bytes_held(&pair->in);
		const ssize_t len = held ? reply_measure(data, held) : 0;
		size_t used = 0;

		if (len <= 0)
			return;
		if (p->fault > CRUMBS && !p->done && p->replies >= PROXY_FAULT_AFTER)
			used = proxy_spoil(p, pair, data, (size_t)len, held);
		p->replies++;
		p->done = p->done || used;
		if (!used) {
			used = (size_t)len;
			proxy_give(p, pair->client, data, used);
			proxy_remember(pair, data, used);
		}
		bytes_drop(&pair->in, used);
	}
}

static void proxy_pair_serve(struct proxy *p, struct proxy_pair *pair, bool from_client)
{
	static char requests[65536];

	if (from_client) {
		const ssize_t n = recv(pair->client, requests, sizeof(requests), 0);

		if (n <= 0)
			proxy_close(pair);
		else
			proxy_give(p, pair->server, requests, (size_t)n);
		return;
	}
	if (!bytes_space(&pair->in, 1))
		return;

	const ssize_t n =
		recv(pair->server, pair->in.data + pair->in.end, pair->in.room - pair->in.end, 0);

	if (n <= 0) {
		proxy_close(pair);
		return;
	}
	pair->in.end += (size_t)n;
	proxy_replies(p, pair);
}

static void proxy_accept(struct proxy *p, int listener)
{
	struct proxy_pair *const pair = &p->pairs[p->pair_count++];

	pair->client = accept(listener, NULL, NULL);
	pair->server = proxy_connect(&p->redis);
	if (pair->client < 0 || pair->server < 0 || bytes_init(&pair->in, PROXY_ROOM) ||
	    bytes_init(&pair->last, PROXY_ROOM))
		_exit(1);
}

/* Serve until killed; to be run in a process of its own. */
static void proxy_run(struct proxy *p, int listener)
{
	for (;;) {
		struct pollfd fds[2 * PROXY_PAIRS_MAX + 1];
		const unsigned pairs = p->pair_count;

		for (unsigned i = 0; i < pairs; i++) {
			fds[2 * i] = (struct pollfd){p->pairs[i].client, POLLIN, 0};
			fds[2 * i + 1] = (struct pollfd){p->pairs[i].server, POLLIN, 0};
		}
		fds[2 * pairs] =
			(struct pollfd){pairs < PROXY_PAIRS_MAX ? listener : -1, POLLIN, 0};
		if (poll(fds, 2 * pairs + 1, 30000) <= 0)
			_exit(0);
		for (unsigned i = 0; i < 2 * pairs; i++) {
			struct proxy_pair *const pair = &p->pairs[i / 2];

			if (fds[i].revents && pair->client >= 0)
				proxy_pair_serve(p, pair, i % 2 == 0);
		}
		if (fds[2 * pairs].revents)
			proxy_accept(p, listener);
	}
}

#endif
