/* SPDX-License-Identifier: MIT */
/*
 * stop_load.h - the clients of stop.c: connections that ask without pause, and keep count.
 *
 * A request is eight bytes that say which connection it belongs to, its number there and how it is
 * to be answered; the answer is the same bytes, in any order. A client counts each answer once, and
 * reads on until the server ends the connection.
 */
#ifndef QUOIT_TESTS_STRESS_STOP_LOAD_H
#define QUOIT_TESTS_STRESS_STOP_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stress/stress.h>

#define LINKS_MOST    2048 /* connections of one stop, one after the other */
#define NUMBERS_MOST  2048 /* requests of one connection */
#define WINDOW	      16
#define CLIENTS	      2
#define SLOTS	      5 /* connections of a client at once */
#define PATIENCE_MS   10
#define PATIENCE_MOST 3000 /* times that nothing comes: thirty seconds */

enum way {
	WAY_AT_ONCE,
	WAY_CALL,   /* another core is asked */
	WAY_NESTED, /* which asks a third before it answers */
	WAY_TIMER,  /* a little later */
	WAY_POSTS,  /* by a post there and a post back */
	WAYS,
};

struct request {
	uint16_t link;
	uint16_t way;
	uint32_t number;
};

/* One connection. The first part is its server's, the second its client's. */
struct link {
	QUOIT_ISOLATED uint32_t accepted; /* requests that a handler has read */
	uint32_t closed;
	int reason;

	QUOIT_ISOLATED uint32_t sent;
	uint32_t answered;
	uint32_t wrong; /* answers that came twice, or to nothing */
	uint64_t seen[NUMBERS_MOST / 64];
};

struct load {
	struct link links[LINKS_MOST];
	uint32_t links_begun;
	int port;
	uint32_t no_more;   /* connect no more */
	uint32_t impatient; /* clients that were left waiting */
};

/* One end of a connection. */
struct slot {
	int fd; /* -1: none */
	uint32_t link;
	uint32_t last; /* it ends by itself after so many requests */
	bool half_closed;
	size_t have; /* bytes of an answer that came in pieces */
	unsigned char bytes[sizeof(struct request)];
};

struct client {
	struct load *load;
	struct random random;
	struct slot slots[SLOTS];
};

static inline bool slot_open(struct client *client, struct slot *slot)
{
	struct load *load = client->load;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)load->port)};
	int fd;

	if (quoit_load(&load->no_more) || quoit_load(&load->links_begun) >= LINKS_MOST - CLIENTS)
		return false;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	*slot = (struct slot){.fd = fd,
			      .link = quoit_add(&load->links_begun, 1),
			      .last = 1 + (uint32_t)random_below(&client->random, NUMBERS_MOST)};
	return true;
}

static inline void slot_take(struct link *link, struct request request)
{
	const uint64_t bit = UINT64_C(1) << request.number % 64;
	uint64_t *word = &link->seen[request.number / 64 % (NUMBERS_MOST / 64)];

	if (request.number >= link->sent || (*word & bit))
		link->wrong++;
	else
		link->answered++;
	*word |= bit;
}

/* Answers have come, or the end. */
static inline void slot_read(struct client *client, struct slot *slot)
{
	struct link *link = &client->load->links[slot->link];
	unsigned char bytes[WINDOW * sizeof(struct request)];
	const ssize_t n = recv(slot->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(slot->fd);
		slot->fd = -1;
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		struct request request;

		slot->bytes[slot->have++] = bytes[i];
		if (slot->have < sizeof(request))
			continue;
		slot->have = 0;
		memcpy(&request, slot->bytes, sizeof(request));
		link->wrong += request.link != slot->link;
		slot_take(link, request);
	}
}

/* As many requests as the window lets, in one piece. */
static inline void slot_write(struct client *client, struct slot *slot)
{
	struct link *link = &client->load->links[slot->link];
	struct request requests[WINDOW];
	const uint32_t room = WINDOW - (link->sent - link->answered);
	uint32_t n = (uint32_t)random_below(&client->random, room + 1);

	n = (uint32_t)quoit_min(n, slot->last - link->sent);
	for (uint32_t i = 0; i < n; i++)
		requests[i] = (struct request){.link = (uint16_t)slot->link,
					       .way = (uint16_t)random_below(&client->random, WAYS),
					       .number = link->sent + i};
	/* A window of them always fits, or the server has gone: the next read tells. */
	if (n && send(slot->fd, requests, n * sizeof(*requests), MSG_NOSIGNAL) > 0)
		link->sent += n;
	if (link->sent == slot->last && !slot->half_closed) {
		slot->half_closed = true;
		(void)shutdown(slot->fd, SHUT_WR);
	}
}

static inline bool client_open(struct client *client)
{
	bool any = false;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &client->slots[i];

		if (slot->fd >= 0 || slot_open(client, slot))
			any = true;
	}
	return any;
}

/* A thread: ask until the server has ended every connection and takes no more. */
static inline void *client_worker(void *arg)
{
	struct client *client = arg;
	unsigned quiet = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		client->slots[i].fd = -1;
	while (client_open(client) && quiet < PATIENCE_MOST) {
		struct pollfd fds[SLOTS];

		for (unsigned i = 0; i < SLOTS; i++) {
			struct slot *slot = &client->slots[i];

			if (slot->fd >= 0)
				slot_write(client, slot);
			fds[i] = (struct pollfd){.fd = slot->fd, .events = POLLIN};
		}
		quiet = poll(fds, SLOTS, PATIENCE_MS) > 0 ? 0 : quiet + 1;
		for (unsigned i = 0; i < SLOTS; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				slot_read(client, &client->slots[i]);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		if (client->slots[i].fd >= 0)
			close(client->slots[i].fd);
	quoit_add(&client->load->impatient, quiet == PATIENCE_MOST);
	return NULL;
}

#endif
