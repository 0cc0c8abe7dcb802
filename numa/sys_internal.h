/* SPDX-License-Identifier: MIT */
/*
 * sys_internal.h - the seam for plain system calls.
 *
 * This file, sys_shared_internal.h and the kernel seam of io/ are the only ones that ask the kernel
 * for anything, so that a test or a simulation has one place to stand in. Every function gives its
 * result or -errno and nobody above reads errno. Nothing here retries: what EINTR means is for the
 * caller to say.
 *
 * What NUMA needs goes through syscall(2), because libc has no wrapper and libnuma's would pull a
 * library into the ring headers' floor. Include this file before any header of libc.
 */
#ifndef QUOIT_NUMA_SYS_INTERNAL_H
#define QUOIT_NUMA_SYS_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef __USE_GNU
#error "include quoit/numa/sys_internal.h before libc's headers, or compile with -D_GNU_SOURCE"
#endif

/* Newer than some headers we build with. The kernel's numbers are ABI and never change. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24 /* Linux 5.18 */
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

/* From <linux/mempolicy.h>, which not every distribution installs with libc. */
#define QUOIT__MPOL_DEFAULT		0
#define QUOIT__MPOL_PREFERRED		1
#define QUOIT__MPOL_BIND		2
#define QUOIT__MPOL_INTERLEAVE		3
#define QUOIT__MPOL_LOCAL		4
#define QUOIT__MPOL_WEIGHTED_INTERLEAVE 6	  /* Linux 6.9 */
#define QUOIT__MPOL_F_STATIC_NODES	(1 << 15) /* of the mode, never of mbind's flags */
#define QUOIT__MPOL_MF_STRICT		1u
#define QUOIT__MPOL_MF_MOVE		2u
#define QUOIT__MPOL_F_MEMS_ALLOWED	4UL
#define QUOIT__PR_SET_VMA		0x53564d41 /* Linux 5.17 */
#define QUOIT__PR_SET_VMA_ANON_NAME	0
#define QUOIT__SCHED_RESET_ON_FORK_BIT	1u

/* From <linux/sched/types.h>, in its first shape: later kernels take it as it is. */
struct quoit__sched_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t deadline[3];
};

static inline long quoit__sys_result(long answer)
{
	return answer < 0 ? -errno : answer;
}

static inline struct timespec quoit__sys_timespec(uint64_t ns)
{
	const struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u),
				    .tv_nsec = (long)(ns % 1000000000u)};
	return ts;
}

static inline int quoit__sys_clock_monotonic(struct timespec *now)
{
	return (int)quoit__sys_result(clock_gettime(CLOCK_MONOTONIC, now));
}

/* The kernel's own answer to the clock, past the vDSO: for comparison. */
static inline int quoit__sys_clock_by_call(struct timespec *now)
{
	return (int)quoit__sys_result(syscall(SYS_clock_gettime, (long)CLOCK_MONOTONIC, now, 0L));
}

static inline int quoit__sys_clock_coarse(struct timespec *now)
{
	return (int)quoit__sys_result(clock_gettime(CLOCK_MONOTONIC_COARSE, now));
}

static inline int quoit__sys_mmap(void **base, size_t bytes, int protection, int flags, int fd,
				  off_t offset)
{
	void *const at = mmap(NULL, bytes, protection, flags, fd, offset);
	if (at == MAP_FAILED)
		return -errno;
	*base = at;
	return 0;
}

/* In the place of what is mapped there, which may be gone even where this fails. */
static inline int quoit__sys_mmap_over(void *at, size_t bytes, int protection, int flags)
{
	return mmap(at, bytes, protection, flags | MAP_FIXED, -1, 0) == MAP_FAILED ? -errno : 0;
}

static inline int quoit__sys_mprotect(void *base, size_t bytes, int protection)
{
	return (int)quoit__sys_result(mprotect(base, bytes, protection));
}

static inline int quoit__sys_munmap(void *base, size_t bytes)
{
	return (int)quoit__sys_result(munmap(base, bytes));
}

static inline int quoit__sys_madvise(void *base, size_t bytes, int advice)
{
	return (int)quoit__sys_result(madvise(base, bytes, advice));
}

static inline int quoit__sys_mlock2(const void *base, size_t bytes, unsigned flags)
{
	return (int)quoit__sys_result(syscall(SYS_mlock2, base, bytes, (long)flags));
}

/* The raw call: sanitizers make libc's do nothing, and a lock of ours would stay. */
static inline int quoit__sys_munlock(const void *base, size_t bytes)
{
	return (int)quoit__sys_result(syscall(SYS_munlock, base, bytes, 0L));
}

/*
 * Node masks are 64-bit words. The kernel takes one off `maxnode` before it reads them, hence the
 * one added here: `bits` is how many the mask really has.
 */
static inline int quoit__sys_mbind(void *base, size_t bytes, int mode, const uint64_t *mask,
				   size_t bits, unsigned flags)
{
	return (int)quoit__sys_result(
		syscall(SYS_mbind, base, bytes, (long)mode, mask, bits + 1, (long)flags));
}

/* With nodes NULL nothing moves: status[i] becomes the node of pages[i], or its -errno. */
static inline int quoit__sys_move_pages(size_t count, void **pages, const int *nodes, int *status,
					int flags)
{
	return (int)quoit__sys_result(
		syscall(SYS_move_pages, 0L, count, pages, nodes, status, (long)flags));
}

/* Bit 0 of *in: is the page at `page` in memory? -ENOMEM: nothing is mapped there. */
static inline int quoit__sys_mincore(void *page, size_t bytes, unsigned char *in)
{
	return (int)quoit__sys_result(syscall(SYS_mincore, page, bytes, in));
}

/* Which nodes the cpuset lets this thread take memory from. */
static inline int quoit__sys_mems_allowed(uint64_t *mask, size_t bits)
{
	return (int)quoit__sys_result(
		syscall(SYS_get_mempolicy, NULL, mask, bits, 0L, (long)QUOIT__MPOL_F_MEMS_ALLOWED));
}

/* For /proc/self/maps: the kernel copies the name. */
static inline int quoit__sys_name_memory(void *base, size_t bytes, const char *name)
{
	return (int)quoit__sys_result(
		prctl(QUOIT__PR_SET_VMA, QUOIT__PR_SET_VMA_ANON_NAME, base, bytes, name));
}

/* Masks of any size, as 64-bit words. The raw calls: libc's are bound to its cpu_set_t. */
static inline int quoit__sys_sched_setaffinity(const uint64_t *mask, size_t bytes)
{
	return (int)quoit__sys_result(syscall(SYS_sched_setaffinity, 0L, bytes, mask));
}

/* Gives how many bytes the kernel wrote; what lies behind them is as it was. */
static inline int quoit__sys_sched_getaffinity(uint64_t *mask, size_t bytes)
{
	return (int)quoit__sys_result(syscall(SYS_sched_getaffinity, 0L, bytes, mask));
}

/* Policy, nice value and priority of the calling thread, all in one step. */
static inline int quoit__sys_sched_setattr(const struct quoit__sched_attr *attr)
{
	return (int)quoit__sys_result(syscall(SYS_sched_setattr, 0L, attr, 0L));
}

static inline int quoit__sys_sched_getattr(struct quoit__sched_attr *attr)
{
	return (int)quoit__sys_result(syscall(SYS_sched_getattr, 0L, attr, (long)sizeof *attr, 0L));
}

/* How late the calling thread's timers may be, in ns; 0 sets what its creator had. */
static inline int quoit__sys_set_timer_slack(unsigned long ns)
{
	return (int)quoit__sys_result(prctl(PR_SET_TIMERSLACK, ns, 0L, 0L, 0L));
}

static inline long quoit__sys_timer_slack(void)
{
	return quoit__sys_result(prctl(PR_GET_TIMERSLACK, 0L, 0L, 0L, 0L));
}

/* By rseq or the vDSO: no system call on x86-64 and arm64. */
static inline int quoit__sys_getcpu(void)
{
	return (int)quoit__sys_result(sched_getcpu());
}

/* The node of that cpu, as the kernel tells it beside the cpu. */
static inline int quoit__sys_getcpu_node(void)
{
	unsigned cpu = 0, node = 0;
	const int rc = (int)quoit__sys_result(getcpu(&cpu, &node));

	return rc < 0 ? rc : (int)node;
}

static inline int quoit__sys_getpid(void)
{
	return (int)getpid();
}

static inline int quoit__sys_gettid(void)
{
	return (int)syscall(SYS_gettid);
}

static inline int quoit__sys_thread_name(const char *name)
{
	return (int)quoit__sys_result(prctl(PR_SET_NAME, name, 0L, 0L, 0L));
}

/* Another descriptor of the same file, closed on exec. */
static inline int quoit__sys_duplicate(int fd)
{
	return (int)quoit__sys_result(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

static inline int quoit__sys_eventfd(unsigned initial, int flags)
{
	return (int)quoit__sys_result(eventfd(initial, flags));
}

/* EPOLL_CTL_ADD, _MOD or _DEL: what `events` come back with is `data`. */
static inline int quoit__sys_epoll_ctl(int epoll, int operation, int fd, uint32_t events,
				       uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	return (int)quoit__sys_result(epoll_ctl(epoll, operation, fd, &event));
}

static inline int quoit__sys_signalfd(const sigset_t *signals)
{
	return (int)quoit__sys_result(signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

/* Take every signal that is waiting; which ones they were does not matter to us. */
static inline void quoit__sys_drain_signals(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
}

/* Sleep until one of two descriptors is readable. Tells whether it is the first. */
static inline bool quoit__sys_wait_readable(int first, int second)
{
	struct pollfd fds[] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	return fds[0].revents != 0;
}

/* Can one wait for it? -EBADF; -EPERM for what is always ready, in epoll's words. */
static inline int quoit__sys_can_poll(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode)
		       ? -EPERM
		       : 0;
}

/*
 * Sleep until some of `events` of <poll.h>, or an error, have come, and give which; 0 when
 * `deadline_ns` of the monotonic clock has passed, which 0 never does. A time in the past looks
 * once. -EINTR.
 */
static inline int quoit__sys_wait_until(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd one = {.fd = fd, .events = events};
	struct timespec left = {0};

	if (deadline_ns) {
		struct timespec now;
		const int rc = quoit__sys_clock_monotonic(&now);
		const uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;

		if (rc < 0)
			return rc;
		if (now_ns < deadline_ns)
			left = quoit__sys_timespec(deadline_ns - now_ns);
	}
	return ppoll(&one, 1, deadline_ns ? &left : NULL, NULL) < 0 ? -errno : one.revents;
}

static inline int quoit__sys_open(const char *path, int flags)
{
	return (int)quoit__sys_result(open(path, flags | O_CLOEXEC, 0600));
}

/* --- names in a folder that is open: no slash in them, and links are not followed ------------ */

static inline int quoit__sys_open_in(int folder, const char *name, int flags)
{
	return (int)quoit__sys_result(openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC));
}

static inline int quoit__sys_status_in(int folder, const char *name, struct stat *status)
{
	return (int)quoit__sys_result(fstatat(folder, name, status, AT_SYMLINK_NOFOLLOW));
}

/* Never over what has that name already: -EEXIST. */
static inline int quoit__sys_rename_in(int folder, const char *from, const char *to)
{
	return (int)quoit__sys_result(renameat2(folder, from, folder, to, RENAME_NOREPLACE));
}

static inline int quoit__sys_unlink_in(int folder, const char *name)
{
	return (int)quoit__sys_result(unlinkat(folder, name, 0));
}

/* --- files that are open --------------------------------------------------------------------- */

static inline int quoit__sys_status(int fd, struct stat *status)
{
	return (int)quoit__sys_result(fstat(fd, status));
}

/* Of a socket: what the name that it is bound to later will have, less the umask. */
static inline int quoit__sys_set_mode(int fd, mode_t mode)
{
	return (int)quoit__sys_result(fchmod(fd, mode));
}

/* -EWOULDBLOCK: another open file has it. Closing the fd gives it back. */
static inline int quoit__sys_try_lock(int fd)
{
	return (int)quoit__sys_result(flock(fd, LOCK_EX | LOCK_NB));
}

static inline int quoit__sys_set_blocking(int fd, bool blocking)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return (int)quoit__sys_result(
		fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

/* A descriptor of that process, readable when it has ended. Always closed on exec. */
static inline int quoit__sys_pidfd_open(int pid)
{
	return (int)quoit__sys_result(syscall(SYS_pidfd_open, (long)pid, 0L, 0L));
}

/* By whose rights files are opened; sockets tell their peers the same. Cannot fail. */
static inline uid_t quoit__sys_effective_uid(void)
{
	return geteuid();
}

static inline ssize_t quoit__sys_read(int fd, void *data, size_t bytes)
{
	return quoit__sys_result(read(fd, data, bytes));
}

static inline ssize_t quoit__sys_write(int fd, const void *data, size_t bytes)
{
	return quoit__sys_result(write(fd, data, bytes));
}

/* Linux has let go of the fd whatever close answers: never call it twice. */
static inline int quoit__sys_close(int fd)
{
	return (int)quoit__sys_result(close(fd));
}

/* For set-up only: nothing that serves may sleep like this. */
static inline void quoit__sys_sleep(uint64_t ns)
{
	const struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000u),
				       .tv_nsec = (long)(ns % 1000000000u)};
	(void)nanosleep(&pause, NULL); /* a signal may shorten it: the caller tries again anyway */
}

static inline void quoit__sys_yield(void)
{
	(void)sched_yield(); /* cannot fail on Linux */
}

/* Until a time of the monotonic clock, or a signal. */
static inline void quoit__sys_sleep_until(uint64_t at_ns)
{
	const struct timespec until = quoit__sys_timespec(at_ns);

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/*
 * Sleep while *word is `expected`, until woken or until a time of the monotonic clock (0: none).
 * Threads of this process only. -EAGAIN: it is something else already; -ETIMEDOUT; -EINTR.
 */
static inline int quoit__sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
	const struct timespec until = quoit__sys_timespec(deadline_ns);

	/* WAIT_BITSET takes an absolute time, and CLOCK_MONOTONIC unless told otherwise. */
	return (int)quoit__sys_result(
		syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
			deadline_ns ? &until : NULL, NULL, FUTEX_BITSET_MATCH_ANY));
}

/* Gives how many it woke. */
static inline int quoit__sys_futex_wake(uint32_t *word, int most)
{
	return (int)quoit__sys_result(
		syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, (long)most));
}

/*
 * Let the kernel write a 32-bit word once more, in one step, so that its page is there: -EFAULT
 * where it may not be written, or is not, and no signal. Whoever else writes it loses nothing.
 */
static inline int quoit__sys_touch(void *word)
{
	uint32_t nobody = 0;

	/*
	 * `word |= 0`, and then one who sleeps on `nobody` is woken; one who sleeps on `word` only
	 * if that was below -2048, as if by chance, which all who sleep on futexes have to expect.
	 */
	return (int)quoit__sys_result(
		syscall(SYS_futex, &nobody, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0L, 0L, word,
			(long)FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_LT, -2048)));
}

static inline ssize_t quoit__sys_getrandom(void *data, size_t bytes, unsigned flags)
{
	return quoit__sys_result(getrandom(data, bytes, flags));
}

/* NULL too in a program that runs with more rights than whoever started it. Not for hot paths. */
static inline const char *quoit__sys_environment(const char *name)
{
	return secure_getenv(name);
}

static inline size_t quoit__sys_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * A whole small file, ended with a NUL: its length, or -errno; -EFBIG when it does not fit into
 * `capacity` bytes with the NUL. Files below /sys and /proc do not tell their size, so read on
 * until the end. The one function here that goes on after EINTR: it has nobody to ask.
 */
static inline ssize_t quoit__sys_file_read(const char *path, char *text, size_t capacity)
{
	const int fd = quoit__sys_open(path, O_RDONLY);
	if (fd < 0)
		return fd;

	size_t length = 0;
	ssize_t got = 0;
	while (length < capacity) {
		got = quoit__sys_read(fd, text + length, capacity - length);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	quoit__sys_close(fd);
	if (got < 0)
		return got;
	if (length >= capacity)
		return -EFBIG;
	text[length] = '\0';
	return (ssize_t)length;
}

#endif
