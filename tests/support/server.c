/* SPDX-License-Identifier: MIT */
/* server.c - see server.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "support/server.h"
#include "support/skip.h"

#define STOP_NS	   (20 * 1000 * 1000 * 1000ull)
#define FIRST_HOST 2

static void obey(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct server_control *control = ctx;
	const char done = 'd';

	(void)in;
	if (quoit_load_acquire(&control->asked)) {
		control->fn(control->core, control->ctx);
		quoit_store_release(&control->asked, 0);
		quoit_stream_send(stream, &done, 1);
	}
}

static int open_core(struct quoit_core *core, void *ctx)
{
	struct server *server = ctx;
	const unsigned index = quoit_core_index(core);
	struct server_control *control = &server->control[index];
	char text[32];
	int rc;

	control->core = core;
	snprintf(text, sizeof(text), "127.0.0.%u:0", FIRST_HOST + index);
	control->port =
		quoit_listen(core, text, &(struct quoit_stream_events){.data = obey}, control);
	if (control->port < 0)
		return control->port;
	rc = quoit_listen(core, "127.0.0.1:0", &server->events, server->ctx);
	if (rc < 0)
		return rc;
	if (index == 0)
		server->port = rc;
	return server->also ? server->also(core, server->ctx) : 0;
}

static void close_core(struct quoit_core *core, void *ctx)
{
	struct server *server = ctx;

	if (server->ended)
		server->ended(core, server->ctx);
}

void server_start(struct server *server)
{
	struct quoit_reason why = {0};
	int rc;

	assert_in_range(server->config.cores, 1, SERVER_CORES);
	server->config.start = open_core;
	server->config.stop = close_core;
	server->config.ctx = server;
	for (unsigned i = 0; i < SERVER_CORES; i++)
		server->control[i] = (struct server_control){.server = server, .fd = -1};
	rc = quoit_runtime_start(&server->config, &server->runtime, &why);
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	if (rc < 0)
		fail_msg("the runtime did not start: %s", why.text);
}

void server_run(struct server *server, unsigned core, server_fn fn, void *ctx)
{
	struct server_control *control = &server->control[core];
	char done;

	if (control->fd < 0)
		control->fd = client_connect_to(FIRST_HOST + core, control->port);
	assert_true(control->fd >= 0);
	control->fn = fn;
	control->ctx = ctx;
	quoit_store_release(&control->asked, 1);
	assert_int_equal(client_send(control->fd, "!", 1), 0);
	assert_int_equal(client_receive(control->fd, &done, 1), 1);
	assert_int_equal(quoit_load_acquire(&control->asked), 0);
}

static void nothing(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
}

void server_settle(struct server *server)
{
	/* The second comes in a turn that began after the first, and so after all that was there.
	 */
	for (unsigned i = 0; i < 2; i++)
		for (unsigned core = 0; core < server->config.cores; core++)
			server_run(server, core, nothing, NULL);
}

struct quoit_stats server_stats(const struct server *server)
{
	struct quoit_stats sum = {0};

	for (unsigned i = 0; i < quoit_runtime_cores(server->runtime); i++) {
		struct quoit_stats one;

		assert_int_equal(quoit_runtime_stats(server->runtime, i, &one), 0);
		for (size_t at = 0; at < sizeof(sum) / sizeof(uint64_t); at++)
			((uint64_t *)&sum)[at] += ((uint64_t *)&one)[at];
	}
	return sum;
}

int server_wait(struct server *server, struct quoit_reason *why)
{
	const int rc = quoit_runtime_wait(server->runtime, why);

	server->runtime = NULL;
	for (unsigned i = 0; i < SERVER_CORES; i++)
		if (server->control[i].fd >= 0)
			client_close(server->control[i].fd);
	return rc;
}

int server_stop_within(struct server *server, uint64_t timeout_ns, struct quoit_reason *why)
{
	quoit_runtime_stop(server->runtime, timeout_ns);
	return server_wait(server, why);
}

void server_stop(struct server *server)
{
	struct quoit_reason why = {0};

	if (server_stop_within(server, STOP_NS, &why) < 0)
		fail_msg("the runtime did not end in order: %s", why.text);
}

void server_abandon(struct server *server)
{
	struct quoit_reason why;

	if (server->runtime)
		(void)server_stop_within(server, 0, &why);
}

bool server_patience(struct timespec *began)
{
	const struct timespec pause = {0, 500 * 1000};
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (!began->tv_sec)
		*began = now;
	(void)nanosleep(&pause, NULL);
	return now.tv_sec - began->tv_sec < 2 * CLIENT_TIMEOUT_S;
}
