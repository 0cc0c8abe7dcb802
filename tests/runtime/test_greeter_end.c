/* SPDX-License-Identifier: MIT */
/*
 * test_greeter_end.c - a greeter ends once, whoever ends it, with all its places free and nothing
 * of its peers left; what it refuses to begin; and who may not come at all. B185, B186.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/greeter_host.h"

#include <sys/resource.h>

#include <quoit/numa/atomic.h>
#include <quoit.h>
#include <quoit/runtime/loop_internal.h>

static void a_stop_cuts_off_who_has_not_said_his_hello(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct host host = {0};
		struct driven d;
		int clients[PLACES];
		int sent;

		fds_make(&sent, 1);
		drive_open(&d, kind, NULL);
		open_host(&d, &host, true, LONG_NS);
		for (unsigned i = 0; i < PLACES; i++) {
			clients[i] = connect_there(true);
			/* What he has brought by then is closed, too. */
			assert_int_equal(fds_send_raw(clients[i], "half", 4, &sent, 1, 1), 4);
		}
		drive_until(&d, host.greeter.counts.accepted == PLACES);
		drive(&d);
		quoit_greeter_stop(&host.greeter);
		quoit_greeter_stop(&host.greeter);
		assert_int_equal(host.stopped, 0); /* not by the call */
		close_host(&d, &host);
		assert_int_equal(host.error, 0);
		assert_int_equal(host.greeter.counts.cut_off, PLACES);
		for (unsigned i = 0; i < PLACES; i++) {
			assert_int_equal(host.errors[i], -ECANCELED);
			assert_null(host.places[i].greeter);
		}
		fds_close(clients, PLACES);
		fds_close(&sent, 1);
		drive_close(&d);
	}
}

static void handlers_may_stop_it(void **state)
{
	(void)state;
	for (unsigned good_one = 0; good_one < 2; good_one++) {
		struct host host = {.stop = true};
		struct driven d;
		int clients[2];

		drive_open(&d, KIND_OWN, NULL);
		open_host(&d, &host, false, LONG_NS);
		clients[0] = connect_there(false);
		clients[1] = connect_there(false);
		drive_until(&d, host.greeter.counts.accepted == 2);
		if (good_one)
			say(clients[0], 0, NULL);
		else
			assert_int_equal(send(clients[0], "no hello", 8, 0), 8);
		drive_until(&d, host.stopped);
		assert_int_equal(host.arrived, good_one);
		assert_int_equal(host.refused, good_one ? 1 : 2);
		close_host(&d, &host);
		fds_close(clients, 2);
		drive_close(&d);
	}
}

static void afterwards_all_can_be_used_again(void **state)
{
	struct host host = {0};
	const struct quoit_greeter_options options = options_of(&host, LONG_NS);
	struct driven d;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	assert_int_equal(quoit_fd_server_listen(&host.server, path, NULL, NULL), 0);
	for (unsigned i = 0; i < 5; i++) {
		const int client = connect_there(false);
		int sock;

		/* By itself, without a greeter: the first time, and after each. */
		sock = quoit_fd_server_accept(&host.server, FDS_PAST, NULL, NULL);
		assert_true(sock >= 0);
		fds_close(&sock, 1);
		fds_close(&client, 1);
		assert_int_equal(quoit_fd_server_accept(&host.server, FDS_PAST, NULL, NULL),
				 -ETIMEDOUT);
		assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, &options),
				 0);
		assert_int_equal(quoit_fd_server_accept(&host.server, FDS_PAST, NULL, NULL),
				 -EBUSY);
		const int late = connect_there(false);
		say(late, 0, NULL);
		drive_until(&d, host.arrived == i + 1);
		fds_close(&late, 1);
		quoit_greeter_stop(&host.greeter);
		drive_until(&d, host.stopped == i + 1);
		assert_int_equal(host.greeter.counts.arrived, 1);
	}
	quoit_fd_server_close(&host.server);
	drive_close(&d);
}

static void what_cannot_begin_is_refused_and_changes_nothing(void **state)
{
	const struct quoit_loop_options none_left = {.operations = 1};
	struct host host = {0}, other = {0};
	struct quoit_greeter_options good_ones = options_of(&host, LONG_NS);
	struct quoit_greeter_options bad[5];
	struct driven d;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		bad[i] = good_ones;
	bad[0].arrived = NULL;
	bad[1].greetings = NULL;
	bad[2].greetings_most = 0;
	bad[3].wanted.fds_most = QUOIT_GREETING_FDS + 1;
	drive_open(&d, KIND_OWN, &none_left);
	assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, &good_ones),
			 -EBADF);
	assert_int_equal(quoit_fd_server_listen(&host.server, path, NULL, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, &bad[i]),
				 -EINVAL);
	assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, NULL), -EINVAL);
	assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, &good_ones), 0);
	assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, &good_ones),
			 -EBUSY);
	good_ones = options_of(&other, LONG_NS);
	assert_int_equal(quoit_greeter_start(d.loop, &other.greeter, &host.server, &good_ones),
			 -EBUSY); /* another has the server */
	snprintf(path, sizeof(path), "%s/t", folder);
	assert_int_equal(quoit_fd_server_listen(&other.server, path, NULL, NULL), 0);
	assert_int_equal(quoit_greeter_start(d.loop, &other.greeter, &other.server, &good_ones),
			 -ENOBUFS); /* the loop has one operation, and that is taken */
	assert_false(quoit_greeter_is_active(&other.greeter));
	assert_int_equal(quoit_fd_server_accept(&other.server, FDS_PAST, NULL, NULL), -ETIMEDOUT);
	quoit_fd_server_close(&other.server);
	quoit_greeter_stop(&other.greeter); /* nothing happens */
	assert_int_equal(quoit_loop_destroy(d.loop), -EBUSY);
	close_host(&d, &host);
	drive_close(&d);
}

static void an_error_of_the_kernel_ends_it_and_is_told(void **state)
{
	struct host host = {0};
	const struct quoit_greeter_options options = options_of(&host, LONG_NS);
	struct rlimit limit, low;
	struct driven d;
	int clients[2], keep, lowest;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	assert_int_equal(quoit_fd_server_listen(&host.server, path, NULL, NULL), 0);
	clients[0] = connect_there(false);
	clients[1] = connect_there(false);
	keep = fcntl(host.server.fd, F_DUPFD_CLOEXEC, 3);
	/* One finds a descriptor, the other none; an accept goes by the limit of when it began. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	lowest = dup(0);
	assert_int_equal(close(lowest), 0);
	low = limit;
	low.rlim_cur = (rlim_t)lowest + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, &options), 0);
	drive_until(&d, host.greeter.counts.pauses == 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(host.greeter.counts.accepted, 1);
	/* In the pause, what it accepts on becomes something else. */
	assert_int_equal(dup2(clients[1], host.server.fd), host.server.fd);
	drive_until(&d, !quoit_poll_is_active(&host.greeter.accept));
	for (unsigned i = 0; i < 10; i++)
		drive(&d);
	assert_int_equal(host.stopped, 0); /* who has come is still heard */
	say(clients[0], 0, NULL);
	drive_until(&d, host.stopped);
	assert_int_equal(host.arrived, 1);
	assert_int_equal(host.error, -EINVAL);
	assert_int_equal(dup3(keep, host.server.fd, O_CLOEXEC), host.server.fd);
	close_host(&d, &host);
	fds_close(&keep, 1);
	fds_close(clients, 2);
	drive_close(&d);
}

static void a_ring_that_fails_ends_it_and_is_told(void **state)
{
	struct host host = {0};
	struct driven d;
	int clients[2];

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	open_host(&d, &host, false, LONG_NS);
	clients[0] = connect_there(false);
	clients[1] = connect_there(false);
	drive_until(&d, host.greeter.counts.accepted == 2);
	d.loop->uring.failed = -EIO;
	(void)!quoit_loop_run_once(d.loop, 0);
	assert_int_equal(host.stopped, 1);
	assert_int_equal(host.error, -EIO);
	assert_int_equal(host.refused, 2);
	d.loop->uring.failed = 0; /* what the kernel still has can end */
	close_host(&d, &host);
	fds_close(clients, 2);
	drive_close(&d);
}

/* --- in a runtime ---------------------------------------------------------------------------- */

static struct host served;
static uint32_t heard_by_core, stopped_at_stop;

static int start_core(struct quoit_core *core, void *ctx)
{
	const struct quoit_greeter_options options = options_of(&served, LONG_NS);

	(void)ctx;
	return quoit_core_index(core) ? 0
				      : quoit_greeter_start(quoit_core_loop(core), &served.greeter,
							    &served.server, &options);
}

static void count_heard(struct quoit_greeter *greeter, const struct quoit_arrival *arrival,
			void *ctx)
{
	on_arrived(greeter, arrival, ctx);
	quoit_store_release(&heard_by_core, 1);
}

static int start_counting(struct quoit_core *core, void *ctx)
{
	const int rc = start_core(core, ctx);

	if (!rc && !quoit_core_index(core))
		served.greeter.options.arrived = count_heard;
	return rc;
}

static void stop_core(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	if (!quoit_core_index(core))
		stopped_at_stop = served.stopped;
}

static void a_runtime_that_stops_ends_it_first(void **state)
{
	const struct quoit_config config = {.cores = 2, .start = start_counting, .stop = stop_core};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};
	int silent, client, rc;

	(void)state;
	memset(&served, 0, sizeof(served));
	heard_by_core = stopped_at_stop = 0;
	assert_int_equal(quoit_fd_server_listen(&served.server, path, NULL, NULL), 0);
	rc = quoit_runtime_start(&config, &runtime, &why);
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	silent = connect_there(false);
	client = connect_there(false);
	say(client, 0, NULL);
	while (!quoit_load_acquire(&heard_by_core))
		usleep(1000);
	quoit_runtime_stop(runtime, (uint64_t)10 * 1000000000);
	assert_int_equal(quoit_runtime_wait(runtime, &why), 0);
	assert_int_equal(served.stopped, 1);
	assert_int_equal(stopped_at_stop, 1);
	assert_int_equal(served.error, 0);
	assert_int_equal(served.arrived, 1);
	assert_int_equal(served.errors[0], -ECANCELED);
	assert_true(is_closed(silent));
	fds_close(&silent, 1);
	fds_close(&client, 1);
	quoit_fd_server_close(&served.server);
}

/* --- who may not ----------------------------------------------------------------------------- */

static int come_and_wait(void *ctx)
{
	const int fd = fds_connect_raw(path, SOCK_SEQPACKET);
	char byte;

	(void)ctx;
	return fd < 0 ? 1 : recv(fd, &byte, 1, 0) != 0; /* closed, and nothing said */
}

static void another_user_takes_no_place(void **state)
{
	const struct quoit_fd_server_options everybody = {.mode = 0666};
	struct host host = {0};
	const struct quoit_greeter_options options = options_of(&host, LONG_NS);
	const mode_t mask = umask(0);
	struct driven d;
	int status = 0;
	pid_t child;

	(void)state;
	if (geteuid()) {
		umask(mask);
		skip_because("connecting as another user: it needs root");
	}
	assert_int_equal(chmod(folder, 0711), 0);
	drive_open(&d, KIND_OWN, NULL);
	assert_int_equal(quoit_fd_server_listen(&host.server, path, &everybody, NULL), 0);
	umask(mask);
	assert_int_equal(quoit_greeter_start(d.loop, &host.greeter, &host.server, &options), 0);
	child = fork();
	if (!child)
		_exit(setgid(FDS_NOBODY) || setuid(FDS_NOBODY) || come_and_wait(NULL));
	drive_until(&d, host.refused);
	assert_int_equal(host.errors[0], -EACCES);
	assert_int_equal(host.greeter.counts.not_allowed, 1);
	assert_int_equal(host.server.refused, 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close_host(&d, &host);
	drive_close(&d);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		CASE(a_stop_cuts_off_who_has_not_said_his_hello),
		CASE(handlers_may_stop_it),
		CASE(afterwards_all_can_be_used_again),
		CASE(what_cannot_begin_is_refused_and_changes_nothing),
		CASE(an_error_of_the_kernel_ends_it_and_is_told),
		CASE(a_ring_that_fails_ends_it_and_is_told),
		CASE(a_runtime_that_stops_ends_it_first),
		CASE(another_user_takes_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
