/* SPDX-License-Identifier: MIT */
/* unix_socket.c - see unix_socket.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/unix_socket_internal.h>

#include <string.h>

#include <quoit/io/kernel_internal.h>
#include <quoit/numa/clock.h>

quoit_static_assert(QUOIT_UNIX_PATH_MAX + 1 == sizeof(((struct sockaddr_un *)0)->sun_path),
		    "a path and its NUL");

int quoit_unix_address(struct quoit_unix_address *address, const char *path, bool abstract,
		       struct quoit_reason *why)
{
	const size_t length = path ? strlen(path) : 0;
	struct quoit_unix_address made = {.un.sun_family = AF_UNIX};

	if (!length)
		return quoit_reason_set(why, -EINVAL, "give the path of a socket");
	if (length > QUOIT_UNIX_PATH_MAX)
		return quoit_reason_set(
			why, -ENAMETOOLONG,
			"'%.80s...' is too long for a socket: %d bytes are the limit", path,
			QUOIT_UNIX_PATH_MAX);
	if (!abstract && path[0] == '@')
		return quoit_reason_set(why, -EINVAL,
					"'%s' is an abstract name: ask for it, or write ./%s", path,
					path);
	if (abstract && (path[0] != '@' || length < 2))
		return quoit_reason_set(why, -EINVAL, "'%s' is no abstract name: write @name",
					path);
	memcpy(made.un.sun_path, path, length);
	made.bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (abstract)
		made.un.sun_path[0] = '\0'; /* and its length says where it ends */
	else
		made.bytes++;
	*address = made;
	return 0;
}

static int refuse(struct quoit_reason *why, int error, const char *path)
{
	const char *cause = strerror(-error);

	switch (error) {
	case -ENOENT:
		cause = "nothing is there, start the server first";
		break;
	case -ECONNREFUSED:
		cause = "nobody listens there";
		break;
	case -EPROTOTYPE:
		cause = "one end is for packets and the other for a stream";
		break;
	case -ETIMEDOUT:
		cause = "the server did not accept in time";
		break;
	default:
		break;
	}
	return quoit_reason_set(why, error, "cannot connect to %s: %s", path, cause);
}

/*
 * A connect that finds the listener's queue full cannot be polled for, so the kernel waits, by the
 * socket's own timeout.
 */
static int connect_until(int fd, const struct quoit_unix_address *address, uint64_t deadline_ns)
{
	for (;;) {
		const uint64_t now_ns = deadline_ns ? quoit_clock_now_ns() : 0;
		const uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
		int rc = 0;

		/* Below a microsecond it would be none at all. */
		if (deadline_ns)
			rc = quoit__net_set_send_timeout(fd, left_ns < 1000 ? 1000 : left_ns);
		if (rc >= 0)
			rc = quoit__net_connect(fd, (const struct sockaddr *)&address->un,
						address->bytes);
		if (rc == -EINTR)
			continue;
		if (rc == -EAGAIN)
			return -ETIMEDOUT;
		if (rc < 0 || !deadline_ns)
			return rc;
		return quoit__net_set_send_timeout(fd, 0);
	}
}

static int connect_checked(int fd, const char *path, const struct quoit_unix_address *address,
			   const struct quoit_unix_options *options, struct quoit_reason *why)
{
	struct quoit_peer server;
	int rc = connect_until(fd, address, options->deadline_ns);

	if (rc < 0)
		return refuse(why, rc, path);
	rc = quoit_peer_read(fd, &server, why);
	return rc < 0 ? rc : quoit_peer_check(&server, &options->policy, why);
}

int quoit_unix_connect(const char *path, const struct quoit_unix_options *options,
		       struct quoit_reason *why)
{
	static const struct quoit_unix_options defaults;
	struct quoit_unix_address address;
	int rc;
	int fd;

	options = options ? options : &defaults;
	rc = quoit_unix_address(&address, path, options->abstract, why);
	if (rc < 0)
		return rc;
	fd = quoit__net_unix_socket(options->stream ? SOCK_STREAM : SOCK_SEQPACKET);
	if (fd < 0)
		return refuse(why, fd, path);
	rc = connect_checked(fd, path, &address, options, why);
	if (rc < 0) {
		quoit__sys_close(fd);
		return rc;
	}
	return fd;
}
