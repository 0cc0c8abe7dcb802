/* SPDX-License-Identifier: MIT */
/*
 * sys_shared_internal.h - the seam for what is shared with other processes: files of memory, locks
 * on them, futexes in them. A part of sys_internal.h, with the same rules.
 */
#ifndef QUOIT_NUMA_SYS_SHARED_INTERNAL_H
#define QUOIT_NUMA_SYS_SHARED_INTERNAL_H

#include <quoit/numa/sys_internal.h>

#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3 */
#endif

/* --- files of memory ------------------------------------------------------------------------- */

/* Closed on exec, and sealable; `flags` are more of memfd_create(2). */
static inline int quoit__sys_memfd(const char *name, unsigned flags)
{
	return (int)quoit__sys_result(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
}

static inline int quoit__sys_set_length(int fd, size_t bytes)
{
	return (int)quoit__sys_result(ftruncate(fd, (off_t)bytes));
}

/* How long a file of ours may become: one byte more, and SIGXFSZ ends the process. */
static inline uint64_t quoit__sys_longest_file(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) < 0 ? UINT64_MAX : limit.rlim_cur;
}

/* Fill it, so that no touch finds a hole. */
static inline int quoit__sys_allocate(int fd, size_t bytes)
{
	return (int)quoit__sys_result(fallocate(fd, 0, 0, (off_t)bytes));
}

static inline int quoit__sys_add_seals(int fd, int seals)
{
	return (int)quoit__sys_result(fcntl(fd, F_ADD_SEALS, seals));
}

/* -EINVAL for what can have none. */
static inline int quoit__sys_seals(int fd)
{
	return (int)quoit__sys_result(fcntl(fd, F_GET_SEALS));
}

/* What kind of file system it lies on, and how large its pages are. */
static inline int quoit__sys_file_system(int fd, uint64_t *kind, size_t *page_bytes)
{
	struct statfs status;

	if (fstatfs(fd, &status) < 0)
		return -errno;
	*kind = (uint64_t)status.f_type;
	*page_bytes = (size_t)status.f_bsize;
	return 0;
}

static inline ssize_t quoit__sys_read_at(int fd, void *data, size_t bytes, off_t at)
{
	return quoit__sys_result(pread(fd, data, bytes, at));
}

/* What is there, and never waits, whatever the flags of the file say: -EAGAIN. */
static inline ssize_t quoit__sys_read_now(int fd, void *data, size_t bytes)
{
	const struct iovec into = {.iov_base = data, .iov_len = bytes};

	return quoit__sys_result(preadv2(fd, &into, 1, -1, RWF_NOWAIT));
}

/*
 * A lock on one byte, which belongs to this open file and its duplicates: when the last of them is
 * closed, by death too, it is free. F_WRLCK takes it, F_UNLCK gives it back. -EAGAIN: it is taken.
 */
static inline int quoit__sys_lock_byte(int fd, size_t at, int type)
{
	struct flock lock = {.l_type = (short)type, .l_start = (off_t)at, .l_len = 1};

	return (int)quoit__sys_result(fcntl(fd, F_OFD_SETLK, &lock));
}

/* Has another open file that lock? 1 or 0. */
static inline int quoit__sys_byte_is_locked(int fd, size_t at)
{
	struct flock lock = {.l_type = F_WRLCK, .l_start = (off_t)at, .l_len = 1};

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type != F_UNLCK;
}

/* Where a link below /proc leads to: how many bytes, with no NUL behind them. */
static inline ssize_t quoit__sys_read_link(const char *path, char *text, size_t capacity)
{
	return quoit__sys_result(readlink(path, text, capacity));
}

/* Would writing to it wait? 1 or 0. */
static inline int quoit__sys_is_blocking(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -errno : !(flags & O_NONBLOCK);
}

/* --- sleeping -------------------------------------------------------------------------------- */

/* As quoit__sys_futex_wait() and _wake(), for words that other processes have mapped too. */
static inline int quoit__sys_futex_wait_shared(const uint32_t *word, uint32_t expected,
					       uint64_t deadline_ns)
{
	const struct timespec until = quoit__sys_timespec(deadline_ns);

	return (int)quoit__sys_result(syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
					      deadline_ns ? &until : NULL, NULL,
					      FUTEX_BITSET_MATCH_ANY));
}

static inline int quoit__sys_futex_wake_shared(const uint32_t *word, int most)
{
	return (int)quoit__sys_result(syscall(SYS_futex, word, FUTEX_WAKE, (long)most));
}

/* How long it is until a time of the monotonic clock. */
static inline struct timespec quoit__sys_left(uint64_t deadline_ns)
{
	struct timespec now = {0};
	uint64_t now_ns;

	(void)quoit__sys_clock_monotonic(&now); /* cannot fail */
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return quoit__sys_timespec(now_ns < deadline_ns ? deadline_ns - now_ns : 0);
}

/*
 * Sleep until one of three is readable (1), or until the deadline (0; for ever if it is 0). -1 is
 * none. -EINTR.
 */
static inline int quoit__sys_wait_either(int first, int second, int third, uint64_t deadline_ns)
{
	struct pollfd fds[] = {{.fd = first, .events = POLLIN},
			       {.fd = second, .events = POLLIN},
			       {.fd = third, .events = POLLIN}};
	const struct timespec left = quoit__sys_left(deadline_ns);
	const int rc = ppoll(fds, 3, deadline_ns ? &left : NULL, NULL);

	return rc < 0 ? -errno : rc != 0;
}

#endif
