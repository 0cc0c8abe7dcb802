/* SPDX-License-Identifier: MIT */
/*
 * unix_place.c - a path for a listening socket, and giving it back. See unix_socket_internal.h.
 *
 * bind() makes the name or fails: it never takes one that is there. So the only danger is in making
 * room, and four things keep it away.
 *
 * - Who is there is asked with a socket of a kind that no server listens with: connecting that
 *   fails with EPROTOTYPE beside anybody alive, listening already or not, and never shows up in his
 *   queue; only of a socket whose process is gone it says ECONNREFUSED.
 * - The file that was asked about is kept open, so that its inode number means that file.
 * - It is first moved aside, to a name that nobody knows, and looked at there. Another one is moved
 *   back, never over a third.
 * - All of this happens under a lock on the folder, which quoit's servers take one after another.
 *
 * The lock is taken only if something must be removed: anybody who can read a folder can hold it.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/unix_socket_internal.h>

#include <stdio.h>
#include <string.h>

#include <quoit/io/kernel_internal.h>

/* A killed server with an io_uring listens until the kernel has undone its accept: ~20 ms. */
#define TRIES	 20
#define PAUSE_NS (10 * 1000 * 1000ull)

#define ASIDE_BYTES 32

static int refuse(struct quoit_reason *why, int error, const struct quoit_unix_address *address,
		  const char *cause)
{
	return quoit_reason_set(why, error, "cannot listen on %s: %s", address->un.sun_path,
				cause ? cause : strerror(-error));
}

/* --- moving aside ---------------------------------------------------------------------------- */

static bool is_file(const struct stat *status, uint64_t device, uint64_t inode)
{
	return status->st_dev == device && status->st_ino == inode;
}

/*
 * Remove a name if it stands for that file. 0: it is gone. Errors: -ESTALE it stands for another,
 * and still does; those of the file system.
 */
static int remove_file(int folder, const char *name, uint64_t device, uint64_t inode)
{
	char aside[ASIDE_BYTES];
	struct stat status;
	uint64_t secret;
	int rc = quoit__sys_status_in(folder, name, &status);

	if (rc < 0 || !is_file(&status, device, inode))
		return rc < 0 ? rc : -ESTALE;
	if (quoit__sys_getrandom(&secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return -EAGAIN;
	snprintf(aside, sizeof(aside), ".quoit-%016llx", (unsigned long long)secret);
	rc = quoit__sys_rename_in(folder, name, aside);
	if (rc < 0)
		return rc;
	rc = quoit__sys_status_in(folder, aside, &status);
	if (rc >= 0 && is_file(&status, device, inode))
		return quoit__sys_unlink_in(folder, aside);
	(void)quoit__sys_rename_in(folder, aside, name); /* somebody was faster: it is his */
	return -ESTALE;
}

/* --- who is there? --------------------------------------------------------------------------- */

enum verdict {
	NOBODY, /* the name is free */
	DEAD,	/* a socket of ours that no process has */
	ALIVE,
};

static int connect_as_nobody(const struct quoit_unix_address *address)
{
	const int fd = quoit__net_unix_socket(SOCK_DGRAM | SOCK_NONBLOCK);
	int rc;

	if (fd < 0)
		return fd;
	rc = quoit__net_connect(fd, (const struct sockaddr *)&address->un, address->bytes);
	quoit__sys_close(fd);
	return rc;
}

/* `file` is open, and what stands at the path. Errors: of what is no business of ours. */
static int judge_file(int file, const struct quoit_unix_address *address, struct stat *status,
		      struct quoit_reason *why)
{
	int rc = quoit__sys_status(file, status);

	if (rc < 0)
		return refuse(why, rc, address, NULL);
	if (!S_ISSOCK(status->st_mode))
		return refuse(why, -EEXIST, address,
			      "what is there is no socket, and stays; remove it if you like");
	if (status->st_uid != quoit__sys_effective_uid())
		return refuse(why, -EPERM, address, "the socket there is another user's");
	rc = connect_as_nobody(address);
	if (rc == -ECONNREFUSED)
		return DEAD;
	if (rc == -ENOENT)
		return NOBODY;
	if (rc == -EPROTOTYPE || !rc)
		return ALIVE;
	return refuse(why, rc, address, NULL);
}

/* Who is there, and which file is it? It stays open as *file, or that is -1. */
static int judge(const struct quoit_unix_place *place, const struct quoit_unix_address *address,
		 int *file, struct stat *status, struct quoit_reason *why)
{
	*file = quoit__sys_open_in(place->folder, place->name, O_PATH);
	if (*file == -ENOENT)
		return NOBODY;
	return *file < 0 ? refuse(why, *file, address, NULL)
			 : judge_file(*file, address, status, why);
}

/*
 * Make room, if that may be done: 0, try again. `lock` is -1 until the folder is locked; whoever
 * was found dead before that is looked at again.
 */
static int make_room(const struct quoit_unix_place *place, const struct quoit_unix_address *address,
		     int *lock, struct quoit_reason *why)
{
	struct stat status;
	int file;
	int rc = judge(place, address, &file, &status, why);

	if (rc == ALIVE) {
		quoit__sys_sleep(PAUSE_NS);
		rc = refuse(why, -EADDRINUSE, address,
			    "a server listens there already; stop it, or choose another path");
	} else if (rc == DEAD && *lock < 0) {
		*lock = quoit__sys_open_in(place->folder, ".", O_RDONLY | O_DIRECTORY);
		rc = *lock < 0 ? *lock : quoit__sys_try_lock(*lock);
		if (rc < 0) {
			if (*lock >= 0)
				quoit__sys_close(*lock);
			*lock = -1;
			quoit__sys_sleep(PAUSE_NS);
			rc = refuse(why, -EBUSY, address,
				    "the dead socket there cannot be removed: its folder is "
				    "locked, or may not be read");
		}
	} else if (rc == DEAD) {
		rc = remove_file(place->folder, place->name, (uint64_t)status.st_dev,
				 (uint64_t)status.st_ino);
		rc = rc == -ESTALE || rc == -ENOENT || rc == -EAGAIN ? 0 : rc;
		if (rc < 0)
			(void)refuse(why, rc, address, NULL);
	}
	if (file >= 0)
		quoit__sys_close(file);
	return rc;
}

/* --- binding --------------------------------------------------------------------------------- */

/* Errors: -EINVAL for what names no file. */
static int split(struct quoit_unix_place *place, const struct quoit_unix_address *address,
		 struct quoit_reason *why)
{
	const char *const path = address->un.sun_path;
	const char *const slash = strrchr(path, '/');
	const char *const name = slash ? slash + 1 : path;
	char folder[QUOIT_UNIX_PATH_MAX + 1] = ".";

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return refuse(why, -EINVAL, address, "that is a folder");
	snprintf(place->name, sizeof(place->name), "%s", name);
	if (slash) /* of "/name" it is the slash */
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
	place->folder = quoit__sys_open(folder, O_PATH | O_DIRECTORY);
	return place->folder < 0 ? refuse(why, place->folder, address, NULL) : 0;
}

static int bind_in_turn(struct quoit_unix_place *place, int fd,
			const struct quoit_unix_address *address, int *lock,
			struct quoit_reason *why)
{
	int rc = -EADDRINUSE;

	for (int i = 0; i < TRIES; i++) {
		rc = quoit__net_bind(fd, (const struct sockaddr *)&address->un, address->bytes);
		if (rc >= 0)
			return 0;
		if (rc != -EADDRINUSE)
			return refuse(why, rc, address, NULL);
		rc = make_room(place, address, lock, why);
		if (rc < 0 && rc != -EADDRINUSE && rc != -EBUSY)
			return rc;
	}
	return rc < 0 ? rc : refuse(why, -EADDRINUSE, address, "others took the path each time");
}

/* What was made: only that is removed in the end. */
static int remember(struct quoit_unix_place *place, const struct quoit_unix_address *address,
		    struct quoit_reason *why)
{
	struct stat status;
	const int rc = quoit__sys_status_in(place->folder, place->name, &status);

	if (rc < 0 || !S_ISSOCK(status.st_mode) || status.st_uid != quoit__sys_effective_uid())
		return refuse(why, -EADDRINUSE, address, "somebody has removed the socket at once");
	place->device = (uint64_t)status.st_dev;
	place->inode = (uint64_t)status.st_ino;
	return 0;
}

int quoit_unix_bind(struct quoit_unix_place *place, int fd,
		    const struct quoit_unix_address *address, mode_t mode, struct quoit_reason *why)
{
	struct quoit_unix_place made = {.folder = -1};
	struct quoit_reason last = {0}; /* of several tries */
	int lock = -1;
	int rc = split(&made, address, why);

	if (rc < 0)
		return rc;
	/* Before it has a name: there is no moment at which others may connect. */
	rc = quoit__sys_set_mode(fd, mode);
	rc = rc < 0 ? refuse(&last, rc, address, NULL)
		    : bind_in_turn(&made, fd, address, &lock, &last);
	if (rc >= 0)
		rc = remember(&made, address, &last);
	if (lock >= 0)
		quoit__sys_close(lock);
	if (rc < 0) {
		quoit__sys_close(made.folder);
		return quoit_reason_set(why, rc, "%s", last.text);
	}
	*place = made;
	return 0;
}

void quoit_unix_unbind(struct quoit_unix_place *place)
{
	if (place->folder >= 0)
		(void)remove_file(place->folder, place->name, place->device, place->inode);
	quoit_unix_leave(place);
}

void quoit_unix_leave(struct quoit_unix_place *place)
{
	if (place->folder >= 0)
		quoit__sys_close(place->folder);
	*place = (struct quoit_unix_place){.folder = -1};
}
