/* SPDX-License-Identifier: MIT */
/*
 * test_rt_guard_calls.c - each double of the guard catches its function, and does what that does.
 *
 * The guard tells which doubles it has; a name without a case here is a failure. Each is called by
 * the address that dlsym() gives, as any library of the program would come by it, once in a section
 * and once outside. test_rt_guard.c calls some as the compiler does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <quoit/numa/atomic.h>

#include <numa/guard_checks.h>

/* What the cases work with: made anew for each call, so that none has to wait. */
static struct {
	char bytes[8192];
	struct iovec part;
	struct msghdr message;
	struct sockaddr_storage address;
	socklen_t address_bytes;
	struct timespec soon, past, far; /* a wait of 1 us; two times of any clock */
	struct timeval at_once;
	pthread_mutex_t mutex, held;
	pthread_cond_t cond;
	pthread_rwlock_t rwlock;
	pthread_barrier_t barrier;
	pthread_t thread, made, waker;
	mtx_t mtx, held_mtx;
	cnd_t cnd;
	thrd_t thrd;
	int thrd_result;
	sem_t sem;
	pthread_spinlock_t spin;
	pthread_once_t once;
	once_flag flag;
	int onces;
	struct sigaction action;
	size_t block_bytes;
	sigset_t signals;
	int null, zero, epoll, event, pair[2], real_out, real_err; /* descriptors */
	FILE *in, *out, *lines;
	void *block, *other, *pages, *program_break;
	eventfd_t value;
	bool joined, joined_thrd, waking;
} with;

static void *thread_worker(void *arg)
{
	return arg;
}

static int thrd_worker(void *arg)
{
	(void)arg;
	return 3;
}

/* Whoever waits for a condition is woken soon, whenever it began. */
static void *waker_worker(void *arg)
{
	(void)arg;
	while (quoit_load(&with.waking)) {
		pthread_cond_broadcast(&with.cond);
		cnd_broadcast(&with.cnd);
		usleep(100);
	}
	return NULL;
}

static void open_locks(void)
{
	pthread_mutex_init(&with.mutex, NULL);
	pthread_mutex_init(&with.held, NULL);
	pthread_cond_init(&with.cond, NULL);
	pthread_rwlock_init(&with.rwlock, NULL);
	pthread_barrier_init(&with.barrier, NULL, 1);
	sem_init(&with.sem, 0, 1);
	pthread_spin_init(&with.spin, PTHREAD_PROCESS_PRIVATE);
	assert_int_equal(mtx_init(&with.mtx, mtx_timed), thrd_success);
	assert_int_equal(mtx_init(&with.held_mtx, mtx_plain), thrd_success);
	assert_int_equal(cnd_init(&with.cnd), thrd_success);
	assert_int_equal(pthread_mutex_lock(&with.held), 0);
	assert_int_equal(mtx_lock(&with.held_mtx), thrd_success);
	with.waking = true;
	assert_int_equal(pthread_create(&with.waker, NULL, waker_worker, NULL), 0);
	assert_int_equal(pthread_create(&with.thread, NULL, thread_worker, NULL), 0);
	assert_int_equal(thrd_create(&with.thrd, thrd_worker, NULL), thrd_success);
}

/* What is printed goes nowhere. */
static void open_files(void)
{
	with.null = open("/dev/null", O_RDWR);
	with.zero = open("/dev/zero", O_RDWR);
	with.epoll = epoll_create1(0);
	with.event = eventfd(1, EFD_NONBLOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, with.pair), 0);
	with.in = fopen("/dev/zero", "r");
	with.out = fopen("/dev/null", "w");
	with.lines = fmemopen((void *)(uintptr_t) "line\nline\n", 10, "r");
	assert_true(with.null >= 0 && with.zero >= 0 && with.epoll >= 0 && with.event >= 0);
	assert_true(with.in && with.out && with.lines);
	fflush(stdout);
	fflush(stderr);
	with.real_out = dup(1);
	with.real_err = dup(2);
	assert_true(dup2(with.null, 1) == 1 && dup2(with.null, 2) == 2);
}

static void open_all(void)
{
	memset(&with, 0, sizeof(with));
	with.part = (struct iovec){with.bytes, 8};
	with.message = (struct msghdr){.msg_iov = &with.part, .msg_iovlen = 1};
	with.soon.tv_nsec = 1000;
	with.far.tv_sec = 4102444800; /* 2100 */
	with.address_bytes = sizeof(with.address);
	sigemptyset(&with.signals);
	sigaddset(&with.signals, SIGUSR2);
	with.block = malloc(16);
	with.block_bytes = 16;
	with.program_break = sbrk(0);
	with.pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(with.block && with.pages != MAP_FAILED);
	open_locks();
	open_files();
}

static void close_files(void)
{
	const int fds[] = {with.null,	 with.zero,    with.epoll,    with.event,
			   with.pair[0], with.pair[1], with.real_out, with.real_err};

	fflush(stdout);
	(void)dup2(with.real_out, 1);
	(void)dup2(with.real_err, 2);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (with.in)
		fclose(with.in);
	fclose(with.lines);
	if (with.out)
		fclose(with.out);
}

static void close_all(void)
{
	close_files();
	quoit_store(&with.waking, false);
	pthread_join(with.waker, NULL);
	if (!with.joined)
		pthread_join(with.thread, NULL);
	if (!with.joined_thrd)
		thrd_join(with.thrd, NULL);
	free(with.block);
	munmap(with.pages, 8192);
}

/* --- the cases ------------------------------------------------------------------------------- */

struct one {
	const char *name;
	bool (*call)(void *address);
	struct one *next;
};

static struct one *cases; /* they put themselves in here before main() */
static bool in_section;

static void step_in(void)
{
	if (in_section)
		quoit_rt_enter();
}

static void step_out(void)
{
	if (in_section)
		quoit_rt_exit();
}

#define REGISTER(name)                                                 \
	__attribute__((constructor)) static void register_##name(void) \
	{                                                              \
		static struct one self = {#name, call_##name, NULL};   \
                                                                       \
		self.next = cases;                                     \
		cases = &self;                                         \
	}

/* CASE(name, its type, (its parameters), (arguments), what its answer `r` must fulfil). */
#define CASE(name, type, parameters, arguments, right)                              \
	static bool call_##name(void *address)                                      \
	{                                                                           \
		type(*const f) parameters = (type(*) parameters)(uintptr_t)address; \
		type r;                                                             \
                                                                                    \
		step_in();                                                          \
		r = f arguments;                                                    \
		step_out();                                                         \
		return right;                                                       \
	}                                                                           \
	REGISTER(name)

/* The same for what gives nothing, and for what takes a list, as `v`, for "%d" of 123. */
#define CASE_VOID(name, parameters, arguments, right)                               \
	static bool call_##name(void *address)                                      \
	{                                                                           \
		void(*const f) parameters = (void(*) parameters)(uintptr_t)address; \
                                                                                    \
		step_in();                                                          \
		f arguments;                                                        \
		step_out();                                                         \
		return right;                                                       \
	}                                                                           \
	REGISTER(name)
#define CASE_LIST(name, parameters, arguments)                                    \
	static bool list_##name(void *address, ...)                               \
	{                                                                         \
		int(*const f) parameters = (int(*) parameters)(uintptr_t)address; \
		va_list v;                                                        \
		int r;                                                            \
                                                                                  \
		va_start(v, address);                                             \
		step_in();                                                        \
		r = f arguments;                                                  \
		step_out();                                                       \
		va_end(v);                                                        \
		return r == 3;                                                    \
	}                                                                         \
	static bool call_##name(void *address)                                    \
	{                                                                         \
		return list_##name(address, 123);                                 \
	}                                                                         \
	REGISTER(name)

/* What was taken is the case's to give back. */
static bool keep(void *block)
{
	free(with.block);
	with.block = block;
	return block != NULL;
}

static bool keep_pages(void *at)
{
	if (at == MAP_FAILED)
		return false;
	return !munmap(at, 4096);
}

static bool closes(int fd)
{
	return fd >= 0 && !close(fd);
}

static bool ended(pid_t child)
{
	int status = 1;

	if (!child)
		_exit(0);
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static bool is_ended(int rc)
{
	with.joined = !rc;
	return with.joined;
}

static bool closed(FILE *file)
{
	return file && !fclose(file);
}

/* Allocating. */
CASE(malloc, void *, (size_t), (8), keep(r))
CASE(calloc, void *, (size_t, size_t), (2, 4), keep(r))
CASE(realloc, void *, (void *, size_t), (with.block, 4000), (with.block = r) != NULL)
CASE_VOID(free, (void *), (with.block), (with.block = NULL, true))
CASE(aligned_alloc, void *, (size_t, size_t), (64, 64), (uintptr_t)r % 64 == 0 && keep(r))
CASE(memalign, void *, (size_t, size_t), (64, 64), (uintptr_t)r % 64 == 0 && keep(r))
CASE(posix_memalign, int, (void **, size_t, size_t), (&with.other, 64, 64), !r && keep(with.other))
CASE(valloc, void *, (size_t), (8), (uintptr_t)r % 4096 == 0 && keep(r))
CASE(pvalloc, void *, (size_t), (8), (uintptr_t)r % 4096 == 0 && keep(r))
CASE(reallocarray, void *, (void *, size_t, size_t), (with.block, 50, 50), (with.block = r) != NULL)
CASE(mmap, void *, (void *, size_t, int, int, int, off_t),
     (NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), keep_pages(r))
CASE(mmap64, void *, (void *, size_t, int, int, int, off_t),
     (NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), keep_pages(r))
CASE(munmap, int, (void *, size_t), ((char *)with.pages + 4096, 4096), !r)
CASE(mremap, void *, (void *, size_t, size_t, int, ...), (with.pages, 4096, 4096, 0),
     r == with.pages)
CASE(brk, int, (void *), (with.program_break), !r)
CASE(sbrk, void *, (intptr_t), (0), r == with.program_break)
CASE(pthread_create, int, (pthread_t *, void *, void *(*)(void *), void *),
     (&with.made, NULL, thread_worker, NULL), !r && !pthread_join(with.made, NULL))

static bool is_over(int r)
{
	return !r || r == ETIMEDOUT;
}

static void count_once(void)
{
	with.onces++;
}

/* Waiting, although none of them has to. */
CASE(pthread_mutex_lock, int, (pthread_mutex_t *), (&with.mutex), !r)
CASE(pthread_mutex_timedlock, int, (pthread_mutex_t *, const struct timespec *),
     (&with.mutex, &with.past), !r)
CASE(pthread_mutex_clocklock, int, (pthread_mutex_t *, clockid_t, const struct timespec *),
     (&with.mutex, CLOCK_MONOTONIC, &with.past), !r)
CASE(pthread_cond_wait, int, (pthread_cond_t *, pthread_mutex_t *), (&with.cond, &with.held), !r)
CASE(pthread_cond_timedwait, int, (pthread_cond_t *, pthread_mutex_t *, const struct timespec *),
     (&with.cond, &with.held, &with.past), is_over(r)) /* woken, or too late */
CASE(pthread_cond_clockwait, int,
     (pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *),
     (&with.cond, &with.held, CLOCK_MONOTONIC, &with.past), is_over(r))
CASE(pthread_rwlock_rdlock, int, (pthread_rwlock_t *), (&with.rwlock), !r)
CASE(pthread_rwlock_wrlock, int, (pthread_rwlock_t *), (&with.rwlock), !r)
CASE(pthread_rwlock_timedrdlock, int, (pthread_rwlock_t *, const struct timespec *),
     (&with.rwlock, &with.past), !r)
CASE(pthread_rwlock_timedwrlock, int, (pthread_rwlock_t *, const struct timespec *),
     (&with.rwlock, &with.past), !r)
CASE(pthread_rwlock_clockrdlock, int, (pthread_rwlock_t *, clockid_t, const struct timespec *),
     (&with.rwlock, CLOCK_MONOTONIC, &with.past), !r)
CASE(pthread_rwlock_clockwrlock, int, (pthread_rwlock_t *, clockid_t, const struct timespec *),
     (&with.rwlock, CLOCK_MONOTONIC, &with.past), !r)
CASE(pthread_spin_lock, int, (pthread_spinlock_t *), (&with.spin),
     !r && !pthread_spin_unlock(&with.spin))
CASE(pthread_once, int, (pthread_once_t *, void (*)(void)), (&with.once, count_once),
     !r && with.onces == 1)
CASE_VOID(call_once, (once_flag *, void (*)(void)), (&with.flag, count_once), with.onces == 1)
CASE(pthread_barrier_wait, int, (pthread_barrier_t *), (&with.barrier),
     r == PTHREAD_BARRIER_SERIAL_THREAD)
CASE(pthread_join, int, (pthread_t, void **), (with.thread, NULL), is_ended(r))
CASE(pthread_timedjoin_np, int, (pthread_t, void **, const struct timespec *),
     (with.thread, NULL, &with.far), is_ended(r))
CASE(pthread_clockjoin_np, int, (pthread_t, void **, clockid_t, const struct timespec *),
     (with.thread, NULL, CLOCK_REALTIME, &with.far), is_ended(r))
CASE(sem_wait, int, (sem_t *), (&with.sem), !r)
CASE(sem_timedwait, int, (sem_t *, const struct timespec *), (&with.sem, &with.past), !r)
CASE(sem_clockwait, int, (sem_t *, clockid_t, const struct timespec *),
     (&with.sem, CLOCK_MONOTONIC, &with.past), !r)
CASE(mtx_lock, int, (mtx_t *), (&with.mtx), r == thrd_success)
CASE(mtx_timedlock, int, (mtx_t *, const struct timespec *), (&with.mtx, &with.past),
     r == thrd_success)
CASE(cnd_wait, int, (cnd_t *, mtx_t *), (&with.cnd, &with.held_mtx), r == thrd_success)
CASE(cnd_timedwait, int, (cnd_t *, mtx_t *, const struct timespec *),
     (&with.cnd, &with.held_mtx, &with.past), r == thrd_timedout || r == thrd_success)
CASE(thrd_join, int, (thrd_t, int *), (with.thrd, &with.thrd_result),
     (with.joined_thrd = r == thrd_success) && with.thrd_result == 3)
CASE(thrd_sleep, int, (const struct timespec *, struct timespec *), (&with.soon, NULL), !r)
CASE(nanosleep, int, (const struct timespec *, struct timespec *), (&with.soon, NULL), !r)
CASE(clock_nanosleep, int, (clockid_t, int, const struct timespec *, struct timespec *),
     (CLOCK_MONOTONIC, 0, &with.soon, NULL), !r)
CASE(usleep, int, (useconds_t), (1), !r)
CASE(sleep, unsigned, (unsigned), (0), !r)
CASE(sched_yield, int, (void), (), !r)
CASE(poll, int, (struct pollfd *, nfds_t, int), (NULL, 0, 0), !r)
CASE(__poll_chk, int, (struct pollfd *, nfds_t, int, size_t), (NULL, 0, 0, 0), !r)
CASE(ppoll, int, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *),
     (NULL, 0, &with.soon, NULL), !r)
CASE(__ppoll_chk, int, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t),
     (NULL, 0, &with.soon, NULL, 0), !r)
CASE(select, int, (int, fd_set *, fd_set *, fd_set *, struct timeval *),
     (0, NULL, NULL, NULL, &with.at_once), !r)
CASE(pselect, int, (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *),
     (0, NULL, NULL, NULL, &with.soon, NULL), !r)
CASE(epoll_wait, int, (int, void *, int, int), (with.epoll, with.bytes, 1, 0), !r)
CASE(epoll_pwait, int, (int, void *, int, int, const sigset_t *),
     (with.epoll, with.bytes, 1, 0, NULL), !r)
CASE(sigtimedwait, int, (const sigset_t *, siginfo_t *, const struct timespec *),
     (&with.signals, NULL, &with.past), r == -1 && errno == EAGAIN)
CASE(waitpid, pid_t, (pid_t, int *, int), (-1, NULL, WNOHANG), r == -1 && errno == ECHILD)

/* Printing. */
CASE(printf, int, (const char *, ...), ("%d", 123), r == 3)
CASE(__printf_chk, int, (int, const char *, ...), (1, "%d", 123), r == 3)
CASE(fprintf, int, (FILE *, const char *, ...), (with.out, "%d", 123), r == 3)
CASE(__fprintf_chk, int, (FILE *, int, const char *, ...), (with.out, 1, "%d", 123), r == 3)
CASE(dprintf, int, (int, const char *, ...), (with.null, "%d", 123), r == 3)
CASE(__dprintf_chk, int, (int, int, const char *, ...), (with.null, 1, "%d", 123), r == 3)
CASE_LIST(vprintf, (const char *, va_list), ("%d", v))
CASE_LIST(__vprintf_chk, (int, const char *, va_list), (1, "%d", v))
CASE_LIST(vfprintf, (FILE *, const char *, va_list), (with.out, "%d", v))
CASE_LIST(__vfprintf_chk, (FILE *, int, const char *, va_list), (with.out, 1, "%d", v))
CASE_LIST(vdprintf, (int, const char *, va_list), (with.null, "%d", v))
CASE_LIST(__vdprintf_chk, (int, int, const char *, va_list), (with.null, 1, "%d", v))
CASE(puts, int, (const char *), ("x"), r >= 0)
CASE(putchar, int, (int), ('x'), r == 'x')
CASE(fputs, int, (const char *, FILE *), ("x", with.out), r >= 0)
CASE(fputc, int, (int, FILE *), ('x', with.out), r == 'x')
CASE(putc, int, (int, FILE *), ('x', with.out), r == 'x')
CASE(putchar_unlocked, int, (int), ('x'), r == 'x')
CASE(fputs_unlocked, int, (const char *, FILE *), ("x", with.out), r >= 0)
CASE(fputc_unlocked, int, (int, FILE *), ('x', with.out), r == 'x')
CASE(putc_unlocked, int, (int, FILE *), ('x', with.out), r == 'x')
CASE(fwrite_unlocked, size_t, (const void *, size_t, size_t, FILE *), ("x", 1, 1, with.out), r == 1)
CASE_VOID(flockfile, (FILE *), (with.out), (funlockfile(with.out), true))
CASE(fwrite, size_t, (const void *, size_t, size_t, FILE *), ("x", 1, 1, with.out), r == 1)
CASE(fread, size_t, (void *, size_t, size_t, FILE *), (with.bytes, 1, 8, with.in), r == 8)
CASE(fgets, char *, (char *, int, FILE *), (with.bytes, 8, with.in), r == with.bytes)
CASE(fgetc, int, (FILE *), (with.in), r == 0)
CASE(getc, int, (FILE *), (with.in), r == 0)
CASE(__fread_chk, size_t, (void *, size_t, size_t, size_t, FILE *), (with.bytes, 8, 1, 8, with.in),
     r == 8)
CASE(fread_unlocked, size_t, (void *, size_t, size_t, FILE *), (with.bytes, 1, 8, with.in), r == 8)
CASE(__fgets_chk, char *, (char *, size_t, int, FILE *), (with.bytes, 8, 8, with.in),
     r == with.bytes)
CASE(fgets_unlocked, char *, (char *, int, FILE *), (with.bytes, 8, with.in), r == with.bytes)
CASE(fgetc_unlocked, int, (FILE *), (with.in), r == 0)
CASE(getc_unlocked, int, (FILE *), (with.in), r == 0)
CASE(getline, ssize_t, (void **, size_t *, FILE *), (&with.block, &with.block_bytes, with.lines),
     r == 5)
CASE(getdelim, ssize_t, (void **, size_t *, int, FILE *),
     (&with.block, &with.block_bytes, 'n', with.lines), r == 3)
CASE(ungetc, int, (int, FILE *), ('x', with.in), r == 'x')
CASE(fseek, int, (FILE *, long, int), (with.lines, 5, SEEK_SET), !r && ftell(with.lines) == 5)
CASE(fseeko, int, (FILE *, off_t, int), (with.lines, 5, SEEK_SET), !r && ftell(with.lines) == 5)
CASE_VOID(rewind, (FILE *), (with.lines), ftell(with.lines) == 0)
CASE(setvbuf, int, (FILE *, char *, int, size_t), (with.out, NULL, _IONBF, 0), !r)
CASE(fopen, FILE *, (const char *, const char *), ("/dev/null", "r"), closed(r))
CASE(fopen64, FILE *, (const char *, const char *), ("/dev/null", "r"), closed(r))
CASE(fclose, int, (FILE *), (with.out), (with.out = NULL, !r))
CASE(fflush, int, (FILE *), (with.out), !r)
CASE_VOID(perror, (const char *), ("x"), true)

/* Other system calls. */
CASE(fork, pid_t, (void), (), ended(r))
CASE(read, ssize_t, (int, void *, size_t), (with.zero, with.bytes, 8), r == 8)
CASE(__read_chk, ssize_t, (int, void *, size_t, size_t), (with.zero, with.bytes, 8, 8), r == 8)
CASE(pread, ssize_t, (int, void *, size_t, off_t), (with.zero, with.bytes, 8, 0), r == 8)
CASE(pread64, ssize_t, (int, void *, size_t, off_t), (with.zero, with.bytes, 8, 0), r == 8)
CASE(readv, ssize_t, (int, const struct iovec *, int), (with.zero, &with.part, 1), r == 8)
CASE(write, ssize_t, (int, const void *, size_t), (with.null, with.bytes, 8), r == 8)
CASE(pwrite, ssize_t, (int, const void *, size_t, off_t), (with.null, with.bytes, 8, 0), r == 8)
CASE(pwrite64, ssize_t, (int, const void *, size_t, off_t), (with.null, with.bytes, 8, 0), r == 8)
CASE(writev, ssize_t, (int, const struct iovec *, int), (with.null, &with.part, 1), r == 8)
CASE(open, int, (const char *, int, ...), ("/dev/null", O_RDONLY), closes(r))
CASE(open64, int, (const char *, int, ...), ("/dev/null", O_RDONLY), closes(r))
CASE(openat, int, (int, const char *, int, ...), (AT_FDCWD, "/dev/null", O_RDONLY), closes(r))
CASE(openat64, int, (int, const char *, int, ...), (AT_FDCWD, "/dev/null", O_RDONLY), closes(r))
CASE(close, int, (int), (with.zero), (with.zero = -1, !r))
CASE(fcntl, int, (int, int, ...), (with.null, F_DUPFD, 100), r >= 100 && closes(r))
CASE(fcntl64, int, (int, int, ...), (with.null, F_DUPFD, 100), r >= 100 && closes(r))
CASE(ioctl, int, (int, unsigned long, ...), (with.null, 0, with.bytes), r == -1 && errno == ENOTTY)
CASE(fsync, int, (int), (with.null), r == -1 && errno == EINVAL)
CASE(fdatasync, int, (int), (with.null), r == -1 && errno == EINVAL)
CASE(send, ssize_t, (int, const void *, size_t, int), (with.pair[0], with.bytes, 8, 0), r == 8)
CASE(sendto, ssize_t, (int, const void *, size_t, int, const void *, socklen_t),
     (with.pair[0], with.bytes, 8, 0, NULL, 0), r == 8)
CASE(sendmsg, ssize_t, (int, const struct msghdr *, int), (with.pair[0], &with.message, 0), r == 8)
CASE(recv, ssize_t, (int, void *, size_t, int), (with.pair[1], with.bytes, 8, 0), r == -1)
CASE(__recv_chk, ssize_t, (int, void *, size_t, size_t, int), (with.pair[1], with.bytes, 8, 8, 0),
     r == -1 && errno == EAGAIN)
CASE(recvfrom, ssize_t, (int, void *, size_t, int, void *, socklen_t *),
     (with.pair[1], with.bytes, 8, 0, &with.address, &with.address_bytes),
     r == -1 && errno == EAGAIN)
CASE(recvmsg, ssize_t, (int, struct msghdr *, int), (with.pair[1], &with.message, 0),
     r == -1 && errno == EAGAIN)
CASE(connect, int, (int, const void *, socklen_t), (-1, &with.address, 0),
     r == -1 && errno == EBADF)
CASE(accept, int, (int, void *, socklen_t *), (-1, &with.address, &with.address_bytes),
     r == -1 && errno == EBADF)
CASE(accept4, int, (int, void *, socklen_t *, int), (-1, &with.address, &with.address_bytes, 0),
     r == -1 && errno == EBADF)
CASE(eventfd_read, int, (int, eventfd_t *), (with.event, &with.value), !r && with.value == 1)
CASE(eventfd_write, int, (int, eventfd_t), (with.event, 1), !r)
CASE(epoll_ctl, int, (int, int, int, void *), (with.epoll, EPOLL_CTL_DEL, with.event, NULL),
     r == -1 && errno == ENOENT)
CASE(mprotect, int, (void *, size_t, int), (with.pages, 4096, PROT_READ), !r)
CASE(madvise, int, (void *, size_t, int), (with.pages, 4096, MADV_NORMAL), !r)
CASE(prctl, int, (int, ...), (PR_GET_DUMPABLE), r >= 0)
CASE(syscall, long, (long, ...), (SYS_getppid), r > 0)
CASE(sigaction, int, (int, const struct sigaction *, struct sigaction *),
     (SIGUSR2, NULL, &with.action), !r && !with.action.sa_handler)

/* --- all of them ----------------------------------------------------------------------------- */

static const struct one *find(const char *name)
{
	for (const struct one *at = cases; at; at = at->next)
		if (!strcmp(at->name, name))
			return at;
	return NULL;
}

static const struct quoit_rt_guard_options only_calls = {.ignores_faults = true,
							 .ignores_sleeps = true};

/* Run it at that address, and say how often something was caught. */
static unsigned run_at(void *address, const struct one *one, bool inside,
		       struct quoit_rt_guard_options options)
{
	bool right;

	if (!address)
		fail_msg("%s is nowhere", one->name);
	count_breaches_with(options);
	open_all();
	in_section = inside;
	errno = 0;
	right = one->call(address);
	in_section = false;
	close_all();
	if (!right)
		fail_msg("%s does not do what it should", one->name);
	return told.times;
}

static unsigned run(const struct one *one, bool inside)
{
	return run_at(dlsym(RTLD_DEFAULT, one->name), one, inside, only_calls);
}

static void each_double_is_caught_in_a_section_and_does_its_work(void **state)
{
	const char *name;
	size_t i;

	(void)state;
	for (i = 0; (name = quoit_rt_guard_name(i)); i++) {
		const struct one *const one = find(name);

		if (!one)
			fail_msg("there is no case for %s", name);
		if (run(one, true) != 1)
			fail_msg("%s was caught %u times", name, told.times);
		assert_string_equal(told.last.what, name);
	}
	assert_null(quoit_rt_guard_name(i + 1));
	print_message("%zu doubles\n", i);
	for (const struct one *at = cases; at; at = at->next)
		i--;
	assert_int_equal(i, 0);
}

static void outside_of_a_section_none_is_caught_and_each_does_its_work(void **state)
{
	(void)state;
	for (const struct one *at = cases; at; at = at->next)
		if (run(at, false))
			fail_msg("%s was caught", at->name);
}

/* Those that are one system call, whose number the kernel knows. */
static const char *const single[] = {
	"mmap",	     "mmap64",	     "munmap",	   "mremap",	  "nanosleep",	"clock_nanosleep",
	"usleep",    "sleep",	     "thrd_sleep", "sched_yield", "poll",	"__poll_chk",
	"ppoll",     "__ppoll_chk",  "select",	   "pselect",	  "epoll_wait", "epoll_pwait",
	"epoll_ctl", "sigtimedwait", "waitpid",	   "read",	  "__read_chk", "eventfd_read",
	"pread",     "pread64",	     "readv",	   "write",	  "pwrite",	"eventfd_write",
	"pwrite64",  "writev",	     "open",	   "open64",	  "openat",	"openat64",
	"close",     "fcntl",	     "fcntl64",	   "ioctl",	  "fsync",	"fdatasync",
	"send",	     "sendto",	     "sendmsg",	   "recv",	  "__recv_chk", "recvfrom",
	"recvmsg",   "connect",	     "accept",	   "accept4",	  "mprotect",	"madvise",
	"prctl",     "sigaction",    "syscall",	   "fork",
};

static void a_double_of_a_permitted_system_call_is_none(void **state)
{
	struct quoit_rt_guard_options options = only_calls;
	struct quoit_rt_guard_counts counts;
	long number;

	(void)state;
	NEEDS_THE_KERNEL();
	options.permitted = &number;
	options.permitted_count = 1;
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		const struct one *const one = find(single[i]);

		assert_non_null(one);
		/* What is behind the double, so that the kernel tells. */
		if (run_at(dlsym(RTLD_NEXT, one->name), one, true, only_calls) != 1)
			fail_msg("%s is %u system calls", one->name, told.times);
		number = told.last.system_call;
		if (run_at(dlsym(RTLD_DEFAULT, one->name), one, true, options))
			fail_msg("%s is not %ld for the guard", one->name, number);
		quoit_rt_guard_read(&counts);
		assert_int_equal(counts.permitted, 1);
	}
}

/* What a library calls for itself comes by the doubles, too. */
static void what_libc_allocates_by_itself_is_caught(void **state)
{
	char *text = NULL;
	int length;

	(void)state;
	count_breaches_with(only_calls);
	quoit_rt_enter();
	length = asprintf(&text, "%d", 123);
	quoit_rt_exit();
	assert_int_equal(length, 3);
	assert_string_equal(text, "123");
	free(text);
	assert_true(told.times >= 1);
	assert_int_equal(told.times, breaches_of(QUOIT_BREACH_ALLOCATES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_double_is_caught_in_a_section_and_does_its_work),
		cmocka_unit_test(outside_of_a_section_none_is_caught_and_each_does_its_work),
		cmocka_unit_test(a_double_of_a_permitted_system_call_is_none),
		cmocka_unit_test(what_libc_allocates_by_itself_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
