/* SPDX-License-Identifier: MIT */
/*
 * test_peer.c - who is at the other end, who may be, and watching him die; with and without what
 * Linux 6.5 brought (linked with --wrap=getsockopt). B185.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fds.h"

#include <poll.h>
#include <signal.h>

#include <quoit/io/peer.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *bytes);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *bytes);

static bool is_old; /* the kernel knows no SO_PEERPIDFD */

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *bytes)
{
	if (is_old && level == SOL_SOCKET && option == SO_PEERPIDFD) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return __real_getsockopt(fd, level, option, value, bytes);
}

static void both_ends_of_a_pair_are_who_made_it(void **state)
{
	struct quoit_peer peer = {0};
	int pair[2];

	(void)state;
	fds_pair(SOCK_STREAM, pair);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(quoit_peer_read(pair[i], &peer, NULL), 0);
		assert_int_equal(peer.pid, getpid());
		assert_int_equal(peer.uid, geteuid());
		assert_int_equal(peer.gid, getegid());
		assert_int_equal(quoit_peer_check(&peer, NULL, NULL), 0);
	}
	fds_close(pair, 2);
}

static void what_has_no_peer_tells_none(void **state)
{
	const int unconnected = socket(AF_UNIX, SOCK_STREAM, 0);
	const int tcp = socket(AF_INET, SOCK_STREAM, 0);
	struct quoit_peer peer = {.pid = 5, .uid = 6, .gid = 7};
	int file;

	(void)state;
	fds_make(&file, 1);
	for (unsigned i = 0; i < 4; i++) {
		const int fd = (const int[]){unconnected, tcp, file, -1}[i];
		const int error = (const int[]){-ENOTCONN, -ENOTCONN, -ENOTSOCK, -EBADF}[i];
		struct quoit_reason why = {0};

		assert_int_equal(quoit_peer_read(fd, &peer, &why), error);
		assert_int_equal(why.error, error);
		assert_int_equal(peer.pid, 5);
		assert_int_equal(peer.uid, 6);
		assert_int_equal(peer.gid, 7);
		assert_true(quoit_peer_pidfd(fd, NULL, &why) < 0);
	}
	fds_close(&unconnected, 1);
	fds_close(&tcp, 1);
	fds_close(&file, 1);
}

static void the_policy_says_who_may(void **state)
{
	const struct quoit_peer me = {.uid = geteuid(), .gid = getegid()};
	const struct quoit_peer other = {.pid = 9, .uid = geteuid() + 5, .gid = getegid() + 5};
	const uid_t uids[] = {12345678, other.uid};
	const gid_t gids[] = {12345678, other.gid};
	const struct quoit_peer_policy same = {0};
	const struct quoit_peer_policy anyone = {.anyone = true};
	struct quoit_peer_policy policy = {0};
	struct quoit_reason why = {0};

	(void)state;
	assert_int_equal(quoit_peer_check(&me, &same, NULL), 0);
	assert_int_equal(quoit_peer_check(&other, NULL, &why), -EACCES);
	assert_int_equal(quoit_peer_check(&other, &same, &why), -EACCES);
	assert_int_equal(why.error, -EACCES);
	assert_non_null(strstr(why.text, "process 9"));
	assert_int_equal(quoit_peer_check(&other, &anyone, NULL), 0);
	policy = (struct quoit_peer_policy){.uids = uids, .uid_count = 2};
	assert_int_equal(quoit_peer_check(&other, &policy, NULL), 0);
	assert_int_equal(quoit_peer_check(&me, &policy, NULL), -EACCES); /* not named */
	policy.uid_count = 1;
	assert_int_equal(quoit_peer_check(&other, &policy, NULL), -EACCES);
	policy = (struct quoit_peer_policy){.gids = gids, .gid_count = 2};
	assert_int_equal(quoit_peer_check(&other, &policy, NULL), 0);
	assert_int_equal(quoit_peer_check(&me, &policy, NULL), -EACCES);
	policy.gid_count = 1;
	assert_int_equal(quoit_peer_check(&other, &policy, NULL), -EACCES);
}

/* A uid and a gid are different things, though both are numbers. */
static void a_number_of_a_group_lets_no_user_in(void **state)
{
	const struct quoit_peer other = {.uid = 4001, .gid = 4002};
	const uid_t uids[] = {4002};
	const gid_t gids[] = {4001};
	const struct quoit_peer_policy policy = {
		.uids = uids, .uid_count = 1, .gids = gids, .gid_count = 1};

	(void)state;
	assert_int_equal(quoit_peer_check(&other, &policy, NULL), -EACCES);
}

/* A child at the other end, which lives until it is killed. */
static pid_t connect_child(int *sock)
{
	char folder[FDS_FOLDER], path[FDS_PATH];
	int listening;
	pid_t child;

	fds_folder(folder);
	snprintf(path, sizeof(path), "%s/s", folder);
	listening = fds_listen_raw(path, SOCK_STREAM, 1);
	child = fork();
	if (!child) {
		close(listening);
		if (fds_connect_raw(path, SOCK_STREAM) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	*sock = accept(listening, NULL, NULL);
	assert_true(*sock >= 0);
	close(listening);
	unlink(path);
	fds_remove_folder(folder);
	return child;
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, timeout_ms) > 0;
}

static void a_peer_is_seen_to_die(void **state)
{
	(void)state;
	for (unsigned old = 0; old < 2; old++) {
		struct quoit_reason why = {0};
		struct quoit_peer peer;
		bool exact = false;
		pid_t child;
		int sock, fd;

		is_old = old;
		child = connect_child(&sock);
		assert_int_equal(quoit_peer_read(sock, &peer, NULL), 0);
		assert_int_equal(peer.pid, child);
		fd = quoit_peer_pidfd(sock, &exact, &why);
		assert_true(fd >= 0);
		assert_true(!old || !exact);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_false(is_readable(fd, 0));
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_true(is_readable(fd, 10000));
		assert_int_equal(waitpid(child, NULL, 0), child);
		fds_close(&fd, 1);
		/* And once nothing is left of him: a descriptor of the dead, or that he is. */
		fd = quoit_peer_pidfd(sock, NULL, &why);
		assert_true(fd == -ESRCH || (fd >= 0 && !old && is_readable(fd, 0)));
		if (fd >= 0)
			fds_close(&fd, 1);
		else
			assert_non_null(strstr(why.text, "has ended"));
		fds_close(&sock, 1);
		is_old = false;
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)
	const struct CMUnitTest tests[] = {
		CASE(both_ends_of_a_pair_are_who_made_it),
		CASE(what_has_no_peer_tells_none),
		CASE(the_policy_says_who_may),
		CASE(a_number_of_a_group_lets_no_user_in),
		CASE(a_peer_is_seen_to_die),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
