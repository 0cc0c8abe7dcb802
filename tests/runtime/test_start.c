/* SPDX-License-Identifier: MIT */
/*
 * test_start.c - a core that cannot start, for each of the reasons there are: then none does, and
 * nothing is left of any.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <quoit.h>

#include "runtime/faults.h"
#include "support/skip.h"

#define CORES 3

static uint64_t started;

static int forget(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	fault.core = NOWHERE;
	started = 0;
	return 0;
}

static int note_start(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_add(&started, 1);
	return 0;
}

/* Start three cores with what `fault` says. Gives what that gave. */
static int start_once(struct quoit_reason *why)
{
	const struct quoit_config config = {.cores = CORES, .start = note_start};
	struct quoit_runtime *runtime = NULL;
	int rc;

	*why = (struct quoit_reason){0};
	fault.maps = fault.threads = 0;
	rc = quoit_runtime_start(&config, &runtime, why);
	if (rc < 0) {
		assert_null(runtime);
		assert_int_equal(why->error, rc);
		assert_true(why->text[0]);
		return rc;
	}
	quoit_runtime_stop(runtime, 0);
	assert_int_equal(quoit_runtime_wait(runtime, NULL), 0);
	return 0;
}

static void need_io_uring(void)
{
	struct quoit_reason why;
	const int rc = start_once(&why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	started = 0;
}

static void a_core_that_is_refused_an_io_uring_takes_all_back(void **state)
{
	static const int errors[] = {EPERM, ENOMEM, EMFILE, ENOSYS};
	struct quoit_reason why;
	int files;

	(void)state;
	need_io_uring();
	files = open_files();
	for (fault.core = 0; fault.core < CORES; fault.core++)
		for (unsigned i = 0; i < 4; i++) {
			fault.setup = errors[i];
			assert_int_equal(start_once(&why), -errors[i]);
			assert_int_equal(open_files(), files);
		}
	assert_int_equal(started, 0);
}

/* Whichever of its mappings it is. */
static void a_core_that_is_refused_memory_takes_all_back(void **state)
{
	struct quoit_reason why;
	unsigned failed = 0;
	int files;

	(void)state;
	need_io_uring();
	files = open_files();
	for (fault.core = 0; fault.core < CORES; fault.core++)
		for (fault.map = 1;; fault.map++) {
			if (start_once(&why) == 0)
				break;
			failed++;
			assert_int_equal(why.error, -ENOMEM);
			assert_int_equal(open_files(), files);
		}
	assert_true(failed >= 8 * CORES); /* queues, buffers, chunks, slabs, operations, lanes */
	assert_int_equal(open_files(), files);
}

static void a_core_without_a_thread_takes_all_back(void **state)
{
	struct quoit_reason why;
	int files;

	(void)state;
	need_io_uring();
	files = open_files();
	for (fault.thread = 1; fault.thread <= CORES; fault.thread++) {
		char words[40];

		assert_int_equal(start_once(&why), -EAGAIN);
		snprintf(words, sizeof(words), "the thread of core %u", fault.thread - 1);
		assert_non_null(strstr(why.text, words));
		assert_int_equal(open_files(), files);
	}
	assert_int_equal(started, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, forget)
	const struct CMUnitTest tests[] = {
		CASE(a_core_that_is_refused_an_io_uring_takes_all_back),
		CASE(a_core_that_is_refused_memory_takes_all_back),
		CASE(a_core_without_a_thread_takes_all_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
