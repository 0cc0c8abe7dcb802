/* SPDX-License-Identifier: MIT */
/*
 * greeter.c - see greeter.h.
 *
 *     accept --> admitted, a place? --> greeting: poll, timer --> all there, hello good?
 *                     |                        |  time over, stop      |           |
 *                     +--> refused             +--> refused            +> refused  +> arrived
 *
 * The accept is a multishot operation that lives as a poll does, so that it ends with the loop's
 * polls. In a pause the same operation is a timeout. What the kernel accepts while we cancel still
 * completes, and is closed. A hello is not received by an operation of the kernel's, because one
 * that is cut off might have taken descriptors along: it is polled for, and read here.
 *
 * A greeting ends in the `stopped` of its poll and nowhere else: only then may its socket go.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/greeter.h>

#include <string.h>

#include <quoit/io/fd_server_internal.h>
#include <quoit/io/kernel_internal.h>
#include <quoit/runtime/poll_internal.h>

#define TIMEOUT_DEFAULT_NS (1000 * 1000 * 1000ull)
#define PAUSE_FIRST_NS	   (10 * 1000 * 1000ull)
#define PAUSE_MOST_NS	   (500 * 1000 * 1000ull)

/* --- the end --------------------------------------------------------------------------------- */

/* The last that is done with the greeter. */
static void end_if_over(struct quoit_greeter *greeter)
{
	if (greeter->accepts || greeter->heard)
		return;
	greeter->loop = NULL;
	if (greeter->options.stopped) /* may free it */
		greeter->options.stopped(greeter, greeter->error, greeter->options.ctx);
}

static void refuse(struct quoit_greeter *greeter, const struct quoit_peer *peer,
		   const struct quoit_reason *why, uint64_t *count)
{
	++*count;
	if (greeter->options.refused)
		greeter->options.refused(greeter, peer, why, greeter->options.ctx);
}

static uint64_t *count_of(struct quoit_greeter *greeter, int outcome)
{
	return outcome == -ETIMEDOUT   ? &greeter->counts.timed_out
	       : outcome == -ECANCELED ? &greeter->counts.cut_off
				       : &greeter->counts.no_hello;
}

/* --- one who has come ------------------------------------------------------------------------ */

/* Known from now on; what follows is told when the poll has ended. */
static void decide(struct quoit_greeting *greeting, int outcome)
{
	if (greeting->outcome == -EINPROGRESS)
		greeting->outcome = outcome;
	quoit_poll_stop(&greeting->poll);
}

static void hand_on(struct quoit_greeter *greeter, const struct quoit_greeting *greeting)
{
	const struct quoit_arrival arrival = {
		.sock = greeting->sock,
		.peer = greeting->peer,
		.hello = greeting->hello,
		.fds = greeting->fds,
	};

	greeter->counts.arrived++;
	greeter->options.arrived(greeter, &arrival, greeter->options.ctx);
}

static void heard(struct quoit_poll *poll, int error, void *ctx)
{
	struct quoit_greeting *place = ctx;
	struct quoit_greeter *greeter = place->greeter;
	struct quoit_greeting greeting = *place; /* whose place is free for the handler already */

	(void)poll;
	quoit_timers_stop(quoit_loop_timers(greeter->loop), &place->timer);
	place->greeter = NULL;
	if (greeting.outcome) {
		/* Ended by the loop, or by the kernel, and not by us? */
		if (greeting.outcome == -EINPROGRESS)
			greeting.outcome =
				quoit_reason_set(&greeting.why, error ? error : -ECANCELED,
						 "nobody listens any more");
		quoit_parcel_drop(&greeting.parcel);
		quoit__sys_close(greeting.sock);
		refuse(greeter, &greeting.peer, &greeting.why, count_of(greeter, greeting.outcome));
	} else {
		hand_on(greeter, &greeting);
	}
	greeter->heard--;
	end_if_over(greeter);
}

static void readable(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct quoit_greeting *greeting = ctx;
	int rc = quoit_parcel_read(&greeting->parcel, greeting->sock, &greeting->why);

	(void)poll;
	(void)events;
	if (rc == -EAGAIN)
		return;
	if (!rc) {
		rc = quoit_hello_check(&greeting->hello, greeting->parcel.fd_count,
				       &greeting->greeter->options.wanted, &greeting->why);
	}
	decide(greeting, rc);
}

static void time_is_over(struct quoit_timer *timer, void *ctx)
{
	struct quoit_greeting *greeting = ctx;

	(void)timer;
	if (greeting->outcome == -EINPROGRESS)
		quoit_reason_set(&greeting->why, -ETIMEDOUT,
				 "the peer said %zu of %zu bytes of his hello in time",
				 greeting->parcel.got, greeting->parcel.bytes);
	decide(greeting, -ETIMEDOUT);
}

static struct quoit_greeting *free_place(const struct quoit_greeter *greeter)
{
	struct quoit_greeting *const places = greeter->options.greetings;

	for (uint32_t i = 0; i < greeter->options.greetings_most; i++)
		if (!places[i].greeter)
			return &places[i];
	return NULL;
}

/* Errors: -ENOBUFS no place or no operation; -ESHUTDOWN the loop ends. */
static int listen_to(struct quoit_greeter *greeter, int sock, const struct quoit_peer *peer)
{
	static const struct quoit_greeting blank;
	struct quoit_greeting *greeting = free_place(greeter);
	struct quoit_poll_options options = {.events = POLLIN, .ready = readable, .stopped = heard};
	int rc;

	if (!greeting)
		return -ENOBUFS;
	*greeting = blank;
	options.ctx = greeting;
	rc = quoit_poll_start(greeter->loop, &greeting->poll, sock, &options);
	if (rc < 0)
		return rc;
	greeting->greeter = greeter;
	greeting->sock = sock;
	greeting->outcome = -EINPROGRESS;
	greeting->peer = *peer;
	quoit_parcel_begin(&greeting->parcel, &greeting->hello, sizeof(greeting->hello),
			   greeting->fds, greeter->options.wanted.fds_most);
	quoit_timers_start(quoit_loop_timers(greeter->loop), &greeting->timer,
			   quoit_loop_now_ns(greeter->loop) + greeter->options.hello_timeout_ns,
			   time_is_over, greeting);
	greeter->heard++;
	return 0;
}

static void greet(struct quoit_greeter *greeter, int sock)
{
	struct quoit_reason why = {0};
	struct quoit_peer peer = {0};
	int rc;

	greeter->counts.accepted++;
	greeter->pause_ns = 0;
	rc = quoit_fd_server_admit(greeter->server, sock, &peer, &why);
	if (rc < 0) {
		quoit__sys_close(sock);
		refuse(greeter, &peer, &why, &greeter->counts.not_allowed);
		return;
	}
	rc = greeter->accept.stopping ? -ECANCELED : listen_to(greeter, sock, &peer);
	if (rc >= 0)
		return;
	quoit__sys_close(sock);
	quoit_reason_set(&why, rc, "there is no place for one more: %s", strerror(-rc));
	refuse(greeter, &peer, &why,
	       rc == -ECANCELED ? &greeter->counts.cut_off : &greeter->counts.no_place);
}

/* --- accepting ------------------------------------------------------------------------------- */

static void prepare(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	const struct quoit_poll *poll = op->ctx;
	struct quoit_greeter *greeter = quoit_container_of(poll, struct quoit_greeter, accept);

	if (greeter->pausing)
		io_uring_prep_timeout(sqe, &greeter->pause, 0, 0);
	else
		io_uring_prep_multishot_accept(sqe, poll->fd, NULL, NULL, SOCK_CLOEXEC);
}

/*
 * Too little of something that others may give back; or somebody has set the socket not to block,
 * which the kernel would tell us without end.
 */
static bool is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM ||
	       error == -EAGAIN;
}

static void pause_a_while(struct quoit_greeter *greeter)
{
	greeter->pause_ns = quoit_min(greeter->pause_ns ? greeter->pause_ns * 2 : PAUSE_FIRST_NS,
				      PAUSE_MOST_NS);
	greeter->pause = (struct __kernel_timespec){.tv_nsec = (long long)greeter->pause_ns};
	greeter->pausing = true;
	greeter->counts.pauses++;
}

static void accepted(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	struct quoit_poll *poll = op->ctx;
	struct quoit_greeter *greeter = quoit_container_of(poll, struct quoit_greeter, accept);
	const bool paused = greeter->pausing;

	(void)flags;
	greeter->pausing = false;
	if (res >= 0 && !paused)
		greet(greeter, res);
	if (!last)
		return;
	if (poll->stopping) {
		quoit__poll_end(poll, 0);
		return;
	}
	/* A cancel that is not ours had a reason that has passed, such as a lost completion. */
	if (!paused && is_shortage(res)) {
		pause_a_while(greeter);
	} else if (!paused && res < 0 && res != -ECANCELED && !quoit_fd_server_is_passing(res)) {
		quoit__poll_end(poll, res);
		return;
	}
	quoit_op_start(op);
}

static void accept_ended(struct quoit_poll *poll, int error, void *ctx)
{
	struct quoit_greeter *greeter = ctx;

	(void)poll;
	greeter->error = error;
	greeter->accepts = false;
	quoit_fd_server_take_back(greeter->server);
	end_if_over(greeter);
}

int quoit_greeter_start(struct quoit_loop *loop, struct quoit_greeter *greeter,
			struct quoit_fd_server *server, const struct quoit_greeter_options *options)
{
	const struct quoit_poll_options how = {.stopped = accept_ended, .ctx = greeter};
	int rc;

	if (!options || !options->arrived || !options->greetings || !options->greetings_most ||
	    options->wanted.fds_most > QUOIT_GREETING_FDS)
		return -EINVAL;
	if (greeter->loop)
		return -EBUSY;
	if (!server->open)
		return -EBADF;
	rc = quoit_fd_server_lend(server);
	if (rc < 0)
		return rc;
	*greeter = (struct quoit_greeter){.server = server, .options = *options};
	if (!greeter->options.hello_timeout_ns)
		greeter->options.hello_timeout_ns = TIMEOUT_DEFAULT_NS;
	for (uint32_t i = 0; i < options->greetings_most; i++)
		options->greetings[i].greeter = NULL;
	rc = quoit__poll_begin(loop, &greeter->accept, server->fd, &how, prepare, accepted);
	if (rc < 0) {
		quoit_fd_server_take_back(server);
		return rc;
	}
	greeter->loop = loop;
	greeter->accepts = true;
	return 0;
}

void quoit_greeter_stop(struct quoit_greeter *greeter)
{
	struct quoit_greeting *const places = greeter->options.greetings;

	if (!greeter->loop)
		return;
	quoit_poll_stop(&greeter->accept);
	for (uint32_t i = 0; i < greeter->options.greetings_most; i++) {
		if (!places[i].greeter || places[i].outcome != -EINPROGRESS)
			continue;
		quoit_reason_set(&places[i].why, -ECANCELED, "nobody listens any more");
		decide(&places[i], -ECANCELED);
	}
}

bool quoit_greeter_is_active(const struct quoit_greeter *greeter)
{
	return greeter->loop != NULL;
}
