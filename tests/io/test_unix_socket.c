/* SPDX-License-Identifier: MIT */
/*
 * test_unix_socket.c - which texts are paths, and connecting to what stands at one: or why not.
 * B183.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fds_place.h"
#include "support/skip.h"

#include <pthread.h>
#include <sys/time.h>

#include <quoit/io/unix_socket_internal.h>
#include <quoit/numa/clock.h>

/* What listened there is closed, and its name is left. */
static int remove_all(void **state)
{
	unlink(path);
	return remove_folder(state);
}

static void refuse(const char *to, const struct quoit_unix_options *options, int error)
{
	struct quoit_reason why = {0};

	assert_int_equal(quoit_unix_connect(to, options, &why), error);
	assert_int_equal(why.error, error);
	assert_true(strlen(why.text) > 20);
	assert_int_equal(quoit_unix_connect(to, options, NULL), error);
}

/* --- addresses ------------------------------------------------------------------------------- */

static void a_path_of_any_length_that_fits_is_an_address(void **state)
{
	char text[QUOIT_UNIX_PATH_MAX + 2];
	struct quoit_unix_address address;

	(void)state;
	for (size_t n = 1; n <= QUOIT_UNIX_PATH_MAX + 1; n++) {
		const bool fits = n <= QUOIT_UNIX_PATH_MAX;

		memset(text, 'x', n);
		text[n] = '\0';
		memset(&address, 0x5a, sizeof(address));
		assert_int_equal(quoit_unix_address(&address, text, false, NULL),
				 fits ? 0 : -ENAMETOOLONG);
		assert_int_equal(address.bytes, fits ? 2 + n + 1 : 0x5a5a5a5a);
		if (fits) {
			assert_int_equal(address.un.sun_family, AF_UNIX);
			assert_string_equal(address.un.sun_path, text);
		}
		text[0] = '@';
		memset(&address, 0x5a, sizeof(address));
		assert_int_equal(quoit_unix_address(&address, text, true, NULL),
				 n == 1 ? -EINVAL
				 : fits ? 0
					: -ENAMETOOLONG);
		assert_int_equal(address.bytes, fits && n > 1 ? 2 + n : 0x5a5a5a5a);
		if (fits && n > 1) {
			assert_int_equal(address.un.sun_path[0], 0);
			assert_memory_equal(address.un.sun_path + 1, text + 1, n - 1);
		}
	}
}

static void a_name_is_abstract_only_if_that_was_asked_for(void **state)
{
	const struct quoit_unix_options abstract = {.abstract = true};

	(void)state;
	refuse(NULL, NULL, -EINVAL);
	refuse("", NULL, -EINVAL);
	refuse("@name", NULL, -EINVAL);
	refuse("@", &abstract, -EINVAL);
	refuse("name", &abstract, -EINVAL);
	refuse("", &abstract, -EINVAL);
	refuse("./@name", NULL, -ENOENT); /* a file like any other */
}

/* --- connecting ------------------------------------------------------------------------------ */

static void it_connects_to_both_kinds_and_gives_a_socket_that_blocks(void **state)
{
	(void)state;
	for (unsigned stream = 0; stream < 2; stream++) {
		const struct quoit_unix_options options = {
			.stream = stream,
			.deadline_ns = stream ? quoit_clock_now_ns() + (uint64_t)60000000000 : 0};
		const int server = fds_listen_raw(path, stream ? SOCK_STREAM : SOCK_SEQPACKET, 1);
		const int fd = quoit_unix_connect(path, &options, NULL);
		struct timeval timeout = {.tv_sec = 1};
		socklen_t bytes = sizeof(timeout);
		int type = 0;

		assert_true(fd >= 0);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &bytes), 0);
		assert_int_equal(timeout.tv_sec, 0); /* the deadline was the connect's, not its */
		assert_int_equal(timeout.tv_usec, 0);
		bytes = sizeof(type);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes), 0);
		assert_int_equal(type, stream ? SOCK_STREAM : SOCK_SEQPACKET);
		fds_close(&fd, 1);
		fds_close(&server, 1);
		unlink(path);
	}
}

static void why_not_is_told(void **state)
{
	const struct quoit_unix_options stream = {.stream = true};
	const struct quoit_unix_options nobody = {.abstract = true};
	char name[64];
	int fd;

	(void)state;
	refuse(path, NULL, -ENOENT);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* a file */
	refuse(path, NULL, -ECONNREFUSED);
	assert_int_equal(close(fd), 0);
	unlink(path);
	fd = fds_listen_raw(path, SOCK_SEQPACKET, -1); /* bound only */
	refuse(path, NULL, -ECONNREFUSED);
	assert_int_equal(listen(fd, 1), 0);
	refuse(path, &stream, -EPROTOTYPE);
	assert_int_equal(close(fd), 0);
	refuse(path, NULL, -ECONNREFUSED); /* what the dead leave */
	refuse(folder, NULL, -ECONNREFUSED);
	snprintf(name, sizeof(name), "@quoit-nobody-%d", (int)getpid());
	refuse(name, &nobody, -ECONNREFUSED);
}

static void a_server_that_does_not_accept_is_not_waited_for(void **state)
{
	struct quoit_unix_options options = {.deadline_ns = FDS_PAST};
	const int server = fds_listen_raw(path, SOCK_SEQPACKET, 0);
	int fds[8];
	int n = 0;

	(void)state;
	while (n < 8 && (fds[n] = quoit_unix_connect(path, &options, NULL)) >= 0)
		n++;
	assert_in_range(n, 1, 7); /* as many as its queue takes */
	refuse(path, &options, -ETIMEDOUT);
	options.deadline_ns = quoit_clock_now_ns() + 20 * 1000 * 1000;
	refuse(path, &options, -ETIMEDOUT);
	fds_close(fds, (unsigned)n);
	fds_close(&server, 1);
}

struct accepting {
	int server;
	int fds[16];
	int count;
};

static void *accepting_worker(void *ctx)
{
	struct accepting *a = ctx;

	for (int i = 0; i < a->count; i++)
		a->fds[i] = accept(a->server, NULL, NULL);
	return NULL;
}

static void one_that_accepts_late_is_waited_for(void **state)
{
	struct accepting a = {.server = fds_listen_raw(path, SOCK_SEQPACKET, 0), .count = 16};
	pthread_t thread;
	int fds[16];

	(void)state;
	for (int i = 0; i < 16; i++) {
		if (i == 1)
			assert_int_equal(pthread_create(&thread, NULL, accepting_worker, &a), 0);
		fds[i] = quoit_unix_connect(path, NULL, NULL);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	fds_close(fds, 16);
	fds_close(a.fds, 16);
	fds_close(&a.server, 1);
}

/* A server of another user's, where we expect our own. */
static int stand_there(void *ctx)
{
	const struct sockaddr_un address = fds_address(path);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	const int *const ready = ctx;
	char byte = 0;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    chmod(path, 0666) || listen(fd, 8) || write(ready[1], "r", 1) != 1)
		return 1;
	return read(ready[1], &byte, 1) != 0; /* until the test closes its end */
}

static void a_server_of_another_user_is_refused_unless_he_is_allowed(void **state)
{
	static const uid_t uids[] = {FDS_NOBODY};
	const struct quoit_unix_options allowed = {.policy = {.uids = uids, .uid_count = 1}};
	int ready[2];
	char byte;
	pid_t child;
	int fd;

	(void)state;
	if (geteuid())
		skip_because("standing there as another user: it needs root");
	assert_int_equal(chmod(folder, 0777), 0);
	fds_pair(SOCK_STREAM, ready);
	child = fork();
	if (!child) {
		close(ready[0]);
		_exit(setgid(FDS_NOBODY) || setuid(FDS_NOBODY) || stand_there(ready));
	}
	assert_int_equal(close(ready[1]), 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	refuse(path, NULL, -EACCES);
	fd = quoit_unix_connect(path, &allowed, NULL);
	assert_true(fd >= 0);
	fds_close(&fd, 1);
	fds_close(&ready[0], 1);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_all)
	const struct CMUnitTest tests[] = {
		CASE(a_path_of_any_length_that_fits_is_an_address),
		CASE(a_name_is_abstract_only_if_that_was_asked_for),
		CASE(it_connects_to_both_kinds_and_gives_a_socket_that_blocks),
		CASE(why_not_is_told),
		CASE(a_server_that_does_not_accept_is_not_waited_for),
		CASE(one_that_accepts_late_is_waited_for),
		CASE(a_server_of_another_user_is_refused_unless_he_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
