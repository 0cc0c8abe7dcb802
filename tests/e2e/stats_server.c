/* SPDX-License-Identifier: MIT */
/*
 * stats_server.c - an echo server that tells what it has counted: `stats_server CORES`.
 *
 * Prints the address it listens on; on SIGUSR1, and when it ends, one line per core with its
 * counters. Ends on SIGTERM with the exit code 0, or 1 and the reason if something was cut off.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <quoit.h>

#define STOP_NS (10 * 1000 * 1000 * 1000ull)

static void on_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static int start(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_events events = {.data = on_data};
	const int port = quoit_listen(core, "127.0.0.1:0", &events, ctx);

	if (port > 0 && quoit_core_index(core) == 0) {
		printf("listening on 127.0.0.1:%d\n", port);
		fflush(stdout);
	}
	return port;
}

static void print_stats(const struct quoit_runtime *runtime, const char *when)
{
	for (unsigned i = 0; i < quoit_runtime_cores(runtime); i++) {
		struct quoit_stats s;

		if (quoit_runtime_stats(runtime, i, &s) < 0)
			continue;
		printf("%s core=%u turns=%llu sleeps=%llu enters=%llu stale=%llu opened=%llu "
		       "closed=%llu refused=%llu accept_waits=%llu pauses=%llu bytes_in=%llu "
		       "bytes_out=%llu\n",
		       when, i, (unsigned long long)s.turns, (unsigned long long)s.sleeps,
		       (unsigned long long)s.enters, (unsigned long long)s.stale,
		       (unsigned long long)s.io.opened, (unsigned long long)s.io.closed,
		       (unsigned long long)s.io.refused, (unsigned long long)s.io.accept_waits,
		       (unsigned long long)s.io.pauses, (unsigned long long)s.io.bytes_in,
		       (unsigned long long)s.io.bytes_out);
	}
	printf("%s end\n", when);
	fflush(stdout);
}

static int serve(struct quoit_runtime *runtime, const sigset_t *signals)
{
	struct pollfd done = {.fd = quoit_runtime_fd(runtime), .events = POLLIN};
	struct quoit_reason why = {0};
	int number;

	while (sigwait(signals, &number) == 0 && number == SIGUSR1)
		print_stats(runtime, "now");
	quoit_runtime_stop(runtime, STOP_NS);
	while (poll(&done, 1, -1) < 1)
		;
	print_stats(runtime, "last");
	if (quoit_runtime_wait(runtime, &why) == 0)
		return 0;
	fprintf(stderr, "%s\n", why.text);
	return 1;
}

int main(int argc, char **argv)
{
	const struct quoit_config config = {
		.cores = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : QUOIT_ALL,
		.start = start,
	};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (quoit_runtime_start(&config, &runtime, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 2;
	}
	return serve(runtime, &signals);
}
