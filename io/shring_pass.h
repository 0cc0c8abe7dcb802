/* SPDX-License-Identifier: MIT */
/*
 * shring_pass.h - a ring between two processes, handed over on a unix socket: a hello for each
 * step, so that both know who has which role before either sends an item.
 *
 *     has no ring                                 has one, or makes one
 *     quoit_shring_ask(sock, &options, ...)
 *                                                 hears the hello: quoit_shring_is_ask()
 *                                                 quoit_shring_offer(sock, ring, ...)
 *     quoit_shring_accept(sock, &options, ...)
 *       attaches, and says that it has
 *                                                 quoit_shring_taken(sock, ring, ...)
 *
 * Who has a ring may offer it without being asked: so does a side whose peer has died, to the next
 * one, and what had been committed is still in there. Afterwards both rings know their peer by his
 * pidfd, so that his death is seen; and the two parts of a hardened ring are joined.
 *
 * In each hello `role` is that of whoever attaches, `element_bytes` a slot's size, `generation` the
 * ring's, and `flags` the step. Several rings may go over one socket, one after the other.
 *
 * Only on a socket that keeps messages apart (SOCK_SEQPACKET, the default of fd_server.h and
 * unix_socket.h): there a step is there as a whole or not yet, and a deadline that has passed looks
 * once, which is what a loop does when the socket is readable. A refusal is said by closing it.
 *
 * Thread: the ring's, in all functions here.
 */
#ifndef QUOIT_IO_SHRING_PASS_H
#define QUOIT_IO_SHRING_PASS_H

#include <quoit/io/hello.h>
#include <quoit/rings/shring_create.h>

QUOIT_C_BEGIN

/* Steps: one of them stands in hello.flags. */
#define QUOIT_SHRING_ASK   UINT32_C(1)
#define QUOIT_SHRING_OFFER UINT32_C(2)
#define QUOIT_SHRING_TAKEN UINT32_C(4)

/* For a greeter (greeter.h of runtime/): asks and offers, of slots of this size. */
QUOIT_HOT struct quoit_hello_wanted quoit_shring_wanted(size_t slot_bytes)
{
	const struct quoit_hello_wanted wanted = {slot_bytes,
						  0,
						  1u << QUOIT_SHRING_PRODUCER |
							  1u << QUOIT_SHRING_CONSUMER,
						  QUOIT_SHRING_ASK | QUOIT_SHRING_OFFER,
						  0,
						  QUOIT_SHRING_FDS};

	return wanted;
}

/* Does the peer ask for a ring in which he has this role? Then make him an offer. */
QUOIT_HOT bool quoit_shring_is_ask(const struct quoit_hello *hello, enum quoit_shring_role role)
{
	return hello->flags == QUOIT_SHRING_ASK && !hello->fd_count &&
	       hello->role == (uint32_t)role;
}

/* Does he offer one in which we would have this role? Then see quoit_shring_accept_hello(). */
QUOIT_HOT bool quoit_shring_is_offer(const struct quoit_hello *hello, enum quoit_shring_role role)
{
	return hello->flags == QUOIT_SHRING_OFFER && hello->role == (uint32_t)role;
}

/*
 * Ask to be offered a ring with options->role and options->slot_bytes for us. The answer goes to
 * quoit_shring_accept() with the same options.
 * Errors: those of quoit_hello_send().
 */
QUOIT_MUST_CHECK int quoit_shring_ask(int sock, const struct quoit_shring_options *options,
				      uint64_t deadline_ns, struct quoit_reason *why);

/*
 * Offer the ring's other role to the peer. He has not taken it before quoit_shring_taken() says so.
 * Errors: those of quoit_hello_send().
 */
QUOIT_MUST_CHECK int quoit_shring_offer(int sock, const struct quoit_shring *ring,
					uint64_t deadline_ns, struct quoit_reason *why);

/*
 * The peer's answer to an offer: 0 when he has attached. The ring knows him by now, and a hardened
 * one is joined.
 *
 * Errors: -ESHUTDOWN he has closed instead: he cannot use it, or has died; -ETIMEDOUT he has not
 * answered yet: ask again; -ESRCH he has, and has died since; -EPROTO, -ESTALE what no taker of
 * this ring would say; the others of quoit_hello_recv(), quoit_peer_pidfd() and
 * quoit_shring_join(); all with the reason.
 */
QUOIT_MUST_CHECK int quoit_shring_taken(int sock, struct quoit_shring *ring, uint64_t deadline_ns,
					struct quoit_reason *why);

/*
 * Wait for an offer, attach to what it brings, and say so. options->role, slot_bytes and, unless it
 * is 0, generation must be the offer's. The peer is who listens or connected, as peer.h tells.
 *
 * Owns: the caller, as of quoit_shring_attach(). *ring is untouched on failure.
 * Errors: -ESHUTDOWN he has closed, which is a refusal; -ETIMEDOUT; -EPROTO an offer of another
 * role or size; -ESRCH he has died; the others of quoit_hello_recv(), quoit_shring_attach() and
 * quoit_hello_send(); all with the reason. After any but -ETIMEDOUT close the socket.
 */
QUOIT_MUST_CHECK int quoit_shring_accept(int sock, const struct quoit_shring_options *options,
					 uint64_t deadline_ns, struct quoit_shring **ring,
					 struct quoit_reason *why);

/*
 * The same for an offer that was received already, by a greeter for instance. Never waits. The
 * descriptors stay the caller's, who closes them.
 * Errors: as quoit_shring_accept().
 */
QUOIT_MUST_CHECK int quoit_shring_accept_hello(int sock, const struct quoit_hello *hello,
					       const int *fds,
					       const struct quoit_shring_options *options,
					       struct quoit_shring **ring,
					       struct quoit_reason *why);

QUOIT_C_END

#endif
