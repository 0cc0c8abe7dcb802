/* SPDX-License-Identifier: MIT */
/*
 * fd_pass.h - descriptors handed from process to process over a connected unix socket, with some
 * bytes that say what they are.
 *
 *     sender                                          receiver
 *     quoit_fd_send(sock, fds, 2, "ring", 4, ...)     n = 2;
 *                                                     quoit_fd_recv(sock, fds, &n, text, 4, ...)
 *
 * What comes is a message of exactly as many bytes as the receiver asks for and of at most as many
 * descriptors as he has room for, or it is refused as a whole; then every descriptor that came with
 * it is closed again, those too that nobody asked for. They are closed on exec from the start. On a
 * socket that keeps messages apart (SOCK_SEQPACKET) a longer or a shorter one is refused; on one
 * that does not (SOCK_STREAM) the message ends where its bytes end, however they were cut.
 *
 * Descriptors travel with bytes: a message has at least one. After any refusal but -EINVAL nobody
 * knows what the next byte of a stream is part of: close the socket.
 *
 * No flag of the socket is changed, and none matters: these functions wait by themselves, until an
 * absolute time (quoit_deadline_ns() makes one), for ever if it is 0, and not at all if it has
 * passed. hello.h puts a description in front that can be checked.
 *
 * Thread: any; one receiver and one sender at a time.
 */
#ifndef QUOIT_IO_FD_PASS_H
#define QUOIT_IO_FD_PASS_H

#include <quoit/numa/reason.h>

QUOIT_C_BEGIN

#define QUOIT_FDS_MAX 253 /* what the kernel takes with one message */

/*
 * Send `bytes` bytes at `data` and `fd_count` descriptors, which may be none. They stay open here.
 *
 * Never raises SIGPIPE.
 * Errors: -EINVAL no bytes, or too many descriptors; -EPIPE, -ECONNRESET the peer is gone;
 * -ETIMEDOUT; -EBADF one is not open; -EMSGSIZE longer than a packet may be; -ETOOMANYREFS more
 * descriptors are on their way than this user may have open; -EAFNOSUPPORT, -EPROTOTYPE the socket
 * is none that could carry them; all with the reason.
 */
QUOIT_MUST_CHECK int quoit_fd_send(int sock, const int *fds, size_t fd_count, const void *data,
				   size_t bytes, uint64_t deadline_ns, struct quoit_reason *why);

/*
 * Receive a message of exactly `bytes` bytes and at most *fd_count descriptors; afterwards
 * *fd_count is how many came, which may be none. On failure `fds` and *fd_count are untouched.
 *
 * Owns: the caller, every descriptor in `fds`.
 * Errors: -ESHUTDOWN the peer has closed, between two messages; -ECONNRESET within one; -ETIMEDOUT;
 * -E2BIG more descriptors than there is room for; -EMFILE some were lost, because this process may
 * not have that many open; -EMSGSIZE a packet with more bytes; -EBADMSG one with fewer; -EINVAL,
 * -EAFNOSUPPORT, -EPROTOTYPE as above; all with the reason.
 */
QUOIT_MUST_CHECK int quoit_fd_recv(int sock, int *fds, size_t *fd_count, void *data, size_t bytes,
				   uint64_t deadline_ns, struct quoit_reason *why);

/*
 * The same for whoever may not wait: a message that is on its way, and what has come of it.
 *
 *     quoit_parcel_begin(&parcel, data, bytes, fds, room);
 *     whenever the socket is readable:
 *         rc = quoit_parcel_read(&parcel, sock, &why);    -EAGAIN: not all of it yet
 *
 * Owns: the caller keeps it, its bytes and its room in place; only got and fd_count are to be read.
 */
struct quoit_parcel {
	unsigned char *data;
	size_t bytes;
	size_t got; /* bytes that have come */
	int *fds;
	size_t room;
	size_t fd_count; /* descriptors that have come */
};

/* Begin with nothing. `bytes` is at least 1, `room` at most QUOIT_FDS_MAX. */
void quoit_parcel_begin(struct quoit_parcel *parcel, void *data, size_t bytes, int *fds,
			size_t room);

/*
 * Take what is there. Gives 0 when all has come: the descriptors are the caller's then.
 *
 * Errors: -EAGAIN as long as something is missing; else those of quoit_fd_recv(), but -ETIMEDOUT
 * and -EINVAL, and then what had come is closed already.
 */
QUOIT_MUST_CHECK int quoit_parcel_read(struct quoit_parcel *parcel, int sock,
				       struct quoit_reason *why);

/* Give up on one: close the descriptors that have come. */
void quoit_parcel_drop(struct quoit_parcel *parcel);

QUOIT_C_END

#endif
