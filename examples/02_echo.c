/* SPDX-License-Identifier: MIT */
/*
 * 02_echo.c - a complete echo server on every core.
 *
 *     build/release/examples/02_echo                    # 127.0.0.1:7000
 *     build/release/examples/02_echo 127.0.0.1:0        # any free port
 *     build/release/examples/02_echo 127.0.0.1:7000 1   # on one core
 *
 * What to look at: nothing here is about threads, buffers or slow readers. A client that does not
 * read makes its stream stop receiving by itself, and Ctrl-C lets what is under way finish.
 */
#include <stdio.h>
#include <stdlib.h>

#include <quoit.h>

static void on_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static int start(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_events events = {.data = on_data};
	const int port = quoit_listen(core, ctx, &events, NULL);

	if (port > 0 && quoit_core_index(core) == 0) {
		printf("listening on 127.0.0.1:%d\n", port);
		fflush(stdout);
	}
	return port;
}

int main(int argc, char **argv)
{
	return quoit_run(&(struct quoit_config){
		.cores = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : QUOIT_ALL,
		.start = start,
		.ctx = argc > 1 ? argv[1] : "127.0.0.1:7000",
	});
}
