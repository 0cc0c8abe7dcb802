/* SPDX-License-Identifier: MIT */
/*
 * one_server.h - for tests with one server at a time: each begins with a fresh one and with nothing
 * seen, and whatever became of it, the server is gone behind it.
 *
 * Include after <cmocka.h>, once, in the file with the tests.
 */
#ifndef QUOIT_TESTS_SUPPORT_ONE_SERVER_H
#define QUOIT_TESTS_SUPPORT_ONE_SERVER_H

#include <string.h>

#include <support/server.h>

static struct server server;

/* For a set-up function: `seen` is what the tests of this file note. */
static inline int begin_anew(void *seen, size_t bytes, unsigned cores)
{
	memset(seen, 0, bytes);
	memset(&server, 0, sizeof(server));
	server.config.cores = cores;
	return 0;
}

/* A tear-down function. */
static inline int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

#endif
