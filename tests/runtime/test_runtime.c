/* SPDX-License-Identifier: MIT */
/*
 * test_runtime.c - starting all cores or none, and saying why not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/home.h"
#include "support/server.h"
#include "support/skip.h"

#define STOP_NS (10 * 1000 * 1000 * 1000ull)

static struct {
	uint64_t started, stopped;
	uint64_t kept;	 /* cores that gave back at the end what they were given at the start */
	uint64_t placed; /* cores that run where they say */
	uint64_t seen[SERVER_CORES];
	unsigned failing; /* index of the core whose start fails */
	int error;
	bool says_why;
	const char *address;
	int ports[SERVER_CORES];
	unsigned opened[SERVER_CORES];
	int rc;
} seen;

static int forget(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static int open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int n = 0;

	if (!folder)
		return -1;
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

/* Threads that carry a core's name: a sanitizer has some of its own. */
static int core_threads(void)
{
	DIR *folder = opendir("/proc/self/task");
	struct dirent *entry;
	int n = 0;

	while (folder && (entry = readdir(folder))) {
		char path[300];
		char name[16] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		n += fgets(name, sizeof(name), file) && !strncmp(name, "quoit-", 6);
		fclose(file);
	}
	if (folder)
		closedir(folder);
	return n;
}

static void need_io_uring(void)
{
	const struct quoit_config config = {.cores = 1};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};
	const int rc = quoit_runtime_start(&config, &runtime, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	quoit_runtime_stop(runtime, STOP_NS);
	assert_int_equal(quoit_runtime_wait(runtime, NULL), 0);
}

/* Is the calling thread where this core says that it is? */
static bool is_where_it_says(const struct quoit_core *core)
{
	unsigned cpu, node;
	cpu_set_t allowed;

	return !sched_getaffinity(0, sizeof(allowed), &allowed) &&
	       CPU_ISSET(quoit_core_cpu(core), &allowed) && !getcpu(&cpu, &node) &&
	       (cpu != quoit_core_cpu(core) || memory_node((int)node) == quoit_core_node(core));
}

static int note_start(struct quoit_core *core, void *ctx)
{
	const unsigned index = quoit_core_index(core);

	(void)ctx;
	quoit_core_set_user(core, &seen.seen[index]);
	quoit_add(&seen.placed, is_where_it_says(core));
	quoit_add(&seen.started, 1);
	quoit_add(&seen.seen[index], 1);
	if (seen.error && index == seen.failing) {
		if (seen.says_why)
			return quoit_core_fail(core, seen.error, "no tea on core %u\n", index);
		return seen.error;
	}
	return 0;
}

static void note_stop(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	quoit_add(&seen.kept, quoit_core_user(core) == &seen.seen[quoit_core_index(core)]);
	quoit_add(&seen.stopped, 1);
}

/* --- starting -------------------------------------------------------------------------------- */

static void every_core_is_started_once_and_stopped_once(void **state)
{
	const struct quoit_config config = {
		.cores = SERVER_CORES, .start = note_start, .stop = note_stop};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};
	int files;

	(void)state;
	need_io_uring();
	files = open_files();
	assert_int_equal(quoit_runtime_start(&config, &runtime, &why), 0);
	assert_int_equal(quoit_runtime_cores(runtime), SERVER_CORES);
	assert_int_equal(quoit_load(&seen.started), SERVER_CORES);
	assert_int_equal(core_threads(), SERVER_CORES);
	quoit_runtime_stop(runtime, STOP_NS);
	assert_int_equal(quoit_runtime_wait(runtime, &why), 0);
	assert_int_equal(seen.stopped, SERVER_CORES);
	assert_int_equal(seen.kept, SERVER_CORES);
	assert_int_equal(seen.placed, SERVER_CORES);
	for (unsigned i = 0; i < SERVER_CORES; i++)
		assert_int_equal(seen.seen[i], 1);
	assert_int_equal(open_files(), files);
	assert_soon(!core_threads()); /* a joined one is listed for a moment */
}

static void all_means_one_core_per_usable_cpu(void **state)
{
	const struct quoit_config config = {.cores = QUOIT_ALL, .start = note_start};
	struct quoit_runtime *runtime;
	cpu_set_t mine;

	(void)state;
	need_io_uring();
	assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
	assert_int_equal(quoit_runtime_start(&config, &runtime, NULL), 0);
	assert_int_equal(quoit_runtime_cores(runtime), CPU_COUNT(&mine));
	quoit_runtime_stop(runtime, STOP_NS);
	assert_int_equal(quoit_runtime_wait(runtime, NULL), 0);
}

/* Whichever core fails: no thread, no file, no runtime is left, and the reason is that core's. */
static void one_core_that_fails_to_start_takes_all_back_with_its_reason(void **state)
{
	const struct quoit_config config = {
		.cores = SERVER_CORES, .start = note_start, .stop = note_stop};
	const int files = open_files();

	(void)state;
	need_io_uring();
	for (unsigned i = 0; i < 2 * SERVER_CORES; i++) {
		struct quoit_runtime *runtime = NULL;
		struct quoit_reason why = {0};
		char name[16];

		forget(NULL);
		seen.failing = i % SERVER_CORES;
		seen.says_why = i >= SERVER_CORES;
		seen.error = -EDOM;
		snprintf(name, sizeof(name), "core %u", seen.failing);
		assert_int_equal(quoit_runtime_start(&config, &runtime, &why), -EDOM);
		assert_int_equal(why.error, -EDOM);
		assert_non_null(strstr(why.text, name));
		assert_non_null(strstr(why.text, seen.says_why ? "no tea" : strerror(EDOM)));
		assert_null(strchr(why.text, '\n'));
		assert_null(runtime);
		assert_int_equal(seen.started, SERVER_CORES);
		assert_int_equal(open_files(), files);
		assert_soon(!core_threads()); /* a joined one is listed for a moment */
	}
}

static void note_cancelled(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_add(&seen.seen[0], reply->status == -ECANCELED);
}

/* Core 0 sends right away; core 1 fails before it has said who handles what. */
static int send_or_fail(struct quoit_core *core, void *ctx)
{
	int rc;

	(void)ctx;
	if (quoit_core_index(core))
		return -EDOM;
	rc = quoit_post(core, 1, 1, NULL, 0);
	return rc < 0 ? rc : quoit_call(core, 1, 2, NULL, 0, note_cancelled, NULL);
}

/* Found by the simulated kernel: it was a broken contract, and ended the process. */
static void what_was_sent_to_a_core_that_fails_to_start_is_turned_away(void **state)
{
	const struct quoit_config config = {.cores = 2, .start = send_or_fail, .stop = note_stop};
	struct quoit_runtime *runtime = NULL;
	struct quoit_reason why = {0};

	(void)state;
	need_io_uring();
	forget(NULL);
	assert_int_equal(quoit_runtime_start(&config, &runtime, &why), -EDOM);
	assert_int_equal(seen.seen[0], 1);
}

static void a_machine_without_descriptors_is_refused_with_the_reason(void **state)
{
	const struct quoit_config config = {.cores = 2, .start = note_start};
	struct rlimit before;
	struct rlimit few;
	int lowest;
	int files;

	(void)state;
	need_io_uring();
	files = open_files();
	lowest = dup(STDOUT_FILENO);
	assert_true(lowest > 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	/* From none to all but one of those that two cores take: every step of the start fails
	 * once. */
	for (unsigned more = 0; more < 5; more++) {
		struct quoit_runtime *runtime = NULL;
		struct quoit_reason why = {0};
		int rc;

		few = before;
		few.rlim_cur = (rlim_t)lowest + more;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		rc = quoit_runtime_start(&config, &runtime, &why);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(rc, -EMFILE);
		assert_non_null(strstr(why.text, "ulimit -n"));
		assert_null(runtime);
		assert_int_equal(open_files(), files);
		assert_soon(!core_threads()); /* a joined one is listed for a moment */
	}
	assert_int_equal(seen.started, 0);
}

/* --- options --------------------------------------------------------------------------------- */

static void options_out_of_range_are_refused_with_name_and_range(void **state)
{
	static const struct {
		struct quoit_config config;
		const char *words;
	} cases[] = {
		{{.cores = QUOIT_CORES_MAX + 1}, "1025 cores"},
		{{.cores = 1, .calls_per_pair = 4097}, "4097 calls"},
		{{.cores = 1, .call_depth = QUOIT_CALL_DEPTH_MAX + 1}, "nested 9 deep"},
		{{.cores = 1, .outsiders = 4097}, "4097 outsiders"},
		{{.cores = 1, .io.sq_entries = 63}, "sq_entries"},
		{{.cores = 1, .io.sq_entries = 16385}, "sq_entries"},
		{{.cores = 1, .io.streams_max = (1 << 20) + 1}, "streams_max"},
		{{.cores = 1, .io.buffer_bytes = 255}, "buffer_bytes"},
		{{.cores = 1, .io.buffer_bytes = (1 << 20) + 1}, "buffer_bytes"},
		{{.cores = 1, .io.buffer_count = 1}, "buffer_count"},
		{{.cores = 1, .io.buffer_count = 48}, "power of two"},
		{{.cores = 1, .io.buffer_count = 65536}, "buffer_count"},
		{{.cores = 1, .io.send_bytes_max = 4096}, "send_bytes_max"},
		{{.cores = 1, .io.receive_bytes_max = 65535}, "receive_bytes_max"},
	};

	(void)state;
	need_io_uring();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct quoit_runtime *runtime = NULL;
		struct quoit_reason why = {0};

		assert_int_equal(quoit_runtime_start(&cases[i].config, &runtime, &why), -EINVAL);
		assert_int_equal(why.error, -EINVAL);
		assert_non_null(strstr(why.text, cases[i].words));
		assert_null(runtime);
	}
	assert_soon(!core_threads()); /* a joined one is listed for a moment */
}

static void the_least_of_every_option_serves(void **state)
{
	static struct server server;
	char back[300];
	char bytes[300] = "abc";
	int fd;

	(void)state;
	server = (struct server){
		.config = {.cores = 2,
			   .calls_per_pair = 1,
			   .io = {.sq_entries = 64,
				  .streams_max = 8,
				  .buffer_bytes = 256,
				  .buffer_count = 2,
				  .send_bytes_max = 16 * 8192,
				  .receive_bytes_max = 65536}},
	};
	server_start(&server);
	server_stop(&server);
	server_start(&server);
	fd = client_connect(server.port);
	assert_true(fd >= 0);
	assert_int_equal(client_send(fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(client_half_close(fd), 0);
	assert_int_equal(client_receive(fd, back, sizeof(back)), 0); /* no handler answers */
	client_close(fd);
	server_stop(&server);
}

/* A program that was built when the configuration had fewer members. */
static void a_shorter_configuration_of_an_older_program_means_defaults_for_the_rest(void **state)
{
	struct quoit_config config = {.cores = 1, .start = note_start, .calls_per_pair = 1 << 30};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};

	(void)state;
	need_io_uring();
	assert_int_equal(quoit_runtime_start(&config, &runtime, &why), -EINVAL);
	assert_int_equal(
		quoit__runtime_start(&config, offsetof(struct quoit_config, io), &runtime, &why),
		0);
	quoit_runtime_stop(runtime, STOP_NS);
	assert_int_equal(quoit_runtime_wait(runtime, &why), 0);
}

/* --- listening ------------------------------------------------------------------------------- */

static void count_opened(struct quoit_stream *stream, void *ctx)
{
	(void)ctx;
	quoit_add(&seen.opened[quoit_core_index(quoit_stream_core(stream))], 1);
}

static int listen_too(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_events events = {.opened = count_opened};
	const int port = quoit_listen(core, seen.address, &events, ctx);

	seen.ports[quoit_core_index(core)] = port;
	return port;
}

static void cores_share_one_free_port_and_its_connections(void **state)
{
	const struct quoit_config config = {.cores = 2, .start = listen_too};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};
	int fds[64];

	(void)state;
	need_io_uring();
	seen.address = "127.0.0.1:0";
	assert_int_equal(quoit_runtime_start(&config, &runtime, &why), 0);
	assert_true(seen.ports[0] > 0);
	assert_int_equal(seen.ports[0], seen.ports[1]);
	for (unsigned i = 0; i < 64; i++) {
		fds[i] = client_connect(seen.ports[0]);
		assert_true(fds[i] >= 0);
	}
	assert_soon(quoit_load(&seen.opened[0]) + quoit_load(&seen.opened[1]) == 64);
	/* The kernel spreads by a hash: 2^-63 that one core gets all. */
	assert_true(quoit_load(&seen.opened[0]) && quoit_load(&seen.opened[1]));
	for (unsigned i = 0; i < 64; i++)
		client_close(fds[i]);
	quoit_runtime_stop(runtime, STOP_NS);
	assert_int_equal(quoit_runtime_wait(runtime, &why), 0);
}

static void a_port_in_use_is_refused_even_to_a_second_runtime(void **state)
{
	const struct quoit_config config = {.cores = 2, .start = listen_too};
	struct quoit_runtime *first;
	struct quoit_runtime *second = NULL;
	struct quoit_reason why = {0};
	char text[32];

	(void)state;
	need_io_uring();
	seen.address = "127.0.0.1:0";
	assert_int_equal(quoit_runtime_start(&config, &first, &why), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%d", seen.ports[0]);
	seen.address = text;
	assert_int_equal(quoit_runtime_start(&config, &second, &why), -EADDRINUSE);
	assert_non_null(strstr(why.text, text));
	assert_non_null(strstr(why.text, "in use"));
	assert_null(second);
	quoit_runtime_stop(first, STOP_NS);
	assert_int_equal(quoit_runtime_wait(first, &why), 0);
	assert_int_equal(quoit_runtime_start(&config, &second, &why), 0); /* it is free again */
	quoit_runtime_stop(second, STOP_NS);
	assert_int_equal(quoit_runtime_wait(second, &why), 0);
}

static void what_is_not_an_address_is_refused_with_an_example(void **state)
{
	static const char *const texts[] = {"localhost:7000", "127.0.0.1", "", "127.0.0.1:70000",
					    NULL};
	const struct quoit_config config = {.cores = 2, .start = listen_too};

	(void)state;
	need_io_uring();
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct quoit_runtime *runtime = NULL;
		struct quoit_reason why = {0};

		seen.address = texts[i];
		assert_int_equal(quoit_runtime_start(&config, &runtime, &why), -EINVAL);
		assert_non_null(strstr(why.text, "127.0.0.1:7000"));
		assert_null(runtime);
	}
}

static int listen_badly(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_events events = {0};
	const int port = quoit_listen(core, "127.0.0.1:0", &events, NULL);

	(void)ctx;
	seen.rc = quoit_listen(core, NULL, &events, NULL);
	return port;
}

static void no_address_at_all_is_refused_beside_one_that_is_good(void **state)
{
	const struct quoit_config config = {.cores = 1, .start = listen_badly};
	struct quoit_runtime *runtime;

	(void)state;
	need_io_uring();
	assert_int_equal(quoit_runtime_start(&config, &runtime, NULL), 0);
	quoit_runtime_stop(runtime, STOP_NS);
	assert_int_equal(quoit_runtime_wait(runtime, NULL), 0);
	assert_int_equal(seen.rc, -EINVAL);
}

static int listen_often(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_events events = {0};
	int rc = 0;

	(void)ctx;
	for (unsigned i = 0; rc >= 0 && i <= 64; i++) {
		rc = quoit_listen(core, "127.0.0.1:0", &events, NULL);
		seen.started = i;
	}
	return rc;
}

static void more_listeners_than_there_is_room_for_are_refused(void **state)
{
	const struct quoit_config config = {.cores = 1, .start = listen_often};
	const int files = open_files();
	struct quoit_runtime *runtime = NULL;
	struct quoit_reason why = {0};

	(void)state;
	need_io_uring();
	assert_int_equal(quoit_runtime_start(&config, &runtime, &why), -ENOSPC);
	assert_non_null(strstr(why.text, "too many listeners"));
	assert_int_equal(seen.started, 64);
	assert_int_equal(open_files(), files);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, forget)
	const struct CMUnitTest tests[] = {
		CASE(every_core_is_started_once_and_stopped_once),
		CASE(all_means_one_core_per_usable_cpu),
		CASE(one_core_that_fails_to_start_takes_all_back_with_its_reason),
		CASE(what_was_sent_to_a_core_that_fails_to_start_is_turned_away),
		CASE(a_machine_without_descriptors_is_refused_with_the_reason),
		CASE(options_out_of_range_are_refused_with_name_and_range),
		CASE(the_least_of_every_option_serves),
		CASE(a_shorter_configuration_of_an_older_program_means_defaults_for_the_rest),
		CASE(cores_share_one_free_port_and_its_connections),
		CASE(a_port_in_use_is_refused_even_to_a_second_runtime),
		CASE(what_is_not_an_address_is_refused_with_an_example),
		CASE(no_address_at_all_is_refused_beside_one_that_is_good),
		CASE(more_listeners_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
