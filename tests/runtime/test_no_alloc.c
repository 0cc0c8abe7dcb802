/* SPDX-License-Identifier: MIT */
/*
 * test_no_alloc.c - once it is warm, a runtime takes and gives back no memory until it stops.
 *
 * Linked with malloc and its family, mmap and munmap wrapped; counted are only the calls on the
 * cores' threads, which mark themselves when they start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "support/server.h"

enum {
	OP_ECHO
};

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void __real_free(void *old);
void __wrap_free(void *old);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *base, size_t bytes);
int __wrap_munmap(void *base, size_t bytes);

static __thread bool on_a_core;
static uint64_t taken; /* calls that take memory, on the cores' threads */
static uint64_t given;

static void count(uint64_t *counter)
{
	if (on_a_core)
		quoit_add(counter, 1);
}

void *__wrap_malloc(size_t bytes)
{
	count(&taken);
	return __real_malloc(bytes);
}

void *__wrap_calloc(size_t number, size_t bytes)
{
	count(&taken);
	return __real_calloc(number, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
	count(&taken);
	return __real_realloc(old, bytes);
}

void __wrap_free(void *old)
{
	if (old)
		count(&given);
	__real_free(old);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	count(&taken);
	return __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_munmap(void *base, size_t bytes)
{
	count(&given);
	return __real_munmap(base, bytes);
}

/* --- a server that uses streams, timers and calls -------------------------------------------- */

static struct server server;

static struct quoit_timer ticks[SERVER_CORES];
static bool allocates; /* the handler itself takes memory: do we see it? */

static int forget(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	server.config.cores = 2;
	allocates = false;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

static void answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		   bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&messages[i]), messages[i].status,
			    messages[i].body, QUOIT_MESSAGE_BODY);
}

struct request {
	struct quoit_stream_id id;
	uint32_t len;
	unsigned char bytes[32];
};

static void send_answer(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct quoit_stream *stream;
	struct request request;

	(void)ctx;
	memcpy(&request, reply->body, sizeof(request));
	stream = quoit_core_stream(core, request.id);
	if (!stream)
		return;
	quoit_stream_send(stream, request.bytes, request.len);
	quoit_stream_release(stream);
}

/* Messages of 32 bytes: to the other core if they begin with a 'c', else straight back. */
static void serve_message(struct quoit_stream *stream, const unsigned char *bytes)
{
	struct quoit_core *core = quoit_stream_core(stream);
	struct request request = {.id = quoit_stream_id(stream), .len = 32};

	memcpy(request.bytes, bytes, 32);
	if (bytes[0] != 'c') {
		quoit_stream_send(stream, bytes, 32);
		return;
	}
	quoit_stream_hold(stream);
	if (quoit_call(core, quoit_core_count(core) - 1 - quoit_core_index(core), OP_ECHO, &request,
		       sizeof(request), send_answer, NULL) < 0)
		quoit_stream_abort(stream, -EBUSY);
}

static void on_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	const unsigned char *bytes = in.data;
	size_t left = in.len;

	(void)ctx;
	if (quoit_load(&allocates)) {
		void *volatile memory = malloc(1 + in.len); /* volatile, or it is optimised away */

		free(memory);
	}
	for (; left >= 32; left -= 32, bytes += 32)
		serve_message(stream, bytes);
	if (left && quoit_stream_keep(stream, left) < 0)
		quoit_stream_abort(stream, -EMSGSIZE);
}

static void tick(struct quoit_timer *timer, void *ctx)
{
	struct quoit_core *core = ctx;

	quoit_timers_start(quoit_core_timers(core), timer, quoit_core_now_ns(core) + 1000000, tick,
			   core);
}

static int mark_thread(struct quoit_core *core, void *ctx)
{
	on_a_core = true;
	tick(&ticks[quoit_core_index(core)], core);
	return quoit_on_message(core, OP_ECHO, answer, ctx);
}

static void serve(void)
{
	server.events.data = on_data;
	server.also = mark_thread;
	server_start(&server);
}

/* Clients come, send whole, halved and many messages, and go again. */
static void load(void)
{
	enum {
		CLIENTS = 20,
		LEN = 32 * 64
	};
	unsigned char bytes[LEN];
	unsigned char back[LEN];
	int fds[CLIENTS];

	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = client_connect(server.port);
		assert_true(fds[i] >= 0);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < CLIENTS; i++) {
			const size_t len = round % 4 == 3 ? LEN : 32;

			memset(bytes, i % 2 && len == 32 ? 'c' : 'e', LEN);
			assert_int_equal(client_send(fds[i], bytes, 10), 0);
			assert_int_equal(client_send(fds[i], bytes + 10, len - 10), 0);
		}
		for (unsigned i = 0; i < CLIENTS; i++) {
			const size_t len = round % 4 == 3 ? LEN : 32;

			assert_int_equal(client_receive(fds[i], back, len), len);
			assert_int_equal(back[len - 1], i % 2 && len == 32 ? 'c' : 'e');
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(fds[i]);
	server_settle(&server);
}

static void between_warm_up_and_stop_no_core_takes_or_gives_memory(void **state)
{
	struct quoit_stats stats;
	uint64_t warm_taken;
	uint64_t warm_given;

	(void)state;
	serve();
	load();
	warm_taken = quoit_load(&taken);
	warm_given = quoit_load(&given);
	for (unsigned i = 0; i < 3; i++)
		load();
	assert_int_equal(quoit_load(&taken), warm_taken);
	assert_int_equal(quoit_load(&given), warm_given);
	stats = server_stats(&server);
	assert_true(stats.calls > 100);
	assert_true(stats.timers_fired > 0);
	assert_true(stats.io.opened >= 80);
	server_stop(&server);
	assert_true(quoit_load(&given) > warm_given); /* it was counted all the time */
}

/* Even the first connections find everything there. */
static void nothing_is_taken_for_the_first_connections_either(void **state)
{
	uint64_t before;

	(void)state;
	serve();
	before = quoit_load(&taken);
	load();
	assert_int_equal(quoit_load(&taken), before);
	server_stop(&server);
}

static void a_handler_that_takes_memory_is_seen(void **state)
{
	uint64_t before;

	(void)state;
	serve();
	before = quoit_load(&taken);
	quoit_store(&allocates, true);
	load();
	assert_true(quoit_load(&taken) > before);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(between_warm_up_and_stop_no_core_takes_or_gives_memory),
		CASE(nothing_is_taken_for_the_first_connections_either),
		CASE(a_handler_that_takes_memory_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
