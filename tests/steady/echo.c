/* SPDX-License-Identifier: MIT */
/*
 * echo.c - an echo service on one core and a client with many connections: after the warm-up the
 * core's thread is in a section for as long as it serves, whatever it does there, its loop and its
 * sleeps included. All that it may ask the kernel for is io_uring_enter.
 *
 * The client is the main thread, with plain sockets. Each request of 64 bytes is a receive and a
 * send of its own, and every byte that comes back is looked at.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit.h>

#include <support/client.h>
#include <steady/steady.h>

#define CONNECTIONS 20 /* enough for sleeps that gather requests, too */
#define BYTES	    64
#define WARM_UP	    4000 /* every receive buffer several times */

/* What the core shall do when it next hears from the client. */
enum step {
	STEP_NONE,
	STEP_BEGIN,
	STEP_BREAK, /* do what must not be done, to see that it is noticed */
	STEP_END,
};

static struct {
	int port;
	uint32_t step; /* the client's to set, the core's to clear */
	int refused;
	int fds[CONNECTIONS];
	uint64_t sent; /* requests, which makes the bytes of each */
} echo;

static void obey(void)
{
	void *volatile block;

	/* step: pairs with ask() */
	switch (quoit_load_acquire(&echo.step)) {
	case STEP_BEGIN:
		echo.refused = quoit_rt_guard_sees_kernel();
		quoit_rt_enter();
		break;
	case STEP_BREAK:
		block = malloc(1);
		free(block);
		(void)syscall(SYS_getppid);
		break;
	case STEP_END:
		quoit_rt_exit();
		break;
	default:
		return;
	}
	/* step: pairs with ask() */
	quoit_store_release(&echo.step, STEP_NONE);
}

static void on_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	obey();
	quoit_stream_send(stream, in.data, in.len);
}

static int start(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	echo.port = quoit_listen(core, "127.0.0.1:0",
				 &(struct quoit_stream_events){.data = on_data}, NULL);
	return echo.port;
}

/* A request on each connection, and their answers. Gives how many came back as they were sent. */
static uint64_t round_trip(void)
{
	unsigned char back[BYTES], bytes[BYTES];
	uint64_t right = 0;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		pattern_fill(bytes, BYTES, (echo.sent + i) * BYTES);
		if (client_send(echo.fds[i], bytes, BYTES))
			return 0;
	}
	for (unsigned i = 0; i < CONNECTIONS; i++)
		right += client_receive(echo.fds[i], back, BYTES) == BYTES &&
			 pattern_match(back, BYTES, (echo.sent + i) * BYTES) == BYTES;
	echo.sent += CONNECTIONS;
	return right;
}

static uint64_t many(uint64_t requests)
{
	uint64_t right = 0, got = CONNECTIONS;

	while (right < requests && got == CONNECTIONS) {
		got = round_trip();
		right += got;
	}
	return right;
}

/* Done when the answer is here. */
static bool ask(enum step step)
{
	/* step: pairs with obey() */
	quoit_store_release(&echo.step, (uint32_t)step);
	/* step: pairs with obey() */
	return round_trip() == CONNECTIONS && quoit_load_acquire(&echo.step) == STEP_NONE;
}

static const long permitted = SYS_io_uring_enter;
static const struct quoit_rt_guard_options options = {
	.goes_on = true, .ignores_sleeps = true, .permitted = &permitted, .permitted_count = 1};

static uint64_t serve_in_a_section(uint64_t requests, struct steady_sum *seen)
{
	uint64_t right;

	*seen = (struct steady_sum){0};
	if (many(WARM_UP) < WARM_UP || quoit_rt_guard_set(&options) || !ask(STEP_BEGIN))
		return 0;
	right = many(requests);
	if (!ask(STEP_END))
		return 0;
	*seen = steady_seen();
	return right;
}

static void self_test(void)
{
	const bool done = !quoit_rt_guard_set(&options) && ask(STEP_BEGIN) && ask(STEP_BREAK) &&
			  ask(STEP_END);
	const struct steady_sum sum = steady_seen();

	steady_say(done && sum.allocations == 2 && sum.foreign == 1,
		   "a service that allocates or enters the kernel is noticed", &sum);
}

static uint64_t judge(uint64_t requests, struct steady_sum *sum)
{
	struct steady_sum seen = {0};
	uint64_t right = 0;
	char line[128];

	for (int round = 0; round < STEADY_ROUNDS; round++) {
		right = serve_in_a_section(requests, &seen);
		seen.again = (uint64_t)round;
		if (right < requests || steady_is_ours(&seen) || steady_is_clean(&seen))
			break;
	}
	(void)snprintf(line, sizeof(line), "echo: %llu requests, %llu io_uring_enter",
		       (unsigned long long)right, (unsigned long long)seen.permitted);
	steady_say(right >= requests && seen.permitted && steady_is_clean(&seen), line, &seen);
	if (echo.refused)
		printf("note: on the core's thread only libc's calls were seen\n");
	steady_add(sum, &seen);
	return right;
}

uint64_t steady_echo(uint64_t requests, struct steady_sum *sum)
{
	struct quoit_runtime *runtime = NULL;
	struct quoit_reason why = {0};
	uint64_t answered = 0;
	bool connected = true;
	const int rc = quoit_runtime_start(&(struct quoit_config){.cores = 1, .start = start},
					   &runtime, &why);

	if (rc == -ENOSYS || rc == -EPERM) {
		printf("skip - an echo service: io_uring is refused: %s\n", why.text);
		return 0;
	}
	if (rc < 0) {
		printf("not ok - the runtime starts: %s\n", why.text);
		steady_failures++;
		return 0;
	}
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		echo.fds[i] = client_connect(echo.port);
		connected &= echo.fds[i] >= 0;
	}
	if (connected)
		answered = judge(requests, sum);
	if (answered)
		self_test();
	for (unsigned i = 0; i < CONNECTIONS; i++)
		if (echo.fds[i] >= 0)
			client_close(echo.fds[i]);
	quoit_runtime_stop(runtime, 10000000000ull);
	if (quoit_runtime_wait(runtime, &why) < 0 || !connected) {
		printf("not ok - the service ends in order: %s\n", why.text);
		steady_failures++;
	}
	return answered;
}
