/* SPDX-License-Identifier: MIT */
/* client.c - see client.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/client.h"

static int open_socket(int receive_bytes)
{
	const struct timeval limit = {.tv_sec = CLIENT_TIMEOUT_S};
	const int one = 1;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (receive_bytes)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	return fd;
}

static int connect_socket(int fd, unsigned host, int port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(0x7f000000u | host),
	};

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		const int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int client_connect_to(unsigned host, int port)
{
	return connect_socket(open_socket(0), host, port);
}

int client_connect(int port)
{
	return client_connect_to(1, port);
}

int client_connect_small(int port, int receive_bytes)
{
	return connect_socket(open_socket(receive_bytes), 1, port);
}

int client_send(int fd, const void *data, size_t len)
{
	const char *from = data;

	while (len) {
		const ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

long client_send_some(int fd, const void *data, size_t len)
{
	const ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return n;
	return errno == EAGAIN ? 0 : -errno;
}

long client_receive(int fd, void *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		const ssize_t n = recv(fd, (char *)data + got, len - got, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	return (long)got;
}

bool client_is_at_end(int fd)
{
	char byte;

	return client_receive(fd, &byte, 1) == 0;
}

int client_end(int fd)
{
	char bytes[65536];
	long n;

	do
		n = client_receive(fd, bytes, sizeof(bytes));
	while (n == (long)sizeof(bytes));
	return n < 0 ? (int)n : 0;
}

int client_half_close(int fd)
{
	return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

void client_reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

void client_close(int fd)
{
	close(fd);
}

unsigned char pattern_byte(uint64_t at)
{
	return (unsigned char)((at * 0x9e3779b97f4a7c15u) >> 56);
}

void pattern_fill(void *data, size_t len, uint64_t from)
{
	for (size_t i = 0; i < len; i++)
		((unsigned char *)data)[i] = pattern_byte(from + i);
}

size_t pattern_match(const void *data, size_t len, uint64_t from)
{
	size_t i = 0;

	while (i < len && ((const unsigned char *)data)[i] == pattern_byte(from + i))
		i++;
	return i;
}
