/* SPDX-License-Identifier: MIT */
/* fd_server.c - see fd_server.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/fd_server_internal.h>

#include <string.h>

#include <quoit/io/kernel_internal.h>
#include <quoit/io/unix_socket_internal.h>
#include <quoit/numa/clock.h>

#define MODE_DEFAULT	0600
#define BACKLOG_DEFAULT 64
#define BACKLOG_MOST	4096

quoit_static_assert(sizeof(((struct quoit_fd_server *)0)->name) == QUOIT_UNIX_PATH_MAX + 1,
		    "a name is shorter than its path");

/* --- listening ------------------------------------------------------------------------------- */

static int check_options(const struct quoit_fd_server_options *options, struct quoit_reason *why)
{
	if (options->backlog > BACKLOG_MOST)
		return quoit_reason_set(why, -EINVAL, "backlog is %u: give %d at most",
					options->backlog, BACKLOG_MOST);
	if (options->mode & ~0777u)
		return quoit_reason_set(why, -EINVAL, "mode is %o: give permissions only",
					options->mode);
	return 0;
}

static int bind_and_listen(int fd, struct quoit_unix_place *place,
			   const struct quoit_unix_address *address, const char *path,
			   const struct quoit_fd_server_options *options, struct quoit_reason *why)
{
	const int backlog = options->backlog ? (int)options->backlog : BACKLOG_DEFAULT;
	const mode_t mode = options->mode ? options->mode : MODE_DEFAULT;
	int rc;

	if (options->abstract) {
		rc = quoit__net_bind(fd, (const struct sockaddr *)&address->un, address->bytes);
		if (rc == -EADDRINUSE)
			return quoit_reason_set(why, rc,
						"cannot listen on %s: a server listens there "
						"already; stop it, or choose another name",
						path);
		if (rc < 0)
			return quoit_reason_set(why, rc, "cannot listen on %s: %s", path,
						strerror(-rc));
	} else {
		rc = quoit_unix_bind(place, fd, address, mode, why);
		if (rc < 0)
			return rc;
	}
	rc = quoit__net_listen(fd, backlog);
	if (rc >= 0)
		return 0;
	quoit_unix_unbind(place);
	return quoit_reason_set(why, rc, "cannot listen on %s: %s", path, strerror(-rc));
}

int quoit_fd_server_listen(struct quoit_fd_server *server, const char *path,
			   const struct quoit_fd_server_options *options, struct quoit_reason *why)
{
	static const struct quoit_fd_server_options defaults;
	struct quoit_unix_place place = {.folder = -1};
	struct quoit_unix_address address;
	int rc;
	int fd;

	if (server->open)
		return quoit_reason_set(why, -EBUSY, "the server listens already");
	options = options ? options : &defaults;
	rc = check_options(options, why);
	if (rc >= 0)
		rc = quoit_unix_address(&address, path, options->abstract, why);
	if (rc < 0)
		return rc;
	fd = quoit__net_unix_socket((options->stream ? SOCK_STREAM : SOCK_SEQPACKET) |
				    SOCK_NONBLOCK);
	if (fd < 0)
		return quoit_reason_set(why, fd, "cannot listen on %s: %s", path, strerror(-fd));
	rc = bind_and_listen(fd, &place, &address, path, options, why);
	if (rc < 0) {
		quoit__sys_close(fd);
		return rc;
	}
	*server = (struct quoit_fd_server){
		.fd = fd,
		.folder = place.folder,
		.device = place.device,
		.inode = place.inode,
		.policy = options->policy,
		.process = quoit__sys_getpid(),
		.open = true,
	};
	memcpy(server->name, place.name, sizeof(server->name));
	return 0;
}

void quoit_fd_server_close(struct quoit_fd_server *server)
{
	struct quoit_unix_place place = {
		.folder = server->folder, .device = server->device, .inode = server->inode};

	if (!server->open)
		return;
	QUOIT_ASSERT(!server->lent); /* its greeter must have stopped */
	memcpy(place.name, server->name, sizeof(place.name));
	/* Before the socket is closed, so that it holds its inode, and looks alive to others. */
	if (server->process == quoit__sys_getpid())
		quoit_unix_unbind(&place);
	else
		quoit_unix_leave(&place);
	quoit__sys_close(server->fd);
	server->open = false;
	server->fd = server->folder = -1;
}

/* --- accepting ------------------------------------------------------------------------------- */

bool quoit_fd_server_is_passing(int error)
{
	return error == -ECONNABORTED || error == -EINTR || error == -EAGAIN || error == -EPROTO ||
	       error == -EPERM;
}

int quoit_fd_server_lend(struct quoit_fd_server *server)
{
	const int rc = server->lent ? -EBUSY : quoit__sys_set_blocking(server->fd, true);

	if (rc >= 0)
		server->lent = true;
	return rc;
}

void quoit_fd_server_take_back(struct quoit_fd_server *server)
{
	(void)quoit__sys_set_blocking(server->fd, false); /* as easy as it was the other way */
	server->lent = false;
}

int quoit_fd_server_admit(struct quoit_fd_server *server, int sock, struct quoit_peer *peer,
			  struct quoit_reason *why)
{
	int rc = quoit_peer_read(sock, peer, why);

	if (rc >= 0)
		rc = quoit_peer_check(peer, &server->policy, why);
	server->refused += rc < 0;
	return rc;
}

static int timed_out(struct quoit_reason *why)
{
	return quoit_reason_set(why, -ETIMEDOUT, "nobody who is allowed has connected in time");
}

/* 0: try again. */
static int wait_for_one(const struct quoit_fd_server *server, uint64_t deadline_ns,
			struct quoit_reason *why)
{
	const int rc = quoit__sys_wait_until(server->fd, POLLIN | POLLRDHUP, deadline_ns);

	/* Ready for ever, and yet nobody will ever come. */
	if (rc > 0 && rc & POLLRDHUP)
		return quoit_reason_set(why, -ESHUTDOWN,
					"somebody has shut the listening socket down");
	if (rc > 0 || rc == -EINTR)
		return 0;
	if (rc < 0)
		return quoit_reason_set(why, rc, "cannot wait for a connection: %s", strerror(-rc));
	return timed_out(why);
}

/* Not let in: a flood of these must not outlast the deadline. 0: try again. */
static int turn_away(int sock, uint64_t deadline_ns, struct quoit_reason *why)
{
	quoit__sys_close(sock);
	return deadline_ns && quoit_clock_now_ns() >= deadline_ns ? timed_out(why) : 0;
}

int quoit_fd_server_accept(struct quoit_fd_server *server, uint64_t deadline_ns,
			   struct quoit_peer *peer, struct quoit_reason *why)
{
	struct quoit_peer seen;

	if (!server->open)
		return quoit_reason_set(why, -EBADF, "the server is not open");
	if (server->lent)
		return quoit_reason_set(why, -EBUSY, "a greeter accepts for this server");
	for (;;) {
		const int sock = quoit__net_accept(server->fd);
		int rc = 0;

		if (sock >= 0 && quoit_fd_server_admit(server, sock, &seen, NULL) >= 0) {
			if (peer)
				*peer = seen;
			return sock;
		}
		if (sock >= 0)
			rc = turn_away(sock, deadline_ns, why);
		else if (sock == -EAGAIN)
			rc = wait_for_one(server, deadline_ns, why);
		else if (!quoit_fd_server_is_passing(sock))
			rc = quoit_reason_set(why, sock, "cannot accept: %s", strerror(-sock));
		if (rc < 0)
			return rc;
	}
}
