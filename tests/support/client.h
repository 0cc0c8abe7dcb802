/* SPDX-License-Identifier: MIT */
/*
 * client.h - the other end of a connection: plain blocking sockets on 127.0.0.1.
 *
 * Every wait has a limit of ten seconds, so that a server that has lost a byte fails a test instead
 * of hanging it. All give -errno on failure.
 */
#ifndef QUOIT_TESTS_SUPPORT_CLIENT_H
#define QUOIT_TESTS_SUPPORT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_TIMEOUT_S 10

/* Connect to a port of 127.0.0.1; `host` is its last byte. Gives the descriptor. */
int client_connect_to(unsigned host, int port);
int client_connect(int port);

/* The same with a small receive buffer, so that the kernel holds little for who does not read. */
int client_connect_small(int port, int receive_bytes);

/* Send all of it. 0 or -errno. */
int client_send(int fd, const void *data, size_t len);

/* Send what fits without waiting. Gives how many bytes, 0 when nothing fits. */
long client_send_some(int fd, const void *data, size_t len);

/* Receive exactly `len` bytes, fewer only at the end. Gives how many, or -errno. */
long client_receive(int fd, void *data, size_t len);

/* Is the next thing to come the end of the connection? */
bool client_is_at_end(int fd);

/* 0 for an orderly end, -ECONNRESET ...; bytes that come before it are dropped. */
int client_end(int fd);

int client_half_close(int fd);

/* Close with a reset. */
void client_reset(int fd);
void client_close(int fd);

/* Byte `at` of a stream that is not the same everywhere, and a stretch of it. */
unsigned char pattern_byte(uint64_t at);
void pattern_fill(void *data, size_t len, uint64_t from);

/* How many bytes of `data` are what pattern_fill() would have put there. */
size_t pattern_match(const void *data, size_t len, uint64_t from);

#endif
