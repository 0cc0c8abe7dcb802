/* SPDX-License-Identifier: MIT */
/*
 * fd_pass.c - see fd_pass.h.
 *
 * The room for control data is the parcel's room and a little more. What goes beyond it the kernel
 * drops by itself, so a peer cannot fill our table of descriptors for even a moment; what fits into
 * the little more is closed here. Either way the message is refused.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/fd_pass_internal.h>

#include <string.h>

#include <quoit/io/kernel_internal.h>

/*
 * Beside descriptors a socket may be set to tell credentials, a pidfd, a label and a time, and the
 * kernel writes those first. They are not asked for here, but somebody else may have.
 */
#define OTHERS 128

quoit_static_assert(QUOIT_FDS_MAX == 253, "SCM_MAX_FD of every kernel");

union control {
	struct cmsghdr align;
	unsigned char bytes[CMSG_SPACE((QUOIT_FDS_MAX + 1) * sizeof(int)) + OTHERS];
};

/* Does it keep messages apart? Errors: for what cannot carry descriptors at all. */
static int check_socket(int sock, struct quoit_reason *why)
{
	int domain = 0, type = 0;
	int rc = quoit__net_get(sock, SOL_SOCKET, SO_DOMAIN, &domain, sizeof(domain));

	if (rc >= 0)
		rc = quoit__net_get(sock, SOL_SOCKET, SO_TYPE, &type, sizeof(type));
	if (rc < 0)
		return quoit_reason_set(why, rc, "descriptor %d is no socket to use: %s", sock,
					strerror(-rc));
	if (domain != AF_UNIX)
		return quoit_reason_set(why, -EAFNOSUPPORT,
					"only unix sockets carry descriptors, and %d is none",
					sock);
	if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
		return quoit_reason_set(why, -EPROTOTYPE,
					"socket %d has no connection: give a SOCK_SEQPACKET or "
					"SOCK_STREAM",
					sock);
	return type == SOCK_SEQPACKET;
}

/* 0: try again; -ETIMEDOUT. */
static int wait_for(int sock, short events, uint64_t deadline_ns, struct quoit_reason *why)
{
	const int rc = quoit__sys_wait_until(sock, events, deadline_ns);

	if (rc > 0 || rc == -EINTR)
		return 0;
	if (rc < 0)
		return quoit_reason_set(why, rc, "cannot wait for the peer: %s", strerror(-rc));
	return quoit_reason_set(why, -ETIMEDOUT, "the peer did not %s in time",
				events & POLLIN ? "say all that he should" : "take the message");
}

/* --- sending --------------------------------------------------------------------------------- */

static int refuse_to_send(struct quoit_reason *why, int error)
{
	if (error == -ETOOMANYREFS)
		return quoit_reason_set(why, error,
					"cannot send: too many descriptors are on their way "
					"already; let the peers receive theirs");
	return quoit_reason_set(why, error, "cannot send: %s", strerror(-error));
}

static void put_fds(struct msghdr *message, union control *control, const int *fds, size_t count)
{
	const size_t bytes = count * sizeof(*fds);
	struct cmsghdr *header;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(bytes);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(header), fds, bytes);
}

static int send_all(int sock, struct msghdr *message, uint64_t deadline_ns,
		    struct quoit_reason *why)
{
	struct iovec *rest = message->msg_iov;

	while (rest->iov_len) {
		int rc = quoit__net_send_message(sock, message);

		if (rc == -EAGAIN) {
			rc = wait_for(sock, POLLOUT, deadline_ns, why);
			if (rc < 0)
				return rc;
		} else if (rc > 0) {
			/* A stream takes a part, and the descriptors with its first byte. */
			rest->iov_base = (char *)rest->iov_base + rc;
			rest->iov_len -= (size_t)rc;
			message->msg_control = NULL;
			message->msg_controllen = 0;
		} else if (rc < 0 && rc != -EINTR) {
			return refuse_to_send(why, rc);
		}
	}
	return 0;
}

int quoit_fd_send(int sock, const int *fds, size_t fd_count, const void *data, size_t bytes,
		  uint64_t deadline_ns, struct quoit_reason *why)
{
	struct iovec all = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &all, .msg_iovlen = 1};
	union control control;
	int rc;

	if (!data || !bytes || (fd_count && !fds))
		return quoit_reason_set(why, -EINVAL,
					"descriptors travel with bytes: send at least one");
	if (fd_count > QUOIT_FDS_MAX)
		return quoit_reason_set(why, -EINVAL,
					"%zu descriptors are too many for one message: send at "
					"most %d",
					fd_count, QUOIT_FDS_MAX);
	rc = check_socket(sock, why);
	if (rc < 0)
		return rc;
	if (fd_count)
		put_fds(&message, &control, fds, fd_count);
	return send_all(sock, &message, deadline_ns, why);
}

/* --- receiving ------------------------------------------------------------------------------- */

/* Those in `bytes` bytes at `data`, which need not be aligned. Gives how many found no room. */
static size_t take_fds(struct quoit_parcel *parcel, const unsigned char *data, size_t bytes,
		       size_t room)
{
	size_t closed = 0;

	for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
		int fd;

		memcpy(&fd, data + at, sizeof(fd));
		if (parcel->fd_count < room) {
			parcel->fds[parcel->fd_count++] = fd;
			continue;
		}
		quoit__sys_close(fd);
		closed++;
	}
	return closed;
}

size_t quoit_parcel_unpack(struct quoit_parcel *parcel, const struct msghdr *message)
{
	const unsigned char *const control = message->msg_control;
	size_t closed = 0;
	size_t at = 0;

	/* By hand: the macros of libc trust the first header, and later ones by version. */
	while (message->msg_controllen - at >= sizeof(struct cmsghdr)) {
		struct cmsghdr header;

		memcpy(&header, control + at, sizeof(header));
		if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > message->msg_controllen - at)
			break;
		if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS)
			closed += take_fds(parcel, control + at + CMSG_LEN(0),
					   header.cmsg_len - CMSG_LEN(0), parcel->room);
		else if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_PIDFD)
			/* A descriptor too, if not the peer's fault: no room for it. */
			(void)take_fds(parcel, control + at + CMSG_LEN(0),
				       header.cmsg_len - CMSG_LEN(0), 0);
		if (CMSG_ALIGN(header.cmsg_len) > message->msg_controllen - at)
			break;
		at += CMSG_ALIGN(header.cmsg_len);
	}
	return closed;
}

void quoit_parcel_begin(struct quoit_parcel *parcel, void *data, size_t bytes, int *fds,
			size_t room)
{
	QUOIT_ASSERT(data && bytes && room <= QUOIT_FDS_MAX && (fds || !room));
	*parcel = (struct quoit_parcel){.data = data, .bytes = bytes, .fds = fds, .room = room};
}

void quoit_parcel_drop(struct quoit_parcel *parcel)
{
	while (parcel->fd_count)
		quoit__sys_close(parcel->fds[--parcel->fd_count]);
}

/* What the kernel gave at one time. */
struct piece {
	size_t bytes;
	size_t fds;    /* that found room */
	size_t closed; /* that did not */
	int flags;
};

/* What is wrong with it? 0: nothing so far. */
static int judge(const struct quoit_parcel *parcel, const struct piece *piece, bool packets,
		 struct quoit_reason *why)
{
	if (piece->closed)
		return quoit_reason_set(why, -E2BIG,
					"the peer sent more than the %zu descriptors there is "
					"room for",
					parcel->room);
	if (piece->flags & MSG_CTRUNC)
		return quoit_reason_set(why, -EMFILE,
					"descriptors were lost on their way: this process may "
					"have no more open, raise its limit");
	if (!piece->bytes && piece->fds)
		return quoit_reason_set(why, -EBADMSG,
					"the peer sent descriptors, and no byte with them");
	if (!piece->bytes && parcel->got)
		return quoit_reason_set(why, -ECONNRESET,
					"the peer has closed after %zu of %zu bytes", parcel->got,
					parcel->bytes);
	if (!piece->bytes)
		return quoit_reason_set(why, -ESHUTDOWN, "the peer has closed");
	if (piece->flags & MSG_TRUNC)
		return quoit_reason_set(why, -EMSGSIZE, "the peer sent more than %zu bytes",
					parcel->bytes);
	if (packets && piece->bytes < parcel->bytes)
		return quoit_reason_set(why, -EBADMSG, "the peer sent %zu of %zu bytes",
					piece->bytes, parcel->bytes);
	return 0;
}

/* One call of the kernel's. 0: some has come; -EAGAIN; -EINTR; or the parcel is refused. */
static int receive(struct quoit_parcel *parcel, int sock, bool packets, struct quoit_reason *why)
{
	const size_t room = parcel->room - parcel->fd_count;
	struct iovec rest = {.iov_base = parcel->data + parcel->got,
			     .iov_len = parcel->bytes - parcel->got};
	union control control;
	struct msghdr message = {.msg_iov = &rest, .msg_iovlen = 1, .msg_control = control.bytes};
	struct piece piece = {.fds = parcel->fd_count};
	int rc;

	/* One more than there is room for, so that a message with too many is told from a loss. */
	message.msg_controllen = CMSG_SPACE((room + 1) * sizeof(int)) + OTHERS;
	memset(&control, 0, message.msg_controllen);
	rc = quoit__net_receive_message(sock, &message);
	if (rc == -EAGAIN || rc == -EINTR)
		return rc;
	if (rc < 0)
		return quoit_reason_set(why, rc, "cannot receive: %s", strerror(-rc));
	piece.bytes = (size_t)rc;
	piece.closed = quoit_parcel_unpack(parcel, &message);
	piece.fds = parcel->fd_count - piece.fds;
	piece.flags = message.msg_flags;
	rc = judge(parcel, &piece, packets, why);
	parcel->got += rc < 0 ? 0 : piece.bytes;
	return rc;
}

static int read_parcel(struct quoit_parcel *parcel, int sock, bool packets,
		       struct quoit_reason *why)
{
	while (parcel->got < parcel->bytes) {
		const int rc = receive(parcel, sock, packets, why);

		if (rc == -EAGAIN)
			return rc;
		if (rc < 0 && rc != -EINTR) {
			quoit_parcel_drop(parcel);
			return rc;
		}
	}
	return 0;
}

int quoit_parcel_read(struct quoit_parcel *parcel, int sock, struct quoit_reason *why)
{
	const int packets = check_socket(sock, why);

	if (packets < 0) {
		quoit_parcel_drop(parcel);
		return packets;
	}
	return read_parcel(parcel, sock, packets, why);
}

int quoit_fd_recv(int sock, int *fds, size_t *fd_count, void *data, size_t bytes,
		  uint64_t deadline_ns, struct quoit_reason *why)
{
	struct quoit_parcel parcel;
	int came[QUOIT_FDS_MAX];
	int packets;

	if (!data || !bytes || *fd_count > QUOIT_FDS_MAX || (*fd_count && !fds))
		return quoit_reason_set(why, -EINVAL,
					"ask for at least one byte and at most %d descriptors",
					QUOIT_FDS_MAX);
	packets = check_socket(sock, why);
	if (packets < 0)
		return packets;
	quoit_parcel_begin(&parcel, data, bytes, came, *fd_count);
	for (;;) {
		int rc = read_parcel(&parcel, sock, packets, why);

		if (rc == -EAGAIN)
			rc = wait_for(sock, POLLIN, deadline_ns, why);
		else if (!rc)
			break;
		if (rc < 0) {
			quoit_parcel_drop(&parcel);
			return rc;
		}
	}
	for (size_t i = 0; i < parcel.fd_count; i++)
		fds[i] = came[i];
	*fd_count = parcel.fd_count;
	return 0;
}
