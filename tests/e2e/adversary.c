/* SPDX-License-Identifier: MIT */
/*
 * adversary.c - clients that no server likes.
 *
 *   adversary echo|kv PORT polite            ask again and again until a line comes on stdin
 *   adversary echo|kv PORT bytes             send byte by byte
 *   adversary echo|kv PORT half COUNT        half-close after the question, and wait for the answer
 *   adversary echo|kv PORT reset COUNT       reset in the middle of a message
 *   adversary echo|kv PORT flood COUNT MIB   send for ever and read nothing, MIB MiB at most in all
 *   adversary echo|kv PORT many COUNT        so many connections at once, all served
 *   adversary echo|kv PORT starve COUNT      so many, of which few can be served at a time;
 *                                            prints "connected" and goes on at a line on stdin
 *
 * Exit code 0: it was served as it must be. 1: not, with the reason in one line on stdout. Nothing
 * here waits longer than a client's timeout.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/client.h"

struct language {
	const char *name;
	const char *question;
	const char *answer;
};

static const struct language languages[] = {
	{"echo", "who is there? ", "who is there? "},
	{"kv", "*1\r\n$4\r\nPING\r\n", "+PONG\r\n"},
};

static const struct language *words;
static int port;

static int complain(const char *what, long n)
{
	printf("%s: %ld\n", what, n);
	return 1;
}

static int ask(int fd)
{
	return client_send(fd, words->question, strlen(words->question));
}

/* Has the answer come, whole and right? */
static bool is_answered(int fd)
{
	char back[64];
	const size_t len = strlen(words->answer);

	return client_receive(fd, back, len) == (long)len && !memcmp(back, words->answer, len);
}

static bool line_came(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, 0) != 0;
}

static int be_polite(void)
{
	const int fd = client_connect(port);
	long rounds = 0;

	if (fd < 0)
		return complain("the polite client cannot connect", fd);
	do {
		if (ask(fd) < 0 || !is_answered(fd))
			return complain("the polite client was not answered in round", rounds);
		rounds++;
		usleep(1000);
	} while (!line_came());
	client_close(fd);
	printf("# %ld polite rounds\n", rounds);
	return 0;
}

static int send_bytes(void)
{
	const int fd = client_connect(port);

	for (int round = 0; round < 20; round++) {
		for (const char *byte = words->question; *byte; byte++) {
			if (client_send(fd, byte, 1) < 0)
				return complain("a single byte was not taken in round", round);
			usleep(200);
		}
		if (!is_answered(fd))
			return complain("single bytes were not answered in round", round);
	}
	client_close(fd);
	return 0;
}

static int half_close(int count)
{
	for (int i = 0; i < count; i++) {
		const int fd = client_connect(port);

		if (fd < 0 || ask(fd) < 0 || ask(fd) < 0 || client_half_close(fd) < 0)
			return complain("a client that half-closes was not taken", i);
		if (!is_answered(fd) || !is_answered(fd))
			return complain("a client that half-closed was not answered", i);
		if (!client_is_at_end(fd))
			return complain("a connection stayed open after a half-close", i);
		client_close(fd);
	}
	return 0;
}

static int reset_often(int count)
{
	for (int i = 0; i < count; i++) {
		const int fd = client_connect(port);

		if (fd < 0)
			return complain("a client that resets cannot connect", fd);
		if (i % 3)
			(void)ask(fd);
		(void)client_send(fd, words->question, 1 + (size_t)i % 5);
		client_reset(fd);
	}
	return 0;
}

static int flood(int count, int mib)
{
	static char bytes[1 << 16];
	const size_t len = strlen(words->question);
	const size_t whole = sizeof(bytes) / len * len;
	long long left = (long long)mib << 20;
	int *fds = calloc((size_t)count, sizeof(*fds));
	size_t *at = calloc((size_t)count, sizeof(*at));
	int quiet = 0;

	for (size_t i = 0; i < whole; i++)
		bytes[i] = words->question[i % len];
	for (int i = 0; i < count; i++)
		fds[i] = client_connect_small(port, 4096);
	/* Until nobody takes a byte for 20 looks. */
	while (left > 0 && quiet < 20) {
		long taken = 0;

		for (int i = 0; i < count && left > 0; i++) {
			const long n = client_send_some(fds[i], bytes + at[i], whole - at[i]);

			if (n < 0)
				return complain("a client that does not read was cut off", n);
			at[i] = (at[i] + (size_t)n) % whole;
			taken += n;
			left -= n;
		}
		quiet = taken ? 0 : quiet + 1;
		if (!taken)
			usleep(10000);
	}
	printf("# %lld bytes of the flood were taken\n", ((long long)mib << 20) - left);
	if (left <= 0)
		return complain("the flood was swallowed, MiB", mib);
	for (int i = 0; i < count; i++)
		client_close(fds[i]); /* with much unread: a reset */
	free(fds);
	free(at);
	return 0;
}

static int be_many(int count)
{
	int *fds = calloc((size_t)count, sizeof(*fds));

	for (int i = 0; i < count; i++) {
		fds[i] = client_connect(port);
		if (fds[i] < 0)
			return complain("one of many cannot connect", i);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < count; i++)
			if (ask(fds[i]) < 0)
				return complain("one of many cannot send", i);
		for (int i = 0; i < count; i++)
			if (!is_answered(fds[i]))
				return complain("one of many was not answered", i);
	}
	for (int i = 0; i < count; i++)
		client_close(fds[i]);
	free(fds);
	return 0;
}

/* All ask at once; whoever has been answered leaves, which lets the next one in. */
static int starve(int count)
{
	struct pollfd *clients = calloc((size_t)count, sizeof(*clients));
	int served = 0;
	char line[8];

	for (int i = 0; i < count; i++) {
		clients[i] = (struct pollfd){.fd = client_connect(port), .events = POLLIN};
		if (clients[i].fd < 0 || ask(clients[i].fd) < 0)
			return complain("one that is to wait cannot connect", i);
	}
	printf("connected\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return complain("no word to go on", 0);
	while (served < count) {
		if (poll(clients, (nfds_t)count, CLIENT_TIMEOUT_S * 1000) <= 0)
			return complain("nobody is served any more, after", served);
		for (int i = 0; i < count; i++) {
			if (!clients[i].revents)
				continue;
			if (!is_answered(clients[i].fd))
				return complain("one that waited was not answered, after", served);
			client_close(clients[i].fd);
			clients[i] = (struct pollfd){.fd = -1};
			served++;
		}
	}
	free(clients);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[3] : "";
	const int count = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 1;

	for (size_t i = 0; argc > 3 && i < sizeof(languages) / sizeof(*languages); i++)
		if (!strcmp(argv[1], languages[i].name))
			words = &languages[i];
	if (!words) {
		fprintf(stderr, "usage: adversary echo|kv PORT SCENARIO [COUNT]\n");
		return 2;
	}
	port = (int)strtol(argv[2], NULL, 10);
	if (!strcmp(what, "polite"))
		return be_polite();
	if (!strcmp(what, "bytes"))
		return send_bytes();
	if (!strcmp(what, "half"))
		return half_close(count);
	if (!strcmp(what, "reset"))
		return reset_often(count);
	if (!strcmp(what, "flood"))
		return flood(count, argc > 5 ? (int)strtol(argv[5], NULL, 10) : 100);
	if (!strcmp(what, "many"))
		return be_many(count);
	if (!strcmp(what, "starve"))
		return starve(count);
	fprintf(stderr, "adversary: no scenario %s\n", what);
	return 2;
}
