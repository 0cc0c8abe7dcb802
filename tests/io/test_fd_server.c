/* SPDX-License-Identifier: MIT */
/*
 * test_fd_server.c - what stands at the path is respected, a dead socket of ours is not in the way,
 * and the end removes nobody else's. B184, B186, D-47.
 *
 * Linked with --wrap=renameat2: between two steps of ours others are let in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fds_place.h"
#include "support/skip.h"

#include <pthread.h>
#include <signal.h>
#include <sys/file.h>

#include <quoit/io/fd_server.h>
#include <quoit/io/unix_socket.h>

int __real_renameat2(int from_folder, const char *from, int to_folder, const char *to,
		     unsigned flags);
int __wrap_renameat2(int from_folder, const char *from, int to_folder, const char *to,
		     unsigned flags);

static void (*before_rename)(void);

int __wrap_renameat2(int from_folder, const char *from, int to_folder, const char *to,
		     unsigned flags)
{
	void (*const others)(void) = before_rename;

	before_rename = NULL;
	if (others)
		others();
	return __real_renameat2(from_folder, from, to_folder, to, flags);
}

static int begin(void **state)
{
	before_rename = NULL;
	return make_folder(state);
}

static void refuse(const struct quoit_fd_server_options *options, int error)
{
	struct quoit_fd_server server = {0};
	struct quoit_reason why = {0};

	assert_int_equal(quoit_fd_server_listen(&server, path, options, &why), error);
	assert_int_equal(why.error, error);
	assert_true(strlen(why.text) > 20);
	assert_false(server.open);
	quoit_fd_server_close(&server); /* nothing happens */
}

/* It listens, and one who connects is accepted: no probe of ours waits before him. */
static void check_serves(struct quoit_fd_server *server)
{
	struct quoit_peer peer = {0};
	int client, sock;

	assert_int_equal(quoit_fd_server_accept(server, FDS_PAST, NULL, NULL), -ETIMEDOUT);
	client = quoit_unix_connect(path, NULL, NULL);
	assert_true(client >= 0);
	sock = quoit_fd_server_accept(server, FDS_PAST, &peer, NULL);
	assert_true(sock >= 0);
	assert_int_equal(peer.pid, getpid());
	fds_close(&client, 1);
	fds_close(&sock, 1);
}

static void listen_there(struct quoit_fd_server *server)
{
	struct quoit_reason why = {0};

	*server = (struct quoit_fd_server){0};
	assert_int_equal(quoit_fd_server_listen(server, path, NULL, &why), 0);
	assert_int_equal(why.error, 0);
	assert_true(server->open);
}

static ino_t inode_there(void)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_ino;
}

/* A socket that no process has any more. */
static void leave_dead(void)
{
	const int fd = fds_listen_raw(path, SOCK_SEQPACKET, 1);

	fds_close(&fd, 1);
}

/* --- what is in the way ---------------------------------------------------------------------- */

static void what_is_no_socket_is_never_removed(void **state)
{
	static const char content[] = "not to be lost";
	char back[sizeof(content)] = "", beside[128];
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int target;

	(void)state;
	assert_int_equal(write(fd, content, sizeof(content)), sizeof(content));
	refuse(NULL, -EEXIST);
	assert_int_equal(pread(fd, back, sizeof(back), 0), sizeof(back));
	assert_string_equal(back, content);
	assert_int_equal(close(fd), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC); /* and its name, too */
	assert_true(fd >= 0);
	fds_close(&fd, 1);
	unlink(path);

	assert_int_equal(mkdir(path, 0700), 0);
	refuse(NULL, -EEXIST);
	assert_int_equal(rmdir(path), 0);

	assert_int_equal(mkfifo(path, 0600), 0);
	refuse(NULL, -EEXIST);
	assert_int_equal(unlink(path), 0);

	/* A link stays, whether it leads nowhere, to the living or to the dead; so does its end. */
	snprintf(beside, sizeof(beside), "%s/beside", folder);
	assert_int_equal(symlink(beside, path), 0);
	refuse(NULL, -EEXIST);
	target = fds_listen_raw(beside, SOCK_SEQPACKET, 1);
	refuse(NULL, -EEXIST);
	assert_int_equal(close(target), 0);
	refuse(NULL, -EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(beside), 0);
}

static void paths_that_name_no_file_are_refused(void **state)
{
	char keep[sizeof(path)];

	(void)state;
	memcpy(keep, path, sizeof(path));
	snprintf(path, sizeof(path), "%s/", folder);
	refuse(NULL, -EINVAL);
	snprintf(path, sizeof(path), "%s/.", folder);
	refuse(NULL, -EINVAL);
	snprintf(path, sizeof(path), "%s/..", folder);
	refuse(NULL, -EINVAL);
	snprintf(path, sizeof(path), "%s/none/s", folder);
	refuse(NULL, -ENOENT);
	snprintf(path, sizeof(path), "@s");
	refuse(NULL, -EINVAL);
	path[0] = '\0';
	refuse(NULL, -EINVAL);
	memcpy(path, keep, sizeof(path));
	refuse(&(struct quoit_fd_server_options){.backlog = 5000}, -EINVAL);
	refuse(&(struct quoit_fd_server_options){.mode = 04600}, -EINVAL);
	refuse(&(struct quoit_fd_server_options){.abstract = true}, -EINVAL);
}

static void the_longest_path_works_and_one_byte_more_is_refused(void **state)
{
	struct quoit_fd_server server = {0};
	char long_path[QUOIT_UNIX_PATH_MAX + 2];
	const size_t given = strlen(folder);

	(void)state;
	memcpy(long_path, folder, given);
	memset(long_path + given, 'x', sizeof(long_path) - given);
	long_path[given] = '/';
	long_path[QUOIT_UNIX_PATH_MAX + 1] = '\0';
	assert_int_equal(quoit_fd_server_listen(&server, long_path, NULL, NULL), -ENAMETOOLONG);
	long_path[QUOIT_UNIX_PATH_MAX] = '\0';
	for (unsigned i = 0; i < 2; i++) { /* a dead one is no harder to remove */
		assert_int_equal(quoit_fd_server_listen(&server, long_path, NULL, NULL), 0);
		assert_int_equal(fds_names(folder), 1);
		quoit_fd_server_close(&server);
		assert_int_equal(fds_names(folder), 0);
		if (!i) {
			const int fd = fds_listen_raw(long_path, SOCK_SEQPACKET, 1);

			fds_close(&fd, 1);
		}
	}
}

static void a_second_server_is_refused_and_the_first_does_not_notice(void **state)
{
	const struct quoit_fd_server_options stream = {.stream = true};
	struct quoit_fd_server server;
	ino_t inode;

	(void)state;
	listen_there(&server);
	inode = inode_there();
	refuse(NULL, -EADDRINUSE);
	refuse(&stream, -EADDRINUSE);
	assert_int_equal(inode_there(), inode);
	check_serves(&server);
	assert_int_equal(quoit_fd_server_listen(&server, path, NULL, NULL), -EBUSY);
	check_serves(&server);
	quoit_fd_server_close(&server);
}

static void nobody_alive_is_taken_for_dead(void **state)
{
	static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM};
	int clients[8];
	int n = 0;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 3; i++) { /* before it listens, or if it never does */
		fd = fds_listen_raw(path, types[i], -1);
		refuse(NULL, -EADDRINUSE);
		assert_int_equal(access(path, F_OK), 0);
		fds_close(&fd, 1);
		unlink(path);
	}
	fd = fds_listen_raw(path, SOCK_SEQPACKET, 0); /* its queue is full, it accepts nobody */
	while (n < 8) {
		const struct quoit_unix_options options = {.deadline_ns = FDS_PAST};

		clients[n] = quoit_unix_connect(path, &options, NULL);
		if (clients[n] < 0)
			break;
		n++;
	}
	assert_true(n < 8);
	refuse(NULL, -EADDRINUSE);
	fds_close(clients, (unsigned)n);
	fds_close(&fd, 1);
	unlink(path);
}

static void a_dead_socket_of_ours_is_replaced(void **state)
{
	static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM};
	struct quoit_fd_server server;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fd = fds_listen_raw(path, types[i], i < 2 ? 1 : -1);
		fds_close(&fd, 1);
		listen_there(&server);
		assert_int_equal(fds_names(folder), 1);
		check_serves(&server);
		quoit_fd_server_close(&server);
		assert_int_equal(fds_names(folder), 0);
	}
}

static int serve_until_killed(void *ctx)
{
	struct quoit_fd_server server = {0};

	(void)ctx;
	if (quoit_fd_server_listen(&server, path, NULL, NULL))
		return 1;
	kill(getpid(), SIGKILL);
	return 2;
}

static void a_killed_server_is_in_nobodys_way(void **state)
{
	struct quoit_fd_server server;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fds_in_child(0, serve_until_killed, NULL), 102);
	assert_int_equal(access(path, F_OK), 0);
	listen_there(&server);
	check_serves(&server);
	quoit_fd_server_close(&server);
}

static void a_socket_of_another_users_stays(void **state)
{
	(void)state;
	if (geteuid())
		skip_because("giving a socket away: it needs root");
	leave_dead();
	assert_int_equal(chown(path, FDS_NOBODY, FDS_NOBODY), 0);
	refuse(NULL, -EPERM);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
}

/* --- others between our steps ---------------------------------------------------------------- */

static int newcomer;

static void somebody_takes_the_path(void)
{
	assert_int_equal(unlink(path), 0);
	newcomer = fds_listen_raw(path, SOCK_SEQPACKET, 4);
}

static void one_who_comes_while_we_make_room_keeps_the_path(void **state)
{
	ino_t inode;
	int fd;

	(void)state;
	leave_dead();
	inode = inode_there();
	before_rename = somebody_takes_the_path;
	refuse(NULL, -EADDRINUSE);
	assert_null(before_rename);
	assert_true(inode_there() != inode);
	assert_int_equal(fds_names(folder), 1);
	fd = quoit_unix_connect(path, NULL, NULL);
	assert_true(fd >= 0); /* he is reached by it, too */
	fds_close(&fd, 1);
	fds_close(&newcomer, 1);
	unlink(path);
}

static void one_who_comes_while_we_close_keeps_the_path(void **state)
{
	struct quoit_fd_server server;
	int fd;

	(void)state;
	listen_there(&server);
	before_rename = somebody_takes_the_path;
	quoit_fd_server_close(&server);
	assert_null(before_rename);
	assert_int_equal(fds_names(folder), 1);
	fd = quoit_unix_connect(path, NULL, NULL);
	assert_true(fd >= 0);
	fds_close(&fd, 1);
	fds_close(&newcomer, 1);
	unlink(path);
}

static void a_locked_folder_matters_only_if_something_must_be_removed(void **state)
{
	const int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct quoit_fd_server server;

	(void)state;
	assert_int_equal(flock(lock, LOCK_SH), 0);
	listen_there(&server);
	check_serves(&server);
	quoit_fd_server_close(&server);
	leave_dead();
	refuse(NULL, -EBUSY);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(flock(lock, LOCK_UN), 0);
	listen_there(&server);
	quoit_fd_server_close(&server);
	fds_close(&lock, 1);
}

struct racer {
	pthread_t thread;
	struct quoit_fd_server server;
	int rc;
};

static void *racer_worker(void *ctx)
{
	struct racer *racer = ctx;

	racer->rc = quoit_fd_server_listen(&racer->server, path, NULL, NULL);
	return NULL;
}

static void of_many_who_replace_a_dead_one_at_once_one_wins(void **state)
{
	struct racer racers[6];
	unsigned won;

	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		leave_dead();
		won = 0;
		memset(racers, 0, sizeof(racers));
		for (unsigned i = 0; i < 6; i++)
			assert_int_equal(
				pthread_create(&racers[i].thread, NULL, racer_worker, &racers[i]),
				0);
		for (unsigned i = 0; i < 6; i++) {
			assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
			assert_true(!racers[i].rc || racers[i].rc == -EADDRINUSE);
			won += !racers[i].rc;
		}
		assert_int_equal(won, 1);
		for (unsigned i = 0; i < 6; i++) {
			if (!racers[i].rc)
				check_serves(&racers[i].server);
			quoit_fd_server_close(&racers[i].server);
		}
		assert_int_equal(fds_names(folder), 0);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, remove_folder)
	const struct CMUnitTest tests[] = {
		CASE(what_is_no_socket_is_never_removed),
		CASE(paths_that_name_no_file_are_refused),
		CASE(the_longest_path_works_and_one_byte_more_is_refused),
		CASE(a_second_server_is_refused_and_the_first_does_not_notice),
		CASE(nobody_alive_is_taken_for_dead),
		CASE(a_dead_socket_of_ours_is_replaced),
		CASE(a_killed_server_is_in_nobodys_way),
		CASE(a_socket_of_another_users_stays),
		CASE(one_who_comes_while_we_make_room_keeps_the_path),
		CASE(one_who_comes_while_we_close_keeps_the_path),
		CASE(a_locked_folder_matters_only_if_something_must_be_removed),
		CASE(of_many_who_replace_a_dead_one_at_once_one_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
