/* SPDX-License-Identifier: MIT */
/*
 * hello.h - the first message on a connection over which descriptors go: what they are, and for
 * what, so that both ends know that they mean the same before either maps or reads anything.
 *
 *	struct quoit_hello hello = quoit_hello_make();
 *
 *	hello.element_bytes = sizeof(struct order);
 *	hello.role = CONSUMER;
 *	hello.fd_count = 2;
 *	rc = quoit_hello_send(sock, &hello, fds, deadline_ns, &why);
 *
 * A hello is 40 bytes in the byte order of the machine, for it never leaves it. Whoever receives
 * one compares it with what he wants, field by field, before he hands anything on. That says what
 * the peer claims, not what he sent: what the descriptors are, their receiver still has to ask.
 *
 * Thread: any.
 */
#ifndef QUOIT_IO_HELLO_H
#define QUOIT_IO_HELLO_H

#include <quoit/io/fd_pass.h>

QUOIT_C_BEGIN

#define QUOIT_HELLO_MAGIC   UINT32_C(0x6f4c6551) /* "QeLo" where the low byte comes first */
#define QUOIT_HELLO_VERSION 1

struct quoit_hello {
	uint32_t magic;
	uint16_t version;
	uint16_t bytes; /* of all of it */
	uint64_t element_bytes;
	uint64_t generation; /* counts the times that what is handed over was made anew */
	uint32_t role;	     /* of whoever gets it, or who sent it: as both have agreed */
	uint32_t fd_count;   /* descriptors that come with it */
	uint32_t flags;
	uint32_t zero; /* for a later version */
};

quoit_static_assert(sizeof(struct quoit_hello) == 40, "both ends have the same layout");
quoit_static_assert(offsetof(struct quoit_hello, element_bytes) == 8, "of this version");
quoit_static_assert(offsetof(struct quoit_hello, role) == 24, "of this version");
quoit_static_assert(offsetof(struct quoit_hello, zero) == 36, "of this version");

/* What one takes. All zero takes any hello that brings no descriptor and has no flag. */
struct quoit_hello_wanted {
	uint64_t element_bytes; /* 0: any */
	uint64_t generation;	/* 0: any */
	uint32_t roles;		/* a bit, 1 << role, for each that is taken; 0: any */
	uint32_t flags;		/* those that one knows; a hello with others is refused */
	uint32_t fds_least;	/* descriptors */
	uint32_t fds_most;
};

/* Magic, version and length, and zero for the rest. */
QUOIT_HOT struct quoit_hello quoit_hello_make(void)
{
	const struct quoit_hello hello = {QUOIT_HELLO_MAGIC,
					  QUOIT_HELLO_VERSION,
					  sizeof(struct quoit_hello),
					  0,
					  0,
					  0,
					  0,
					  0,
					  0};

	return hello;
}

/*
 * Is it one that we understand, and want, and did as many descriptors come as it says? `wanted` may
 * be NULL: then only whether it is sound by itself. It must be a copy that nobody else writes to.
 *
 * Errors: -EPROTO no hello, or one of another role or element size; -EPROTONOSUPPORT another
 * version; -EOPNOTSUPP flags that are not known; -EBADMSG descriptors that are missing, too many or
 * not announced; -ESTALE another generation; all with the reason.
 */
QUOIT_MUST_CHECK int quoit_hello_check(const struct quoit_hello *hello, size_t fd_count,
				       const struct quoit_hello_wanted *wanted,
				       struct quoit_reason *why);

/*
 * Send it with the hello->fd_count descriptors of `fds`.
 *
 * Errors: those of quoit_hello_check() for one that no peer would take; those of quoit_fd_send().
 */
QUOIT_MUST_CHECK int quoit_hello_send(int sock, const struct quoit_hello *hello, const int *fds,
				      uint64_t deadline_ns, struct quoit_reason *why);

/*
 * Receive one, as wanted: `fds` has room for wanted->fds_most and gets hello->fd_count. With NULL
 * for `wanted` it may bring none. Both are untouched on failure, and nothing that came is left
 * open.
 *
 * Errors: those of quoit_fd_recv() and of quoit_hello_check().
 */
QUOIT_MUST_CHECK int quoit_hello_recv(int sock, struct quoit_hello *hello, int *fds,
				      const struct quoit_hello_wanted *wanted, uint64_t deadline_ns,
				      struct quoit_reason *why);

QUOIT_C_END

#endif
