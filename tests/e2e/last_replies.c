/* SPDX-License-Identifier: MIT */
/*
 * last_replies.c - PORT: load a key-value server until it ends, and look at every byte it said.
 *
 * Each connection sets and gets keys of its own, many requests ahead, so that every byte of every
 * reply is known beforehand. When the server ends a connection, what came must be right, and must
 * end where a reply ends. Exits with 0 if so; prints how many replies there were.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 16
#define WINDOW	    64
#define TEXT	    160
#define PATIENCE_MS 20000

struct connection {
	int fd; /* -1: over */
	unsigned id;
	uint64_t asked;
	uint64_t answered; /* whole replies */
	size_t at;	   /* bytes of the next one that have come */
	bool wrong;
};

/* Request `n` of a connection, and the reply to it. */
static size_t request_text(const struct connection *c, uint64_t n, char *text)
{
	char key[32], value[32];

	snprintf(key, sizeof(key), "key:%u:%u", c->id, (unsigned)(n / 2 % 97));
	snprintf(value, sizeof(value), "%u-%llu", c->id, (unsigned long long)(n / 2));
	if (n % 2)
		return (size_t)snprintf(text, TEXT, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n",
					strlen(key), key);
	return (size_t)snprintf(text, TEXT, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
				strlen(key), key, strlen(value), value);
}

static size_t reply_text(const struct connection *c, uint64_t n, char *text)
{
	char value[32];

	if (n % 2 == 0)
		return (size_t)snprintf(text, TEXT, "+OK\r\n");
	snprintf(value, sizeof(value), "%u-%llu", c->id, (unsigned long long)(n / 2));
	return (size_t)snprintf(text, TEXT, "$%zu\r\n%s\r\n", strlen(value), value);
}

static bool open_connection(struct connection *c, unsigned long port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return c->fd >= 0 && !connect(c->fd, (struct sockaddr *)&address, sizeof(address));
}

static void ask(struct connection *c)
{
	char text[WINDOW * TEXT];
	size_t bytes = 0;

	while (c->asked - c->answered < WINDOW)
		bytes += request_text(c, c->asked++, text + bytes);
	/* A window fits into any socket's buffer; what a server that ends does not take is lost. */
	if (bytes)
		(void)!send(c->fd, text, bytes, MSG_NOSIGNAL);
}

static void check(struct connection *c, const char *bytes, size_t n)
{
	char text[TEXT];
	size_t length = reply_text(c, c->answered, text);

	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != text[c->at++])
			c->wrong = true;
		if (c->at < length)
			continue;
		c->at = 0;
		length = reply_text(c, ++c->answered, text);
	}
}

static void look(struct connection *c)
{
	char bytes[16384];
	const ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0) {
		check(c, bytes, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	close(c->fd);
	c->fd = -1;
}

static bool round_of(struct connection *all)
{
	struct pollfd fds[CONNECTIONS];
	bool any = false;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		if (all[i].fd >= 0)
			ask(&all[i]);
		fds[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
		any |= all[i].fd >= 0;
	}
	if (!any || poll(fds, CONNECTIONS, PATIENCE_MS) <= 0)
		return false;
	for (unsigned i = 0; i < CONNECTIONS; i++)
		if (fds[i].fd >= 0 && fds[i].revents)
			look(&all[i]);
	return true;
}

int main(int argc, char **argv)
{
	static struct connection all[CONNECTIONS];
	uint64_t answered = 0;
	unsigned bad = 0;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		all[i].id = i;
		if (argc < 2 || !open_connection(&all[i], strtoul(argv[1], NULL, 10))) {
			fprintf(stderr, "last_replies: cannot connect\n");
			return 2;
		}
	}
	while (round_of(all))
		;
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		answered += all[i].answered;
		bad += all[i].wrong || all[i].at || all[i].fd >= 0;
	}
	printf("%llu replies, %u connections with a wrong one, a part of one, or no end\n",
	       (unsigned long long)answered, bad);
	return bad || !answered;
}
