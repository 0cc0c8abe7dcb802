/* SPDX-License-Identifier: MIT */
/*
 * greeter_host.h - a greeter with a server at a path of its own, and those who come to it.
 *
 * Include after <cmocka.h>.
 */
#ifndef QUOIT_TESTS_RUNTIME_GREETER_HOST_H
#define QUOIT_TESTS_RUNTIME_GREETER_HOST_H

#include "runtime/loop_kinds.h"
#include "support/fds_place.h"

#include <quoit/io/unix_socket.h>
#include <quoit/runtime/greeter.h>

#define PLACES	  4
#define LONG_NS	  ((uint64_t)3600 * 1000000000) /* never, for a test */
#define SHORT_NS  ((uint64_t)20 * 1000000)
#define ELEMENT	  24
#define MOST_SEEN 16

struct host {
	struct quoit_greeter greeter;
	struct quoit_fd_server server;
	struct quoit_greeting places[PLACES];
	unsigned arrived, refused, stopped;
	int errors[MOST_SEEN]; /* of the refused, in their order */
	int error;	       /* of the stop */
	struct quoit_arrival last;
	int fds[QUOIT_GREETING_FDS];
	bool keep; /* what arrives, else it is closed */
	bool stop; /* from the handler */
};

static inline void on_arrived(struct quoit_greeter *greeter, const struct quoit_arrival *arrival,
			      void *ctx)
{
	struct host *host = ctx;

	host->arrived++;
	host->last = *arrival;
	for (unsigned i = 0; i < arrival->hello.fd_count; i++)
		host->fds[i] = arrival->fds[i];
	if (!host->keep) {
		close(arrival->sock);
		for (unsigned i = 0; i < arrival->hello.fd_count; i++)
			close(arrival->fds[i]);
	}
	if (host->stop)
		quoit_greeter_stop(greeter);
}

static inline void on_refused(struct quoit_greeter *greeter, const struct quoit_peer *peer,
			      const struct quoit_reason *why, void *ctx)
{
	struct host *host = ctx;

	(void)peer;
	if (host->refused < MOST_SEEN)
		host->errors[host->refused] = why->text[0] ? why->error : 0;
	host->refused++;
	if (host->stop)
		quoit_greeter_stop(greeter);
}

static inline void on_stopped(struct quoit_greeter *greeter, int error, void *ctx)
{
	struct host *host = ctx;

	assert_false(quoit_greeter_is_active(greeter));
	host->stopped++;
	host->error = error;
}

static inline struct quoit_greeter_options options_of(struct host *host, uint64_t timeout_ns)
{
	return (struct quoit_greeter_options){
		.wanted = {.element_bytes = ELEMENT, .fds_most = 2},
		.hello_timeout_ns = timeout_ns,
		.greetings = host->places,
		.greetings_most = PLACES,
		.arrived = on_arrived,
		.refused = on_refused,
		.stopped = on_stopped,
		.ctx = host,
	};
}

static inline void open_host(struct driven *d, struct host *host, bool stream, uint64_t timeout_ns)
{
	const struct quoit_fd_server_options how = {.stream = stream};
	const struct quoit_greeter_options options = options_of(host, timeout_ns);

	assert_int_equal(quoit_fd_server_listen(&host->server, path, &how, NULL), 0);
	assert_int_equal(quoit_greeter_start(d->loop, &host->greeter, &host->server, &options), 0);
	assert_true(quoit_greeter_is_active(&host->greeter));
}

static inline void close_host(struct driven *d, struct host *host)
{
	const struct quoit_greeter_counts *c = &host->greeter.counts;

	quoit_greeter_stop(&host->greeter);
	drive_until(d, host->stopped);
	drive(d);
	assert_int_equal(host->stopped, 1);
	assert_int_equal(c->accepted, c->arrived + c->not_allowed + c->no_place + c->timed_out +
					      c->no_hello + c->cut_off);
	assert_int_equal(c->arrived, host->arrived);
	assert_int_equal(c->accepted - c->arrived, host->refused);
	quoit_fd_server_close(&host->server);
}

static inline int connect_there(bool stream)
{
	const struct quoit_unix_options how = {.stream = stream};
	const int fd = quoit_unix_connect(path, &how, NULL);

	assert_true(fd >= 0);
	return fd;
}

static inline struct quoit_hello good(uint32_t fd_count)
{
	struct quoit_hello hello = quoit_hello_make();

	hello.element_bytes = ELEMENT;
	hello.fd_count = fd_count;
	return hello;
}

static inline void say(int sock, uint32_t fd_count, const int *fds)
{
	const struct quoit_hello hello = good(fd_count);

	assert_int_equal(quoit_hello_send(sock, &hello, fds, FDS_ENDLESS, NULL), 0);
}

/* Has the other end been closed, and nothing said before? */
static inline bool is_closed(int sock)
{
	char byte;

	return recv(sock, &byte, 1, MSG_DONTWAIT) == 0;
}

#endif
