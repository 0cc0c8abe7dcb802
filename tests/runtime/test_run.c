/* SPDX-License-Identifier: MIT */
/*
 * test_run.c - quoit_run() in a process of its own, and the signals that come to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit.h>

#include "support/skip.h"

/* Gives the status of a process that does nothing but run `start` on one core. */
static int run(int (*start)(struct quoit_core *, void *))
{
	const struct quoit_config config = {.cores = 1, .start = start};
	int status = -1;
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		const int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		_exit(quoit_run(&config));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int end_at_once(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	quoit_runtime_stop(quoit_core_runtime(core), UINT64_MAX);
	return 0;
}

static int signal_twice(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGINT);
	return 0;
}

static int signal_and_fail(struct quoit_core *core, void *ctx)
{
	(void)signal_twice(core, ctx);
	return -EIO;
}

static void cores_that_stop_by_themselves_end_the_program(void **state)
{
	const int status = run(end_at_once);

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		skip_because("io_uring is refused");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void signals_that_come_while_the_program_ends_do_not_kill_it(void **state)
{
	int status = run(signal_and_fail);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	for (unsigned i = 0; i < 20; i++) {
		status = run(signal_twice);
		assert_true(WIFEXITED(status));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_that_stop_by_themselves_end_the_program),
		cmocka_unit_test(signals_that_come_while_the_program_ends_do_not_kill_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
