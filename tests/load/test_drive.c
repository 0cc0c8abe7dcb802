/* SPDX-License-Identifier: MIT */
/*
 * test_drive.c - the load generator against redis: all is well, and with one reply spoilt it is
 * not.
 *
 * A run against redis itself says that the expected replies are the right ones. Each fault is made
 * by a proxy between the two.
 */
#include "drive.h"
#include "faulty_proxy.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <support/skip.h>

enum {
	CONNECTIONS = 4,
	START_MS = 10000,
	RUN_S = 30, /* no run takes longer, whatever the server does */
};

static char home[] = "load-XXXXXX";
static struct sockaddr_un redis_at, proxy_at;
static pid_t redis, proxy;
static struct drive drive;

static pid_t fork_with_us(void)
{
	const pid_t parent = getpid();
	const pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static void end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void name_socket(struct sockaddr_un *at, const char *name)
{
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(at->sun_path, sizeof(at->sun_path), "%s/%s", home, name);
}

static int start_redis(void **state)
{
	(void)state;
	if (chdir(getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir) || !mkdtemp(home))
		return -1;
	name_socket(&redis_at, "redis");
	name_socket(&proxy_at, "proxy");
	redis = fork_with_us();
	if (redis == 0) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(1);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
		       redis_at.sun_path, "--save", "", NULL);
		execlp("redis-check-rdb", "redis-server", "--port", "0", "--unixsocket",
		       redis_at.sun_path, "--save", "", NULL);
		_exit(127);
	}
	for (int ms = 0; ms < START_MS; ms += 20) {
		const int fd = proxy_connect(&redis_at);

		if (fd >= 0)
			return close(fd);
		if (waitpid(redis, NULL, WNOHANG) == redis) {
			redis = 0;
			return 0;
		}
		usleep(20000);
	}
	return -1;
}

static int stop_redis(void **state)
{
	(void)state;
	end(&redis);
	unlink(redis_at.sun_path);
	unlink(proxy_at.sun_path);
	return rmdir(home);
}

static int close_drive(void **state)
{
	(void)state;
	drive_close(&drive);
	end(&proxy);
	return 0;
}

static void start_proxy(enum fault fault)
{
	const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static struct proxy p;

	unlink(proxy_at.sun_path);
	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&proxy_at, sizeof(proxy_at)), 0);
	assert_int_equal(listen(listener, CONNECTIONS), 0);
	p = (struct proxy){.fault = fault, .redis = redis_at};
	proxy = fork_with_us();
	if (proxy == 0)
		proxy_run(&p, listener);
	assert_true(proxy > 0);
	close(listener);
}

/* Load what listens there to the end. `stopped` ends the run before it has begun. */
static void load(const struct sockaddr_un *at, double patience_s, bool stopped)
{
	static struct drive_options options;
	const int stop = eventfd(stopped, EFD_CLOEXEC | EFD_NONBLOCK);

	if (!redis)
		skip_because("no redis server is installed");
	options = (struct drive_options){
		.to_bytes = sizeof(*at),
		.run = (uint64_t)getpid(),
		.connections = CONNECTIONS,
		.depth = 8,
		.keys = 64,
		.seconds = stopped ? RUN_S : 0.3,
		.patience_s = patience_s,
	};
	memcpy(&options.to, at, sizeof(*at));
	assert_int_equal(drive_open(&drive, &options, 0, CONNECTIONS, stop), 0);
	assert_int_equal(drive_start(&drive), 0);
	assert_true(drive_join(&drive, now_ns() + RUN_S * UINT64_C(1000000000)));
	assert_true(drive.findings.asked > PROXY_FAULT_AFTER);
	close(stop);
}

static void load_with(enum fault fault, double patience_s)
{
	if (!redis)
		skip_because("no redis server is installed");
	start_proxy(fault);
	load(&proxy_at, patience_s, false);
}

static void assert_all_is_well(void)
{
	if (drive.findings.first.found)
		print_message("asked %s\nexpected %s\ngot %s\n", drive.findings.first.asked,
			      drive.findings.first.expected, drive.findings.first.got);
	assert_int_equal(drive.findings.wrong, 0);
	assert_int_equal(drive.findings.lost, 0);
	assert_int_equal(drive.findings.asked, drive.findings.answered);
	assert_string_equal(drive.reason, "");
}

/* How many keys redis holds: 0 to 9, for the digit of its reply. */
static int keys_left(void)
{
	char reply[16] = "";
	const int fd = proxy_connect(&redis_at);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, "DBSIZE\r\n", 8, 0), 8);
	assert_true(recv(fd, reply, sizeof(reply) - 1, 0) > 0);
	close(fd);
	assert_string_equal(reply + 2, "\r\n");
	return reply[1] - '0';
}

static void redis_answers_as_expected_and_is_left_empty(void **state)
{
	(void)state;
	load(&redis_at, 10, false);
	assert_all_is_well();
	assert_int_equal(keys_left(), 0);
}

static void a_run_that_is_stopped_still_finishes_what_it_began(void **state)
{
	(void)state;
	load(&redis_at, 10, true);
	assert_all_is_well();
	assert_int_equal(keys_left(), 0);
}

static void replies_may_come_byte_by_byte(void **state)
{
	(void)state;
	load_with(NO_FAULT, 10);
	assert_all_is_well();
	close_drive(state);
	load_with(CRUMBS, 10);
	assert_all_is_well();
}

static void a_reply_that_differs_is_wrong_and_no_other(void **state)
{
	static const enum fault faults[] = {FLIP, WRONG_TYPE, STALE};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		load_with(faults[i], 10);
		assert_int_equal(drive.findings.wrong, 1);
		assert_int_equal(drive.findings.lost, 0);
		assert_true(drive.findings.first.found);
		close_drive(state);
	}
}

static void replies_out_of_order_are_wrong(void **state)
{
	(void)state;
	load_with(SWAP, 10);
	assert_true(drive.findings.wrong >= 1);
	assert_int_equal(drive.findings.lost, 0);
}

static void a_reply_that_comes_twice_is_wrong(void **state)
{
	(void)state;
	load_with(TWICE, 2);
	assert_true(drive.findings.wrong >= 1);
}

static void a_reply_that_never_comes_is_lost(void **state)
{
	static const enum fault faults[] = {DROP, MISROUTE, CUT, STALL, CLOSE};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		load_with(faults[i], 1);
		assert_true(drive.findings.lost >= 1);
		assert_int_not_equal(drive.reason[0], '\0');
		close_drive(state);
	}
}

static void a_server_that_is_not_there_cannot_be_loaded(void **state)
{
	struct drive_options options = {.to_bytes = sizeof(proxy_at), .patience_s = 1};

	(void)state;
	unlink(proxy_at.sun_path);
	memcpy(&options.to, &proxy_at, sizeof(proxy_at));
	assert_int_equal(drive_open(&drive, &options, 0, CONNECTIONS, -1), -EBADF);

	const int stop = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(drive_open(&drive, &options, 0, CONNECTIONS, stop), -ENOENT);
	close(stop);
}

#define DRIVEN(test) cmocka_unit_test_teardown(test, close_drive)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DRIVEN(redis_answers_as_expected_and_is_left_empty),
		DRIVEN(a_run_that_is_stopped_still_finishes_what_it_began),
		DRIVEN(replies_may_come_byte_by_byte),
		DRIVEN(a_reply_that_differs_is_wrong_and_no_other),
		DRIVEN(replies_out_of_order_are_wrong),
		DRIVEN(a_reply_that_comes_twice_is_wrong),
		DRIVEN(a_reply_that_never_comes_is_lost),
		cmocka_unit_test(a_server_that_is_not_there_cannot_be_loaded),
	};

	/* Closing one that was never opened, or twice, must be harmless. */
	drive.epoll = -1;
	return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
