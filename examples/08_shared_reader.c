/* SPDX-License-Identifier: MIT */
/*
 * 08_shared_reader.c - prints the numbers that another process, 08_shared_writer.c, sends through a
 * ring in memory that both have mapped: there is the picture of it.
 *
 *     08_shared_reader [WRITERS [PATH]]       ends when so many writers have closed; 0: never
 *
 * A loop with a greeter, which hears who comes, and a channel, which reads the ring: it sleeps when
 * there is nothing, and hears when the writer dies. It does not trust the writer: items are looked
 * at in private copies, and a writer that writes nonsense loses its ring and nothing else happens.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <quoit.h>

#define PLACES	    4
#define AT_ONCE	    1 /* a deadline that has passed: a loop does not wait */
#define PATIENCE_NS 1000000000ull

struct item {
	uint64_t number;
	uint32_t writer;
	uint32_t zero;
};

static struct reader {
	struct quoit_loop *loop;
	struct quoit_fd_server server;
	struct quoit_greeter greeter;
	struct quoit_greeting greetings[PLACES];
	struct quoit_shring *ring; /* NULL: none yet, or it was of no use any more */
	struct quoit_channel channel;
	int sock; /* of a writer that was made an offer, or -1 */
	struct quoit_poll answer;
	struct quoit_timer patience;
	unsigned long writers; /* that may still close */
	bool ends;
} reader = {.sock = -1};

static const struct quoit_shring_options ours = {
	.size = sizeof(ours),
	.role = QUOIT_SHRING_CONSUMER,
	.bits = 10,
	.slot_bytes = sizeof(struct item),
	.slot_align = _Alignof(struct item),
	.waits = true, /* the writer sleeps in a call */
	.bells = true, /* and we in a loop */
};

static void complain(const struct quoit_reason *why)
{
	fprintf(stderr, "08_shared_reader: %s\n", why->text);
}

static void drop_ring(void)
{
	quoit_shring_destroy(reader.ring);
	reader.ring = NULL;
}

/* --- items ----------------------------------------------------------------------------------- */

/*
 * The slots are given back when this has returned. So what it says has left this process by then,
 * and whoever reads after our death begins with what has not.
 */
static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	const struct item *const item = items;

	(void)channel;
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		printf("%u %llu\n", item[i].writer, (unsigned long long)item[i].number);
	fflush(stdout);
}

static void ended(struct quoit_channel *channel, void *ctx)
{
	const int error = quoit_channel_error(channel);

	(void)ctx;
	if (error == -EOWNERDEAD) { /* the ring is sound and empty: it is for the next writer */
		fputs("the writer died\n", stderr);
		return;
	}
	if (error) {
		complain(quoit_shring_why(reader.ring));
		drop_ring();
		return;
	}
	fputs("the writer has closed\n", stderr);
	if (reader.writers && !--reader.writers) {
		reader.ends = true;
		quoit_greeter_stop(&reader.greeter);
	}
}

static void read_ring(void)
{
	const struct quoit_channel_options options = {.ended = ended, .name = "ring"};
	const int rc = quoit_channel_attach_shring(reader.loop, &reader.channel, reader.ring,
						   &options, handle, NULL);

	if (rc)
		fprintf(stderr, "08_shared_reader: the ring cannot be read: %s\n", strerror(-rc));
	else
		fprintf(stderr, "a writer is there, generation %u\n",
			quoit_shring_generation(reader.ring));
}

/* --- a writer that asks for a ring ----------------------------------------------------------- */

/* The one that the last writer left; begun anew if that had closed it. */
static int make_ring(struct quoit_reason *why)
{
	if (reader.ring && quoit_shring_is_closed(reader.ring) &&
	    quoit_shring_reset(reader.ring, why))
		drop_ring();
	return reader.ring ? 0 : quoit_shring_create(&ours, &reader.ring, why);
}

static void answered(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct quoit_reason why = {0};
	const int rc = quoit_shring_taken(reader.sock, reader.ring, AT_ONCE, &why);

	(void)poll;
	(void)events;
	(void)ctx;
	if (rc)
		complain(&why);
	if (!rc || rc == -ESRCH) /* that one has sent, perhaps, and died since */
		read_ring();
	else
		drop_ring(); /* it is empty */
}

static void answer_over(struct quoit_poll *poll, int error, void *ctx)
{
	(void)poll;
	(void)error;
	(void)ctx;
	quoit_timers_stop(quoit_loop_timers(reader.loop), &reader.patience);
	close(reader.sock);
	reader.sock = -1;
}

static void no_answer(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	(void)ctx;
	drop_ring(); /* should he have it after all, he sees us gone, and brings it back */
	quoit_poll_stop(&reader.answer);
}

/* Gives whether the socket is still wanted. */
static bool offer(int sock)
{
	const struct quoit_poll_options options = {.events = POLLIN,
						   .mode = QUOIT_POLL_ONCE,
						   .ready = answered,
						   .stopped = answer_over};
	struct quoit_reason why = {0};

	if (make_ring(&why) || quoit_shring_offer(sock, reader.ring, AT_ONCE, &why)) {
		complain(&why);
		return false;
	}
	if (quoit_poll_start(reader.loop, &reader.answer, sock, &options))
		return false;
	reader.sock = sock;
	quoit_timers_start(quoit_loop_timers(reader.loop), &reader.patience,
			   quoit_clock_now_ns() + PATIENCE_NS, no_answer, NULL);
	return true;
}

/* --- or brings one --------------------------------------------------------------------------- */

static void take(const struct quoit_arrival *arrival)
{
	struct quoit_reason why = {0};
	struct quoit_shring *ring;

	if (quoit_shring_accept_hello(arrival->sock, &arrival->hello, arrival->fds, &ours, &ring,
				      &why)) {
		complain(&why);
		return;
	}
	drop_ring(); /* nobody is in it, and all is read */
	reader.ring = ring;
	read_ring();
}

/* Not while somebody may still write, nor while anything is unread. */
static bool is_busy(void)
{
	if (reader.sock >= 0 || !quoit_channel_is_attached(&reader.channel))
		return reader.sock >= 0;
	return !quoit_shring_is_empty(reader.ring) ||
	       quoit_shring_peer_state(reader.ring, 0) != QUOIT_SHRING_DEAD ||
	       quoit_channel_detach(&reader.channel);
}

/* One writer at a time; another is sent away, and tries again. */
static void arrived(struct quoit_greeter *greeter, const struct quoit_arrival *arrival, void *ctx)
{
	const bool busy = is_busy();
	bool wanted = false;

	(void)greeter;
	(void)ctx;
	if (!busy && quoit_shring_is_ask(&arrival->hello, QUOIT_SHRING_PRODUCER))
		wanted = offer(arrival->sock);
	else if (!busy && quoit_shring_is_offer(&arrival->hello, QUOIT_SHRING_CONSUMER))
		take(arrival);
	for (uint32_t i = 0; i < arrival->hello.fd_count; i++)
		close(arrival->fds[i]);
	if (!wanted)
		close(arrival->sock);
}

static void stopped(struct quoit_greeter *greeter, int error, void *ctx)
{
	(void)greeter;
	(void)error;
	(void)ctx;
	quoit_loop_stop(reader.loop);
}

/* --- the program ----------------------------------------------------------------------------- */

static int serve(const char *path, struct quoit_reason *why)
{
	const struct quoit_greeter_options options = {
		.wanted = quoit_shring_wanted(sizeof(struct item)),
		.greetings = reader.greetings,
		.greetings_most = PLACES,
		.arrived = arrived,
		.stopped = stopped};
	int rc = quoit_fd_server_listen(&reader.server, path, NULL, why);

	if (rc)
		return rc;
	rc = quoit_greeter_start(reader.loop, &reader.greeter, &reader.server, &options);
	if (!rc)
		rc = quoit_loop_run(reader.loop);
	quoit_poll_stop(&reader.answer);
	while (!rc && quoit_poll_is_active(&reader.answer))
		rc = quoit_loop_run_once(reader.loop, PATIENCE_NS);
	quoit_fd_server_close(&reader.server);
	drop_ring();
	return rc;
}

int main(int argc, char **argv)
{
	const char *const folder = getenv("XDG_RUNTIME_DIR");
	char path[QUOIT_UNIX_PATH_MAX + 1];
	struct quoit_reason why = {0};
	int rc;

	if (argc <= 2 && !folder) {
		fputs("08_shared_reader: give a PATH, or set XDG_RUNTIME_DIR\n", stderr);
		return EXIT_FAILURE;
	}
	if (argc > 2)
		snprintf(path, sizeof(path), "%s", argv[2]);
	else
		snprintf(path, sizeof(path), "%s/quoit-08-shared", folder);
	reader.writers = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	rc = quoit_loop_create(NULL, &reader.loop, &why);
	if (rc < 0) {
		complain(&why);
		return rc == -ENOSYS || rc == -EPERM ? 77 : EXIT_FAILURE;
	}
	rc = serve(path, &why);
	if (rc && why.error)
		complain(&why);
	return rc || !reader.ends || quoit_loop_destroy(reader.loop) ? EXIT_FAILURE : EXIT_SUCCESS;
}
