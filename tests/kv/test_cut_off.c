/* SPDX-License-Identifier: MIT */
/*
 * test_cut_off.c - a server that is stopped at once while one core still has requests of another.
 *
 * Core 1 is held up by a timer of this test until core 0 has given up all its calls; then it
 * executes them. What they point to must still be there: the sanitizer watches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "kv.h"
#include "support/client.h"
#include "support/skip.h"

#define CLIENTS	 16
#define ITEMS	 100
#define LOOK_NS	 1000000ull
#define PATIENCE 20000 /* looks, each after LOOK_NS */

static struct kv_server *server;
static int port;
static uint32_t hold_up, held_up, go_on;
static struct quoit_timer timer;

/* Wait for something that must come; far longer than it can take, so that only a hang fails. */
static bool comes(const uint32_t *flag)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	unsigned looks = 0;

	while (!quoit_load_acquire(flag) && looks++ < PATIENCE)
		nanosleep(&pause, NULL);
	return quoit_load_acquire(flag);
}

static bool forwards(uint64_t least)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	unsigned looks = 0;

	while (quoit_load(&server->counts[0].forwarded) < least && looks++ < PATIENCE)
		nanosleep(&pause, NULL);
	return quoit_load(&server->counts[0].forwarded) >= least;
}

static void look(struct quoit_timer *t, void *ctx)
{
	struct quoit_core *core = ctx;

	if (quoit_load_acquire(&hold_up)) {
		quoit_store_release(&held_up, 1);
		(void)comes(&go_on); /* the test has failed already if not */
		return;
	}
	quoit_timers_start(quoit_core_timers(core), t, quoit_core_now_ns(core) + LOOK_NS, look,
			   core);
}

static int start(struct quoit_core *core, void *ctx)
{
	const int rc = server_start(core, ctx);

	if (rc < 0)
		return rc;
	if (quoit_core_index(core) == 1) {
		look(&timer, core);
		return 0;
	}
	port = quoit_listen(core, "127.0.0.2:0", &connection_events, quoit_core_user(core));
	return port;
}

struct text {
	char bytes[64 << 10];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	const size_t room = sizeof(text->bytes) - text->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->bytes + text->len, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		text->len += (size_t)n;
}

/* MSET and MGET of as many keys, so that half of them are the other core's, and one by one. */
static void write_requests(struct text *text)
{
	put(text, "*%d\r\n$4\r\nMSET\r\n", 2 * ITEMS + 1);
	for (unsigned i = 0; i < ITEMS; i++)
		put(text, "$4\r\nk%03u\r\n$100\r\n%0100u\r\n", i, i);
	put(text, "*%d\r\n$4\r\nMGET\r\n", ITEMS + 1);
	for (unsigned i = 0; i < ITEMS; i++)
		put(text, "$4\r\nk%03u\r\n", i);
	for (unsigned i = 0; i < 8; i++)
		put(text, "*3\r\n$3\r\nSET\r\n$4\r\nk%03u\r\n$900\r\n%0900u\r\n", i, i);
}

static void requests_of_a_core_that_gave_up_find_what_they_point_to(void **state)
{
	static struct text requests;
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};
	int fds[CLIENTS];
	int rc;

	(void)state;
	write_requests(&requests);
	rc = quoit_runtime_start(
		&(struct quoit_config){
			.cores = 2, .start = start, .stop = server_stop, .ctx = server},
		&runtime, &why);
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	quoit_store_release(&hold_up, 1);
	assert_true(comes(&held_up));
	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = client_connect_to(2, port);
		assert_true(fds[i] >= 0);
		assert_int_equal(client_send(fds[i], requests.bytes, requests.len), 0);
	}
	assert_true(forwards(CLIENTS));
	quoit_runtime_stop(runtime, 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		(void)client_end(fds[i]); /* core 0 has dropped it, and its calls before that */
		client_close(fds[i]);
	}
	quoit_store_release(&go_on, 1);
	assert_int_equal(quoit_runtime_wait(runtime, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "core 0"));
}

static int make_server(void **state)
{
	(void)state;
	server = aligned_alloc(QUOIT_ISOLATION, sizeof(*server));
	if (!server)
		return -1;
	memset(server, 0, sizeof(*server));
	memcpy(server->config.address, "127.0.0.1:0", sizeof("127.0.0.1:0"));
	server->config.memory_bytes = 64 << 20;
	server->config.limits = RESP_LIMITS_DEFAULT;
	return hash_secret_make(&server->secret);
}

static int free_server(void **state)
{
	(void)state;
	free(server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_a_core_that_gave_up_find_what_they_point_to),
	};

	return cmocka_run_group_tests(tests, make_server, free_server);
}
