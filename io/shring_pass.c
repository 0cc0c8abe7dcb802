/* SPDX-License-Identifier: MIT */
/* shring_pass.c - see shring_pass.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/shring_pass.h>

#include <quoit/io/peer.h>

#define AT_ONCE UINT64_C(1) /* a deadline that has passed: 40 bytes find room, or nobody reads */

static enum quoit_shring_role other(enum quoit_shring_role role)
{
	return role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_CONSUMER : QUOIT_SHRING_PRODUCER;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		quoit__sys_close(fds[i]);
}

/* Then whoever attaches brings a part of his own. */
static bool is_hardened(const struct quoit_shring *ring)
{
	return (ring->flags & QUOIT_SHRING_FLAG_HARDENED) != 0;
}

static struct quoit_hello step(uint32_t flags, enum quoit_shring_role role, size_t slot_bytes,
			       uint32_t generation)
{
	struct quoit_hello hello = quoit_hello_make();

	hello.flags = flags;
	hello.role = (uint32_t)role;
	hello.element_bytes = slot_bytes;
	hello.generation = generation;
	return hello;
}

/* From now on the ring sees the peer's death. */
static int know(int sock, struct quoit_shring *ring, struct quoit_reason *why)
{
	const int pidfd = quoit_peer_pidfd(sock, NULL, why);
	int rc;

	if (pidfd < 0)
		return pidfd;
	rc = quoit_shring_set_peer(ring, pidfd);
	quoit__sys_close(pidfd);
	return rc ? quoit_reason_set(why, rc, "the peer's pidfd: %s", strerror(-rc)) : 0;
}

/* --- who has a ring -------------------------------------------------------------------------- */

int quoit_shring_offer(int sock, const struct quoit_shring *ring, uint64_t deadline_ns,
		       struct quoit_reason *why)
{
	struct quoit_hello hello = step(QUOIT_SHRING_OFFER, other(ring->role), ring->slot_bytes,
					quoit_shring_generation(ring));
	int fds[QUOIT_SHRING_FDS];

	hello.fd_count = (uint32_t)quoit_shring_fds(ring, fds);
	return quoit_hello_send(sock, &hello, fds, deadline_ns, why);
}

static int check_taken(const struct quoit_hello *hello, const struct quoit_shring *ring,
		       struct quoit_reason *why)
{
	if (hello->flags != QUOIT_SHRING_TAKEN || hello->fd_count != is_hardened(ring))
		return quoit_reason_set(why, -EPROTO,
					"the peer answers an offer by %#x with %u descriptors",
					hello->flags, hello->fd_count);
	return 0;
}

int quoit_shring_taken(int sock, struct quoit_shring *ring, uint64_t deadline_ns,
		       struct quoit_reason *why)
{
	const struct quoit_hello_wanted wanted = {
		.element_bytes = ring->slot_bytes,
		.generation = quoit_shring_generation(ring),
		.roles = 1u << other(ring->role),
		.flags = QUOIT_SHRING_TAKEN,
		.fds_most = 1,
	};
	struct quoit_hello hello;
	int fds[1];
	int rc = quoit_hello_recv(sock, &hello, fds, &wanted, deadline_ns, why);

	if (rc < 0)
		return rc;
	rc = check_taken(&hello, ring, why);
	if (!rc && hello.fd_count)
		rc = quoit_shring_join(ring, fds[0], why);
	close_all(fds, hello.fd_count);
	return rc ? rc : know(sock, ring, why);
}

/* --- who attaches ---------------------------------------------------------------------------- */

int quoit_shring_ask(int sock, const struct quoit_shring_options *options, uint64_t deadline_ns,
		     struct quoit_reason *why)
{
	const struct quoit_hello hello =
		step(QUOIT_SHRING_ASK, options->role, options->slot_bytes, options->generation);

	return quoit_hello_send(sock, &hello, NULL, deadline_ns, why);
}

static int say_taken(int sock, const struct quoit_shring *ring, struct quoit_reason *why)
{
	struct quoit_hello hello = step(QUOIT_SHRING_TAKEN, ring->role, ring->slot_bytes,
					quoit_shring_generation(ring));
	const int fd = quoit_shring_fd(ring);

	hello.fd_count = is_hardened(ring);
	return quoit_hello_send(sock, &hello, &fd, AT_ONCE, why);
}

int quoit_shring_accept_hello(int sock, const struct quoit_hello *hello, const int *fds,
			      const struct quoit_shring_options *options,
			      struct quoit_shring **ring, struct quoit_reason *why)
{
	struct quoit_shring *made;
	int rc;

	if (!quoit_shring_is_offer(hello, options->role) ||
	    hello->element_bytes != options->slot_bytes)
		return quoit_reason_set(why, -EPROTO,
					"the peer says %#x, role %u, slots of %llu bytes, which is "
					"no offer of a ring for our role %d with slots of %zu",
					hello->flags, hello->role,
					(unsigned long long)hello->element_bytes,
					(int)options->role, options->slot_bytes);
	rc = quoit_shring_attach(fds, hello->fd_count, options, &made, why);
	if (rc)
		return rc;
	if (quoit_shring_generation(made) != hello->generation)
		rc = quoit_reason_set(
			why, -ESTALE, "the ring is of generation %u, and %llu was offered",
			quoit_shring_generation(made), (unsigned long long)hello->generation);
	if (!rc)
		rc = know(sock, made, why);
	if (!rc)
		rc = say_taken(sock, made, why);
	if (rc) {
		quoit_shring_destroy(made);
		return rc;
	}
	*ring = made;
	return 0;
}

int quoit_shring_accept(int sock, const struct quoit_shring_options *options, uint64_t deadline_ns,
			struct quoit_shring **ring, struct quoit_reason *why)
{
	struct quoit_hello_wanted wanted = quoit_shring_wanted(options->slot_bytes);
	struct quoit_hello hello;
	int fds[QUOIT_SHRING_FDS];
	int rc;

	wanted.flags = QUOIT_SHRING_OFFER;
	rc = quoit_hello_recv(sock, &hello, fds, &wanted, deadline_ns, why);
	if (rc < 0)
		return rc;
	rc = quoit_shring_accept_hello(sock, &hello, fds, options, ring, why);
	close_all(fds, hello.fd_count);
	return rc;
}
