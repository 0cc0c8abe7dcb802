/* SPDX-License-Identifier: MIT */
/*
 * test_fd_accept.c - who may connect, from the first moment on; accepting with a deadline beside
 * those who may not; and what the end removes. B185, B186, D-47.
 *
 * Linked with --wrap=listen, to see the socket before anybody could connect.
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
#include <sys/resource.h>
#include <sys/time.h>

#include <quoit/io/fd_server.h>
#include <quoit/io/hello.h>
#include <quoit/io/unix_socket.h>
#include <quoit/numa/atomic.h>
#include <quoit/numa/clock.h>

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);

static mode_t mode_at_listen; /* of what stands at the path */
static int backlog_at_listen;

int __wrap_listen(int fd, int backlog)
{
	struct stat status;

	if (!lstat(path, &status))
		mode_at_listen = status.st_mode & 07777;
	backlog_at_listen = backlog;
	return __real_listen(fd, backlog);
}

static void listen_there(struct quoit_fd_server *server,
			 const struct quoit_fd_server_options *options)
{
	struct quoit_reason why = {0};

	*server = (struct quoit_fd_server){0};
	assert_int_equal(quoit_fd_server_listen(server, path, options, &why), 0);
}

/* Connect, accept, and see who it is. */
static int accept_one(struct quoit_fd_server *server, int *client)
{
	struct quoit_peer peer = {0};
	int sock;

	*client = quoit_unix_connect(path, NULL, NULL);
	assert_true(*client >= 0);
	sock = quoit_fd_server_accept(server, FDS_ENDLESS, &peer, NULL);
	assert_true(sock >= 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, geteuid());
	return sock;
}

/* --- permissions ----------------------------------------------------------------------------- */

static void nobody_else_may_connect_at_any_moment(void **state)
{
	static const struct {
		mode_t mask, mode, expected;
	} cases[] = {
		{0, 0, 0600},	 {077, 0, 0600},    {022, 0, 0600},
		{0, 0666, 0666}, {022, 0666, 0644}, {077, 0660, 0600},
	};
	struct quoit_fd_server server;
	struct stat status;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const mode_t mask = umask(cases[i].mask);

		mode_at_listen = 0;
		listen_there(&server, &(struct quoit_fd_server_options){.mode = cases[i].mode});
		assert_int_equal(umask(mask), cases[i].mask); /* it is the process's, not ours */
		assert_int_equal(mode_at_listen, cases[i].expected);
		assert_int_equal(lstat(path, &status), 0);
		assert_int_equal(status.st_mode & 07777, cases[i].expected);
		assert_true(S_ISSOCK(status.st_mode));
		quoit_fd_server_close(&server);
	}
}

static void the_backlog_is_what_was_asked_for(void **state)
{
	struct quoit_fd_server server;

	(void)state;
	listen_there(&server, NULL);
	assert_int_equal(backlog_at_listen, 64);
	quoit_fd_server_close(&server);
	listen_there(&server, &(struct quoit_fd_server_options){.backlog = 3});
	assert_int_equal(backlog_at_listen, 3);
	quoit_fd_server_close(&server);
}

/* As another user: connect as often as the socket lets him, until he is killed. */
static pid_t start_flood(void)
{
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		if (setgid(FDS_NOBODY) || setuid(FDS_NOBODY))
			_exit(1);
		for (unsigned i = 0;; i++) {
			const int fd = fds_connect_raw(path, SOCK_SEQPACKET);

			if (fd >= 0)
				close(fd);
			if (i == 2 && write(ready[1], "r", 1) != 1)
				_exit(2);
		}
	}
	assert_int_equal(close(ready[1]), 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(close(ready[0]), 0);
	return child;
}

/* Beside the accept: with a flood before it, a connect may have to wait for room. */
static void *connect_worker(void *ctx)
{
	int *client = ctx;

	*client = quoit_unix_connect(path, NULL, NULL);
	return NULL;
}

static void a_flood_of_those_who_may_not_keeps_nobody_out(void **state)
{
	const struct quoit_fd_server_options options = {.mode = 0666};
	struct quoit_fd_server server;
	struct quoit_peer peer = {0};
	const mode_t mask = umask(0);
	pthread_t thread;
	pid_t child;
	int client, sock;

	(void)state;
	if (geteuid()) {
		umask(mask);
		skip_because("connecting as another user: it needs root");
	}
	assert_int_equal(chmod(folder, 0711), 0);
	listen_there(&server, &options);
	umask(mask);
	child = start_flood();
	/* Nobody who is allowed: the flood does not outlast the deadline. */
	assert_int_equal(quoit_fd_server_accept(&server, FDS_PAST, &peer, NULL), -ETIMEDOUT);
	assert_int_equal(quoit_fd_server_accept(&server, quoit_clock_now_ns() + 30 * 1000 * 1000,
						&peer, NULL),
			 -ETIMEDOUT);
	assert_int_equal(peer.pid, 0);
	assert_true(server.refused > 0);
	assert_int_equal(pthread_create(&thread, NULL, connect_worker, &client), 0);
	sock = quoit_fd_server_accept(&server, FDS_ENDLESS, &peer, NULL);
	assert_true(sock >= 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(client >= 0);
	fds_close(&sock, 1);
	fds_close(&client, 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	quoit_fd_server_close(&server);
}

static int connect_once(void *ctx)
{
	(void)ctx;
	return fds_connect_raw(path, SOCK_SEQPACKET) == -EACCES ? 0 : 1;
}

static void the_mode_alone_keeps_other_users_out(void **state)
{
	struct quoit_fd_server server;

	(void)state;
	if (geteuid())
		skip_because("connecting as another user: it needs root");
	assert_int_equal(chmod(folder, 0711), 0);
	listen_there(&server, NULL);
	assert_int_equal(fds_in_child(FDS_NOBODY, connect_once, NULL), 0);
	assert_int_equal(quoit_fd_server_accept(&server, FDS_PAST, NULL, NULL), -ETIMEDOUT);
	assert_int_equal(server.refused, 0);
	quoit_fd_server_close(&server);
}

static int connect_abstract(void *ctx)
{
	const struct quoit_unix_options anyone = {.abstract = true, .policy = {.anyone = true}};
	const int fd = quoit_unix_connect(ctx, &anyone, NULL);
	char byte;

	return fd < 0 ? 1 : recv(fd, &byte, 1, 0) != 0; /* closed at once */
}

static void an_abstract_name_is_protected_by_looking(void **state)
{
	const struct quoit_fd_server_options options = {.abstract = true};
	const struct quoit_unix_options how = {.abstract = true};
	struct quoit_fd_server server = {0}, second = {0};
	struct quoit_reason why = {0};
	char name[64];
	int client, sock;

	(void)state;
	snprintf(name, sizeof(name), "@quoit-test-%d", (int)getpid());
	assert_int_equal(quoit_fd_server_listen(&server, name, &options, NULL), 0);
	assert_int_equal(quoit_fd_server_listen(&second, name, &options, &why), -EADDRINUSE);
	assert_non_null(strstr(why.text, "@quoit-test"));
	client = quoit_unix_connect(name, &how, NULL);
	sock = quoit_fd_server_accept(&server, FDS_PAST, NULL, NULL);
	assert_true(client >= 0 && sock >= 0);
	fds_close(&client, 1);
	fds_close(&sock, 1);
	if (!geteuid()) {
		pid_t child = fork();

		if (!child)
			_exit(setuid(FDS_NOBODY) || connect_abstract(name));
		/* He has connected for sure when the kernel tells of it. */
		while (!server.refused)
			assert_int_equal(quoit_fd_server_accept(
						 &server, quoit_clock_now_ns() + 10 * 1000 * 1000,
						 NULL, NULL),
					 -ETIMEDOUT);
		int status = 0;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	quoit_fd_server_close(&server);
	assert_int_equal(quoit_fd_server_listen(&second, name, &options, NULL), 0);
	quoit_fd_server_close(&second);
}

/* --- accepting ------------------------------------------------------------------------------- */

static void who_is_accepted_can_be_given_descriptors(void **state)
{
	for (unsigned stream = 0; stream < 2; stream++) {
		const struct quoit_fd_server_options options = {.stream = stream};
		const struct quoit_unix_options how = {.stream = stream};
		const struct quoit_hello_wanted wanted = {.fds_most = 1};
		struct quoit_hello hello = quoit_hello_make(), got;
		struct quoit_fd_server server;
		int client, sock, sent, came;

		(void)state;
		hello.fd_count = 1;
		fds_make(&sent, 1);
		listen_there(&server, &options);
		client = quoit_unix_connect(path, &how, NULL);
		sock = quoit_fd_server_accept(&server, FDS_ENDLESS, NULL, NULL);
		assert_true(client >= 0 && sock >= 0);
		assert_int_equal(fcntl(sock, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(sock, F_GETFL) & O_NONBLOCK, 0);
		assert_int_equal(quoit_hello_send(sock, &hello, &sent, FDS_ENDLESS, NULL), 0);
		assert_int_equal(quoit_hello_recv(client, &got, &came, &wanted, FDS_ENDLESS, NULL),
				 0);
		fds_check(&came, &sent, 1);
		fds_close(&came, 1);
		fds_close(&sent, 1);
		fds_close(&sock, 1);
		fds_close(&client, 1);
		quoit_fd_server_close(&server);
	}
}

static void accepting_ends_at_its_deadline(void **state)
{
	struct quoit_fd_server server;
	struct quoit_peer peer = {.pid = 7};
	struct quoit_reason why = {0};

	(void)state;
	listen_there(&server, NULL);
	assert_int_equal(quoit_fd_server_accept(&server, FDS_PAST, &peer, &why), -ETIMEDOUT);
	assert_int_equal(why.error, -ETIMEDOUT);
	assert_int_equal(quoit_fd_server_accept(&server, quoit_clock_now_ns() + 20 * 1000 * 1000,
						&peer, NULL),
			 -ETIMEDOUT);
	assert_int_equal(peer.pid, 7);
	quoit_fd_server_close(&server);
	assert_int_equal(quoit_fd_server_accept(&server, FDS_PAST, &peer, &why), -EBADF);
}

static void one_that_was_shut_down_ends_at_once(void **state)
{
	struct quoit_fd_server server;
	struct quoit_reason why = {0};

	(void)state;
	listen_there(&server, NULL);
	assert_int_equal(shutdown(server.fd, SHUT_RDWR), 0);
	assert_int_equal(quoit_fd_server_accept(&server, FDS_ENDLESS, NULL, &why), -ESHUTDOWN);
	assert_int_equal(why.error, -ESHUTDOWN);
	quoit_fd_server_close(&server);
}

static uint32_t alarms;

static void on_alarm(int number)
{
	(void)number;
	quoit_add(&alarms, 1);
}

/* Connects when the accept has been interrupted often. */
static void *late_worker(void *ctx)
{
	int *client = ctx;

	while (quoit_load(&alarms) < 20)
		usleep(200);
	*client = quoit_unix_connect(path, NULL, NULL);
	return NULL;
}

static void signals_do_not_end_it(void **state)
{
	const struct sigaction action = {.sa_handler = on_alarm}, ignore = {.sa_handler = SIG_IGN};
	const struct itimerval often = {{.tv_usec = 1000}, {.tv_usec = 1000}}, never = {0};
	struct quoit_fd_server server;
	sigset_t alarm, before;
	pthread_t thread;
	int client = -1;
	int sock;

	(void)state;
	listen_there(&server, NULL);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarm, &before), 0);
	assert_int_equal(pthread_create(&thread, NULL, late_worker, &client), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	sock = quoit_fd_server_accept(&server, FDS_ENDLESS, NULL, NULL);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &ignore, NULL), 0);
	assert_true(sock >= 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	fds_close(&client, 1);
	fds_close(&sock, 1);
	quoit_fd_server_close(&server);
}

static void without_descriptors_it_says_so_and_goes_on_later(void **state)
{
	struct quoit_fd_server server;
	struct quoit_reason why = {0};
	struct rlimit limit, low;
	int client, sock;

	(void)state;
	listen_there(&server, NULL);
	client = quoit_unix_connect(path, NULL, NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	sock = quoit_fd_server_accept(&server, FDS_ENDLESS, NULL, &why);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(sock, -EMFILE);
	assert_int_equal(why.error, -EMFILE);
	sock = quoit_fd_server_accept(&server, FDS_PAST, NULL, NULL);
	assert_true(sock >= 0);
	fds_close(&client, 1);
	fds_close(&sock, 1);
	quoit_fd_server_close(&server);
}

/* --- the end --------------------------------------------------------------------------------- */

static void the_end_removes_the_path_from_wherever_it_is_called(void **state)
{
	struct quoit_fd_server server = {0};
	char before[4096];
	int client, sock;

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(quoit_fd_server_listen(&server, "s", NULL, NULL), 0);
	assert_int_equal(chdir("/"), 0);
	sock = accept_one(&server, &client);
	quoit_fd_server_close(&server);
	assert_int_equal(fds_names(folder), 0);
	assert_int_equal(chdir(before), 0);
	assert_int_equal(send(sock, "x", 1, MSG_NOSIGNAL), 1); /* who was accepted stays */
	quoit_fd_server_close(&server);			       /* nothing happens */
	fds_close(&sock, 1);
	fds_close(&client, 1);
}

static void what_somebody_else_has_put_there_stays(void **state)
{
	struct quoit_fd_server server, second;
	int client, sock, fd;

	(void)state;
	listen_there(&server, NULL); /* removed by hand, and another server began */
	assert_int_equal(unlink(path), 0);
	listen_there(&second, NULL);
	quoit_fd_server_close(&server);
	sock = accept_one(&second, &client);
	fds_close(&sock, 1);
	fds_close(&client, 1);
	assert_int_equal(unlink(path), 0); /* a file */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	quoit_fd_server_close(&second);
	assert_int_equal(access(path, F_OK), 0);
	fds_close(&fd, 1);
	assert_int_equal(unlink(path), 0);
	listen_there(&server, NULL); /* nothing */
	assert_int_equal(unlink(path), 0);
	quoit_fd_server_close(&server);
}

static int close_it(void *ctx)
{
	quoit_fd_server_close(ctx);
	return access(path, F_OK) ? 1 : 0;
}

static void a_forked_child_takes_nothing_away(void **state)
{
	struct quoit_fd_server server;
	int client, sock;

	(void)state;
	listen_there(&server, NULL);
	assert_int_equal(fds_in_child(0, close_it, &server), 0);
	sock = accept_one(&server, &client);
	fds_close(&sock, 1);
	fds_close(&client, 1);
	quoit_fd_server_close(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		CASE(nobody_else_may_connect_at_any_moment),
		CASE(the_backlog_is_what_was_asked_for),
		CASE(a_flood_of_those_who_may_not_keeps_nobody_out),
		CASE(the_mode_alone_keeps_other_users_out),
		CASE(an_abstract_name_is_protected_by_looking),
		CASE(who_is_accepted_can_be_given_descriptors),
		CASE(accepting_ends_at_its_deadline),
		CASE(one_that_was_shut_down_ends_at_once),
		CASE(signals_do_not_end_it),
		CASE(without_descriptors_it_says_so_and_goes_on_later),
		CASE(the_end_removes_the_path_from_wherever_it_is_called),
		CASE(what_somebody_else_has_put_there_stays),
		CASE(a_forked_child_takes_nothing_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
