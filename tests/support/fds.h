/* SPDX-License-Identifier: MIT */
/*
 * fds.h - for tests of descriptors that travel: files that can be told apart, how many are open,
 * and messages that no decent peer would send.
 *
 * Include after <cmocka.h>.
 */
#ifndef QUOIT_TESTS_SUPPORT_FDS_H
#define QUOIT_TESTS_SUPPORT_FDS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MOST    253
#define FDS_NOBODY  65534
#define FDS_ENDLESS 0 /* a deadline */
#define FDS_PAST    1 /* one that has passed when the machine had been up for a nanosecond */

/* How many descriptors this process has open. */
static inline unsigned fds_open(void)
{
	DIR *const folder = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count - 1; /* the folder itself */
}

/* For cmocka, around each test: what was opened must have been closed. */
static unsigned fds_before;

static inline int fds_count(void **state)
{
	(void)state;
	fds_before = fds_open();
	return 0;
}

static inline int fds_none_is_left(void **state)
{
	(void)state;
	if (fds_open() != fds_before)
		print_error("%u descriptors were open, and %u are\n", fds_before, fds_open());
	return fds_open() == fds_before ? 0 : -1;
}

/* Files of memory, each with an inode of its own. */
static inline void fds_make(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fds[i] = memfd_create("test", MFD_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
}

static inline void fds_close(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(close(fds[i]), 0);
}

static inline bool fds_are_same(int a, int b)
{
	struct stat first, second;

	assert_int_equal(fstat(a, &first), 0);
	assert_int_equal(fstat(b, &second), 0);
	return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* Each is the file that it should be, under another number, and closed on exec. */
static inline void fds_check(const int *came, const int *sent, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		assert_true(came[i] != sent[i]);
		assert_true(fds_are_same(came[i], sent[i]));
		assert_int_equal(fcntl(came[i], F_GETFD), FD_CLOEXEC);
	}
}

static inline void fds_pair(int type, int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
}

/*
 * Send as it comes: any number of bytes, none too, with `first` descriptors in one control message
 * and the rest in another. Gives what sendmsg gives, or -errno.
 */
static inline long fds_send_raw(int sock, const void *data, size_t bytes, const int *fds,
				unsigned count, unsigned first)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MOST * sizeof(int)) + CMSG_SPACE(FDS_MOST * sizeof(int))];
	} control;
	struct iovec all = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &all, .msg_iovlen = 1};
	size_t at = 0;
	long rc;

	memset(&control, 0, sizeof(control));
	for (unsigned i = 0; i < count; i += first, first = count - first) {
		struct cmsghdr *header = (struct cmsghdr *)(control.bytes + at);

		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(first * sizeof(int));
		memcpy(CMSG_DATA(header), fds + i, first * sizeof(int));
		at += CMSG_SPACE(first * sizeof(int));
	}
	if (count) {
		message.msg_control = control.bytes;
		message.msg_controllen = at;
	}
	rc = sendmsg(sock, &message, MSG_NOSIGNAL);
	return rc < 0 ? -errno : rc;
}

/* --- folders and paths ----------------------------------------------------------------------- */

#define FDS_PATH   96 /* which fits into the address of a socket */
#define FDS_FOLDER 80

/*
 * A folder of one's own, with no slash at its end; 0700, as in a decent runtime directory. In the
 * usual one where TMPDIR is too long for the address of a socket.
 */
static inline void fds_folder(char path[FDS_FOLDER])
{
	const char *base = getenv("TMPDIR");

	if (!base || strlen(base) > FDS_FOLDER - sizeof("/quoit-fds-XXXXXX"))
		base = P_tmpdir;
	(void)snprintf(path, FDS_FOLDER, "%s/quoit-fds-XXXXXX", base);
	assert_non_null(mkdtemp(path));
}

/* How many names are in it. */
static inline unsigned fds_names(const char *path)
{
	DIR *const folder = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(folder);
	return count;
}

/* It must be empty by then. */
static inline void fds_remove_folder(const char *path)
{
	assert_int_equal(fds_names(path), 0);
	assert_int_equal(rmdir(path), 0);
}

static inline struct sockaddr_un fds_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

/* A socket of another program's at that path: bound, and listening if `backlog` is not below 0. */
static inline int fds_listen_raw(const char *path, int type, int backlog)
{
	const struct sockaddr_un address = fds_address(path);
	const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/* Gives the descriptor or -errno. */
static inline int fds_connect_raw(const char *path, int type)
{
	const struct sockaddr_un address = fds_address(path);
	const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	const int error = errno;
	close(fd);
	return -error;
}

/* --- other processes ------------------------------------------------------------------------- */

/*
 * Run `fn` in a child, as the user `uid` if that is above 0, and give what it returns, 0 to 100; a
 * child that cannot become him gives 101, one that crashed 102. It must not use cmocka.
 */
static inline int fds_in_child(uid_t uid, int (*fn)(void *ctx), void *ctx)
{
	int status = 0;
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (uid && (setgid(uid) || setuid(uid)))
			_exit(101);
		_exit(fn(ctx));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 102;
}

#endif
