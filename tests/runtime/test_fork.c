/* SPDX-License-Identifier: MIT */
/*
 * test_fork.c - a program that forks: the child is told that it has no cores and no loops, takes no
 * descriptor through an exec, and the parent goes on as if nothing had been.
 *
 * A child asserts nothing: it exits with a number that the parent looks at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/server.h"
#include "support/skip.h"

#define FORKS 20

static struct server server;
static uint64_t closed;

static int forget(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	server.config.cores = 2;
	closed = 0;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	(void)stream;
	(void)ctx;
	quoit_add(&closed, reason == 0);
}

static void exchange(int fd)
{
	char back[5];

	assert_int_equal(client_send(fd, "hello", 5), 0);
	assert_int_equal(client_receive(fd, back, 5), 5);
	assert_memory_equal(back, "hello", 5);
}

static int verdict_of(pid_t child)
{
	int status = 0;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* In the child: 0 if every call says what it must. */
static int try_runtime(struct quoit_runtime *runtime)
{
	struct quoit_reason why = {0};
	struct quoit_stats stats;

	quoit_runtime_stop(runtime, 0); /* must not stop the parent's cores */
	if (quoit_runtime_stats(runtime, 0, &stats) != -ECHILD)
		return 1;
	if (quoit_runtime_wait(runtime, &why) != -ECHILD)
		return 2;
	return strstr(why.text, "forked") ? 0 : 3;
}

static void a_child_is_told_and_the_parent_serves_on(void **state)
{
	int fds[4];

	(void)state;
	server.events = (struct quoit_stream_events){.data = echo, .closed = on_closed};
	server_start(&server);
	for (unsigned i = 0; i < 4; i++)
		fds[i] = client_connect(server.port);
	for (unsigned i = 0; i < FORKS; i++) {
		pid_t child;

		assert_int_equal(client_send(fds[i % 4], "12345", 5), 0); /* under way meanwhile */
		child = fork();
		if (!child)
			_exit(try_runtime(server.runtime));
		assert_int_equal(verdict_of(child), 0);
		assert_int_equal(client_receive(fds[i % 4], (char[5]){0}, 5), 5);
		exchange(fds[(i + 1) % 4]);
	}
	for (unsigned i = 0; i < 4; i++)
		client_close(fds[i]);
	assert_soon(quoit_load_acquire(&closed) == 4);
	assert_int_equal(server_stats(&server).stale, 0);
	server_stop(&server);
}

/* In the child. */
static int try_loop(struct quoit_loop *loop)
{
	quoit_loop_wake(loop); /* must not ring anything, least of all descriptor 0 */
	quoit_loop_stop(loop);
	if (quoit_loop_run_once(loop, 0) != -ECHILD)
		return 1;
	if (quoit_loop_run(loop) != -ECHILD)
		return 2;
	return quoit_loop_destroy(loop) == -ECHILD ? 0 : 3;
}

static void a_childs_loop_is_not_its_parents(void **state)
{
	struct quoit_loop *loop = NULL;
	struct quoit_loop *pollable = NULL;
	struct quoit_reason why = {0};
	struct quoit_loop_stats before, after;
	int rc = quoit_loop_create(NULL, &loop, &why);
	pid_t child;

	(void)state;
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	assert_int_equal(
		quoit_loop_create(&(struct quoit_loop_options){.pollable = true}, &pollable, &why),
		0);
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
	quoit_loop_read_stats(loop, &before);
	child = fork();
	if (!child)
		_exit(try_loop(loop) + (quoit_loop_run_ready(pollable) == -ECHILD ? 0 : 10));
	assert_int_equal(verdict_of(child), 0);
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
	quoit_loop_read_stats(loop, &after);
	assert_int_equal(after.bells_heard, before.bells_heard);
	assert_int_equal(after.turns, before.turns + 1);
	assert_int_equal(quoit_loop_destroy(loop), 0);
	assert_int_equal(quoit_loop_destroy(pollable), 0);
}

/* Which of the descriptors below 256 would survive an exec, as bits. */
static void survivors(uint64_t *bits)
{
	memset(bits, 0, 4 * sizeof(*bits));
	for (int fd = 0; fd < 256; fd++) {
		const int flags = fcntl(fd, F_GETFD);

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			bits[fd / 64] |= UINT64_C(1) << fd % 64;
	}
}

static void no_descriptor_survives_an_exec(void **state)
{
	uint64_t before[4], meanwhile[4];
	struct quoit_loop *loop = NULL;
	int fds[4];

	(void)state;
	survivors(before);
	server.events = (struct quoit_stream_events){.data = echo};
	server_start(&server);
	assert_int_equal(quoit_loop_create(NULL, &loop, NULL), 0);
	for (unsigned i = 0; i < 4; i++) {
		fds[i] = client_connect(server.port);
		exchange(fds[i]); /* so that it surely was accepted */
		assert_int_equal(fcntl(fds[i], F_SETFD, FD_CLOEXEC), 0);
	}
	survivors(meanwhile);
	assert_memory_equal(meanwhile, before, sizeof(before));
	for (unsigned i = 0; i < 4; i++)
		client_close(fds[i]);
	assert_int_equal(quoit_loop_destroy(loop), 0);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_child_is_told_and_the_parent_serves_on),
		CASE(a_childs_loop_is_not_its_parents),
		CASE(no_descriptor_survives_an_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
