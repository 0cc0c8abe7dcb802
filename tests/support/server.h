/* SPDX-License-Identifier: MIT */
/*
 * server.h - a runtime inside a test: started, told what to do on one of its cores, stopped.
 *
 * What a test wants done on a core's thread it sends over a connection of its own (127.0.0.2 for
 * core 0, .3 for core 1 ...), so that the core is woken by it as by any other bytes, and by nothing
 * else: a timer that looked for commands would hide a wake-up that the library forgot.
 *
 * Include after <cmocka.h>. Everything here is for the test's own thread.
 */
#ifndef QUOIT_TESTS_SUPPORT_SERVER_H
#define QUOIT_TESTS_SUPPORT_SERVER_H

#include <time.h>

#include <quoit.h>
#include <quoit/numa/atomic.h>

#include "support/client.h"

#define SERVER_CORES 4

typedef void (*server_fn)(struct quoit_core *core, void *ctx);

struct server;

/* One core's end of the connection for commands. */
struct server_control {
	struct server *server;
	struct quoit_core *core;
	int port;
	int fd; /* the test's end; -1 before it was needed */
	server_fn fn;
	void *ctx;
	uint32_t asked;
};

struct server {
	/* Filled in by the test. */
	struct quoit_config config; /* its start, stop and ctx are the server's own */
	struct quoit_stream_events events;
	void *ctx;					   /* for events, also and ended */
	int (*also)(struct quoit_core *core, void *ctx);   /* more to do at the start */
	void (*ended)(struct quoit_core *core, void *ctx); /* more to do at the end */

	/* Filled in by server_start(). */
	struct quoit_runtime *runtime;
	int port;
	struct server_control control[SERVER_CORES];
};

/* Start it. Skips the test where io_uring is refused, fails it for any other reason. */
void server_start(struct server *server);

/* Run fn on a core's thread, and come back when it has returned. */
void server_run(struct server *server, unsigned core, server_fn fn, void *ctx);

/* Let the cores handle everything that has reached their sockets by now. */
void server_settle(struct server *server);

/* What all cores have counted, taken together. */
struct quoit_stats server_stats(const struct server *server);

/* Stop, let everything finish, and fail the test if something could not. */
void server_stop(struct server *server);

/* Stop with this limit; gives what quoit_runtime_wait() says. */
int server_stop_within(struct server *server, uint64_t timeout_ns, struct quoit_reason *why);

/* Wait for all cores to end, after somebody asked them to. */
int server_wait(struct server *server, struct quoit_reason *why);

/* For a fixture's end: what a failed test has left running. */
void server_abandon(struct server *server);

bool server_patience(struct timespec *began);

/* Wait until `condition` holds; far longer than it can take, so that only a hang fails. */
#define assert_soon(condition)                                              \
	do {                                                                \
		struct timespec began_ = {0, 0};                            \
		while (!(condition))                                        \
			if (!server_patience(&began_))                      \
				fail_msg("never became true: " #condition); \
	} while (0)

#endif
