/* SPDX-License-Identifier: MIT */
/*
 * rt_guard_calls.c - doubles of what allocates, waits, prints or enters the kernel by libc's name.
 *
 * A table, and few functions for what takes any number of arguments. As in rt_guard_memory.c each
 * is a function of ours that bears libc's name for the linker alone; pointers are `void *` to it,
 * whatever they point at. It looks whether it is in a section, and then calls what is behind it.
 *
 * Not here: what only gives back or tries (pthread_mutex_unlock, sem_post), which enters the kernel
 * when somebody waits, and is then seen by the kernel; and what has no business in any section but
 * is seen there all the same.
 */
#include <quoit/numa/rt_guard_internal.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/types.h>

#define ALLOCATES QUOIT_BREACH_ALLOCATES
#define BLOCKS	  QUOIT_BREACH_BLOCKS
#define PRINTS	  QUOIT_BREACH_PRINTS
#define CALLS	  QUOIT_BREACH_CALLS

/* CALL(kind, type, name, (parameters), (arguments)), and the same for what gives nothing. */
#define CALL_TABLE(CALL, VOID_CALL)                                                                \
	CALL(ALLOCATES, void *, aligned_alloc, (size_t a, size_t n), (a, n))                       \
	CALL(ALLOCATES, void *, memalign, (size_t a, size_t n), (a, n))                            \
	CALL(ALLOCATES, int, posix_memalign, (void **p, size_t a, size_t n), (p, a, n))            \
	CALL(ALLOCATES, void *, valloc, (size_t n), (n))                                           \
	CALL(ALLOCATES, void *, pvalloc, (size_t n), (n))                                          \
	CALL(ALLOCATES, void *, reallocarray, (void *p, size_t n, size_t m), (p, n, m))            \
	CALL(ALLOCATES, void *, mmap, (void *p, size_t n, int a, int b, int fd, off_t o),          \
	     (p, n, a, b, fd, o))                                                                  \
	CALL(ALLOCATES, void *, mmap64, (void *p, size_t n, int a, int b, int fd, off_t o),        \
	     (p, n, a, b, fd, o))                                                                  \
	CALL(ALLOCATES, int, munmap, (void *p, size_t n), (p, n))                                  \
	CALL(ALLOCATES, int, brk, (void *p), (p))                                                  \
	CALL(ALLOCATES, void *, sbrk, (intptr_t n), (n))                                           \
	CALL(ALLOCATES, int, pthread_create, (void *t, void *a, void *f, void *x), (t, a, f, x))   \
	CALL(BLOCKS, int, pthread_mutex_lock, (void *m), (m))                                      \
	CALL(BLOCKS, int, pthread_mutex_timedlock, (void *m, void *t), (m, t))                     \
	CALL(BLOCKS, int, pthread_mutex_clocklock, (void *m, int c, void *t), (m, c, t))           \
	CALL(BLOCKS, int, pthread_cond_wait, (void *c, void *m), (c, m))                           \
	CALL(BLOCKS, int, pthread_cond_timedwait, (void *c, void *m, void *t), (c, m, t))          \
	CALL(BLOCKS, int, pthread_cond_clockwait, (void *c, void *m, int k, void *t),              \
	     (c, m, k, t))                                                                         \
	CALL(BLOCKS, int, pthread_rwlock_rdlock, (void *l), (l))                                   \
	CALL(BLOCKS, int, pthread_rwlock_wrlock, (void *l), (l))                                   \
	CALL(BLOCKS, int, pthread_rwlock_timedrdlock, (void *l, void *t), (l, t))                  \
	CALL(BLOCKS, int, pthread_rwlock_timedwrlock, (void *l, void *t), (l, t))                  \
	CALL(BLOCKS, int, pthread_rwlock_clockrdlock, (void *l, int c, void *t), (l, c, t))        \
	CALL(BLOCKS, int, pthread_rwlock_clockwrlock, (void *l, int c, void *t), (l, c, t))        \
	CALL(BLOCKS, int, pthread_spin_lock, (void *l), (l))                                       \
	CALL(BLOCKS, int, pthread_once, (void *o, void *f), (o, f))                                \
	VOID_CALL(BLOCKS, call_once, (void *o, void *f), (o, f))                                   \
	CALL(BLOCKS, int, pthread_barrier_wait, (void *b), (b))                                    \
	CALL(BLOCKS, int, pthread_join, (unsigned long t, void **p), (t, p))                       \
	CALL(BLOCKS, int, pthread_timedjoin_np, (unsigned long t, void **p, void *w), (t, p, w))   \
	CALL(BLOCKS, int, pthread_clockjoin_np, (unsigned long t, void **p, int c, void *w),       \
	     (t, p, c, w))                                                                         \
	CALL(BLOCKS, int, sem_wait, (void *s), (s))                                                \
	CALL(BLOCKS, int, sem_timedwait, (void *s, void *t), (s, t))                               \
	CALL(BLOCKS, int, sem_clockwait, (void *s, int c, void *t), (s, c, t))                     \
	CALL(BLOCKS, int, mtx_lock, (void *m), (m))                                                \
	CALL(BLOCKS, int, mtx_timedlock, (void *m, void *t), (m, t))                               \
	CALL(BLOCKS, int, cnd_wait, (void *c, void *m), (c, m))                                    \
	CALL(BLOCKS, int, cnd_timedwait, (void *c, void *m, void *t), (c, m, t))                   \
	CALL(BLOCKS, int, thrd_join, (unsigned long t, int *p), (t, p))                            \
	CALL(BLOCKS, int, thrd_sleep, (void *t, void *r), (t, r))                                  \
	VOID_CALL(BLOCKS, flockfile, (void *s), (s))                                               \
	CALL(BLOCKS, int, nanosleep, (void *t, void *r), (t, r))                                   \
	CALL(BLOCKS, int, clock_nanosleep, (int c, int f, void *t, void *r), (c, f, t, r))         \
	CALL(BLOCKS, int, usleep, (unsigned n), (n))                                               \
	CALL(BLOCKS, unsigned, sleep, (unsigned n), (n))                                           \
	CALL(BLOCKS, int, sched_yield, (void), ())                                                 \
	CALL(BLOCKS, int, poll, (void *p, unsigned long n, int t), (p, n, t))                      \
	CALL(BLOCKS, int, __poll_chk, (void *p, unsigned long n, int t, size_t s), (p, n, t, s))   \
	CALL(BLOCKS, int, ppoll, (void *p, unsigned long n, void *t, void *m), (p, n, t, m))       \
	CALL(BLOCKS, int, __ppoll_chk, (void *p, unsigned long n, void *t, void *m, size_t s),     \
	     (p, n, t, m, s))                                                                      \
	CALL(BLOCKS, int, select, (int n, void *r, void *w, void *x, void *t), (n, r, w, x, t))    \
	CALL(BLOCKS, int, pselect, (int n, void *r, void *w, void *x, void *t, void *m),           \
	     (n, r, w, x, t, m))                                                                   \
	CALL(BLOCKS, int, epoll_wait, (int e, void *p, int n, int t), (e, p, n, t))                \
	CALL(BLOCKS, int, epoll_pwait, (int e, void *p, int n, int t, void *m), (e, p, n, t, m))   \
	CALL(BLOCKS, int, sigtimedwait, (void *s, void *i, void *t), (s, i, t))                    \
	CALL(BLOCKS, pid_t, waitpid, (pid_t p, int *s, int o), (p, s, o))                          \
	CALL(CALLS, pid_t, fork, (void), ())                                                       \
	CALL(CALLS, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))                        \
	CALL(CALLS, ssize_t, __read_chk, (int fd, void *p, size_t n, size_t s), (fd, p, n, s))     \
	CALL(CALLS, ssize_t, pread, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))           \
	CALL(CALLS, ssize_t, pread64, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))         \
	CALL(CALLS, ssize_t, readv, (int fd, void *p, int n), (fd, p, n))                          \
	CALL(CALLS, ssize_t, write, (int fd, void *p, size_t n), (fd, p, n))                       \
	CALL(CALLS, ssize_t, pwrite, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))          \
	CALL(CALLS, ssize_t, pwrite64, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))        \
	CALL(CALLS, ssize_t, writev, (int fd, void *p, int n), (fd, p, n))                         \
	CALL(CALLS, int, close, (int fd), (fd))                                                    \
	CALL(CALLS, int, fsync, (int fd), (fd))                                                    \
	CALL(CALLS, int, fdatasync, (int fd), (fd))                                                \
	CALL(CALLS, ssize_t, send, (int fd, void *p, size_t n, int f), (fd, p, n, f))              \
	CALL(CALLS, ssize_t, sendto, (int fd, void *p, size_t n, int f, void *a, unsigned l),      \
	     (fd, p, n, f, a, l))                                                                  \
	CALL(CALLS, ssize_t, sendmsg, (int fd, void *m, int f), (fd, m, f))                        \
	CALL(CALLS, ssize_t, recv, (int fd, void *p, size_t n, int f), (fd, p, n, f))              \
	CALL(CALLS, ssize_t, __recv_chk, (int fd, void *p, size_t n, size_t s, int f),             \
	     (fd, p, n, s, f))                                                                     \
	CALL(CALLS, ssize_t, recvfrom, (int fd, void *p, size_t n, int f, void *a, void *l),       \
	     (fd, p, n, f, a, l))                                                                  \
	CALL(CALLS, ssize_t, recvmsg, (int fd, void *m, int f), (fd, m, f))                        \
	CALL(CALLS, int, connect, (int fd, void *a, unsigned l), (fd, a, l))                       \
	CALL(CALLS, int, accept, (int fd, void *a, void *l), (fd, a, l))                           \
	CALL(CALLS, int, accept4, (int fd, void *a, void *l, int f), (fd, a, l, f))                \
	CALL(CALLS, int, eventfd_read, (int fd, void *v), (fd, v))                                 \
	CALL(CALLS, int, eventfd_write, (int fd, uint64_t v), (fd, v))                             \
	CALL(CALLS, int, epoll_ctl, (int e, int o, int fd, void *p), (e, o, fd, p))                \
	CALL(CALLS, int, mprotect, (void *p, size_t n, int a), (p, n, a))                          \
	CALL(CALLS, int, madvise, (void *p, size_t n, int a), (p, n, a))                           \
	CALL(PRINTS, int, vprintf, (const char *f, va_list v), (f, v))                             \
	CALL(PRINTS, int, __vprintf_chk, (int k, const char *f, va_list v), (k, f, v))             \
	CALL(PRINTS, int, vfprintf, (void *s, const char *f, va_list v), (s, f, v))                \
	CALL(PRINTS, int, __vfprintf_chk, (void *s, int k, const char *f, va_list v),              \
	     (s, k, f, v))                                                                         \
	CALL(PRINTS, int, vdprintf, (int fd, const char *f, va_list v), (fd, f, v))                \
	CALL(PRINTS, int, __vdprintf_chk, (int fd, int k, const char *f, va_list v),               \
	     (fd, k, f, v))                                                                        \
	CALL(PRINTS, int, puts, (const char *t), (t))                                              \
	CALL(PRINTS, int, putchar, (int c), (c))                                                   \
	CALL(PRINTS, int, fputs, (const char *t, void *s), (t, s))                                 \
	CALL(PRINTS, int, fputc, (int c, void *s), (c, s))                                         \
	CALL(PRINTS, int, putc, (int c, void *s), (c, s))                                          \
	CALL(PRINTS, int, putchar_unlocked, (int c), (c))                                          \
	CALL(PRINTS, int, fputs_unlocked, (const char *t, void *s), (t, s))                        \
	CALL(PRINTS, int, fputc_unlocked, (int c, void *s), (c, s))                                \
	CALL(PRINTS, int, putc_unlocked, (int c, void *s), (c, s))                                 \
	CALL(PRINTS, size_t, fwrite, (const void *p, size_t n, size_t m, void *s), (p, n, m, s))   \
	CALL(PRINTS, size_t, fwrite_unlocked, (const void *p, size_t n, size_t m, void *s),        \
	     (p, n, m, s))                                                                         \
	CALL(PRINTS, size_t, fread, (void *p, size_t n, size_t m, void *s), (p, n, m, s))          \
	CALL(PRINTS, size_t, __fread_chk, (void *p, size_t b, size_t n, size_t m, void *s),        \
	     (p, b, n, m, s))                                                                      \
	CALL(PRINTS, size_t, fread_unlocked, (void *p, size_t n, size_t m, void *s), (p, n, m, s)) \
	CALL(PRINTS, char *, fgets, (char *p, int n, void *s), (p, n, s))                          \
	CALL(PRINTS, char *, __fgets_chk, (char *p, size_t b, int n, void *s), (p, b, n, s))       \
	CALL(PRINTS, char *, fgets_unlocked, (char *p, int n, void *s), (p, n, s))                 \
	CALL(PRINTS, ssize_t, getline, (char **p, size_t *n, void *s), (p, n, s))                  \
	CALL(PRINTS, ssize_t, getdelim, (char **p, size_t *n, int c, void *s), (p, n, c, s))       \
	CALL(PRINTS, int, fgetc, (void *s), (s))                                                   \
	CALL(PRINTS, int, getc, (void *s), (s))                                                    \
	CALL(PRINTS, int, fgetc_unlocked, (void *s), (s))                                          \
	CALL(PRINTS, int, getc_unlocked, (void *s), (s))                                           \
	CALL(PRINTS, int, ungetc, (int c, void *s), (c, s))                                        \
	CALL(PRINTS, int, fseek, (void *s, long o, int w), (s, o, w))                              \
	CALL(PRINTS, int, fseeko, (void *s, off_t o, int w), (s, o, w))                            \
	VOID_CALL(PRINTS, rewind, (void *s), (s))                                                  \
	CALL(PRINTS, int, setvbuf, (void *s, char *p, int m, size_t n), (s, p, m, n))              \
	CALL(PRINTS, void *, fopen, (const char *p, const char *m), (p, m))                        \
	CALL(PRINTS, void *, fopen64, (const char *p, const char *m), (p, m))                      \
	CALL(PRINTS, int, fclose, (void *s), (s))                                                  \
	CALL(PRINTS, int, fflush, (void *s), (s))                                                  \
	VOID_CALL(PRINTS, perror, (const char *t), (t))

/* The same for those that have functions below. */
#define SPECIAL_TABLE(NAME) \
	NAME(printf)        \
	NAME(__printf_chk)  \
	NAME(fprintf)       \
	NAME(__fprintf_chk) \
	NAME(dprintf)       \
	NAME(__dprintf_chk) \
	NAME(open)          \
	NAME(open64)        \
	NAME(openat)        \
	NAME(openat64)      \
	NAME(fcntl) NAME(fcntl64) NAME(ioctl) NAME(mremap) NAME(prctl) NAME(syscall) NAME(sigaction)

#define INDEX(kind, type, name, parameters, arguments) INDEX_##name,
#define VOID_INDEX(kind, name, parameters, arguments)  INDEX_##name,
#define PLAIN_INDEX(name)			       INDEX_##name,
enum {
	CALL_TABLE(INDEX, VOID_INDEX) SPECIAL_TABLE(PLAIN_INDEX) FUNCTIONS
};

#define NAME(kind, type, name, parameters, arguments) #name,
#define VOID_NAME(kind, name, parameters, arguments)  #name,
#define PLAIN_NAME(name)			      #name,
const char *const quoit__rt_call_names[FUNCTIONS + 1] = {CALL_TABLE(NAME, VOID_NAME)
								 SPECIAL_TABLE(PLAIN_NAME) NULL};

static void *known[FUNCTIONS];

/* --- permitted system calls ------------------------------------------------------------------ */

/* The kernel of newer machines has only the more general ones. */
#ifdef SYS_poll
#define NUMBER_poll	  SYS_poll
#define NUMBER_epoll_wait SYS_epoll_wait
#else
#define NUMBER_poll	  SYS_ppoll
#define NUMBER_epoll_wait SYS_epoll_pwait
#endif

/* Functions that are one system call and nothing else. With 1 added: the rest have 0. */
#define IS(name, number) [INDEX_##name] = (number) + 1
static const long numbers[FUNCTIONS] = {
	IS(mmap, SYS_mmap),
	IS(mmap64, SYS_mmap),
	IS(munmap, SYS_munmap),
	IS(mremap, SYS_mremap),
	IS(nanosleep, SYS_clock_nanosleep),
	IS(clock_nanosleep, SYS_clock_nanosleep),
	IS(usleep, SYS_clock_nanosleep),
	IS(sleep, SYS_clock_nanosleep),
	IS(thrd_sleep, SYS_clock_nanosleep),
	IS(sched_yield, SYS_sched_yield),
	IS(poll, NUMBER_poll),
	IS(__poll_chk, NUMBER_poll),
	IS(ppoll, SYS_ppoll),
	IS(__ppoll_chk, SYS_ppoll),
	IS(select, SYS_pselect6),
	IS(pselect, SYS_pselect6),
	IS(epoll_wait, NUMBER_epoll_wait),
	IS(epoll_pwait, SYS_epoll_pwait),
	IS(epoll_ctl, SYS_epoll_ctl),
	IS(sigtimedwait, SYS_rt_sigtimedwait),
	IS(waitpid, SYS_wait4),
	IS(fork, SYS_clone),
	IS(read, SYS_read),
	IS(__read_chk, SYS_read),
	IS(eventfd_read, SYS_read),
	IS(pread, SYS_pread64),
	IS(pread64, SYS_pread64),
	IS(readv, SYS_readv),
	IS(write, SYS_write),
	IS(eventfd_write, SYS_write),
	IS(pwrite, SYS_pwrite64),
	IS(pwrite64, SYS_pwrite64),
	IS(writev, SYS_writev),
	IS(open, SYS_openat),
	IS(open64, SYS_openat),
	IS(openat, SYS_openat),
	IS(openat64, SYS_openat),
	IS(close, SYS_close),
	IS(fcntl, SYS_fcntl),
	IS(fcntl64, SYS_fcntl),
	IS(ioctl, SYS_ioctl),
	IS(fsync, SYS_fsync),
	IS(fdatasync, SYS_fdatasync),
	IS(send, SYS_sendto),
	IS(sendto, SYS_sendto),
	IS(sendmsg, SYS_sendmsg),
	IS(recv, SYS_recvfrom),
	IS(__recv_chk, SYS_recvfrom),
	IS(recvfrom, SYS_recvfrom),
	IS(recvmsg, SYS_recvmsg),
	IS(connect, SYS_connect),
	IS(accept, SYS_accept),
	IS(accept4, SYS_accept4),
	IS(mprotect, SYS_mprotect),
	IS(madvise, SYS_madvise),
	IS(prctl, SYS_prctl),
	IS(sigaction, SYS_rt_sigaction),
};

/* --- what each does -------------------------------------------------------------------------- */

enum way {
	FREE,	   /* in no section */
	PERMITTED, /* a hole is open for it */
	CAUGHT,	   /* the same, and it was told of */
};

/* Part of each double, so that who calls the guard is the double. `told`: the number, or -1. */
QUOIT_HOT enum way ask(enum quoit_breach kind, unsigned index, long number, long told)
{
	if (quoit_likely(!quoit__rt_inside()))
		return FREE;
	if (number >= 0 && quoit__rt_permitted_begin(number))
		return PERMITTED;
	(void)quoit__rt_caught(kind, quoit__rt_call_names[index], told);
	return CAUGHT;
}

static void go_on(enum way way)
{
	if (way == PERMITTED)
		quoit__rt_permitted_end();
	else if (way == CAUGHT)
		quoit__rt_go_on();
}

#define BEHIND(name)	quoit__rt_behind(&known[INDEX_##name], #name)
#define ASK(kind, name) ask(kind, INDEX_##name, numbers[INDEX_##name] - 1, -1)

/* Looked up in the hole, because looking up allocates. */
#define DEFINE(kind, type, name, parameters, arguments)                                     \
	type quoit__rt_do_##name parameters __asm__(#name);                                 \
	type quoit__rt_do_##name parameters                                                 \
	{                                                                                   \
		const enum way way = ASK(kind, name);                                       \
		type(*const real) parameters = (type(*) parameters)(uintptr_t)BEHIND(name); \
		type answer;                                                                \
                                                                                            \
		if (quoit_likely(way == FREE))                                              \
			return real arguments;                                              \
		answer = real arguments;                                                    \
		go_on(way);                                                                 \
		return answer;                                                              \
	}
#define VOID_DEFINE(kind, name, parameters, arguments)                                      \
	void quoit__rt_do_##name parameters __asm__(#name);                                 \
	void quoit__rt_do_##name parameters                                                 \
	{                                                                                   \
		const enum way way = ASK(kind, name);                                       \
		void(*const real) parameters = (void(*) parameters)(uintptr_t)BEHIND(name); \
                                                                                            \
		real arguments;                                                             \
		go_on(way);                                                                 \
	}

CALL_TABLE(DEFINE, VOID_DEFINE)

/* --- any number of arguments ----------------------------------------------------------------- */

/* PRINT(name, its `v`, (what that takes), (what it takes), last of them, (arguments of the `v`)) */
#define PRINT(name, with_list, parameters, variadic, last, arguments)                          \
	int quoit__rt_do_##name variadic __asm__(#name);                                       \
	int quoit__rt_do_##name variadic                                                       \
	{                                                                                      \
		const enum way way = ASK(PRINTS, name);                                        \
		int(*const real) parameters = (int(*) parameters)(uintptr_t)BEHIND(with_list); \
		va_list v;                                                                     \
		int answer;                                                                    \
                                                                                               \
		va_start(v, last);                                                             \
		answer = real arguments;                                                       \
		va_end(v);                                                                     \
		go_on(way);                                                                    \
		return answer;                                                                 \
	}

PRINT(printf, vprintf, (const char *f, va_list v), (const char *f, ...), f, (f, v))
PRINT(__printf_chk, __vprintf_chk, (int k, const char *f, va_list v), (int k, const char *f, ...),
      f, (k, f, v))
PRINT(fprintf, vfprintf, (void *s, const char *f, va_list v), (void *s, const char *f, ...), f,
      (s, f, v))
PRINT(__fprintf_chk, __vfprintf_chk, (void *s, int k, const char *f, va_list v),
      (void *s, int k, const char *f, ...), f, (s, k, f, v))
PRINT(dprintf, vdprintf, (int fd, const char *f, va_list v), (int fd, const char *f, ...), f,
      (fd, f, v))
PRINT(__dprintf_chk, __vdprintf_chk, (int fd, int k, const char *f, va_list v),
      (int fd, int k, const char *f, ...), f, (fd, k, f, v))

/* LONGS(kind, type, name, (parameters, ...), last of them, how many may follow, (arguments)) */
#define LONGS(kind, type, name, variadic, last, n, arguments)                                     \
	type quoit__rt_do_##name variadic __asm__(#name);                                         \
	type quoit__rt_do_##name variadic                                                         \
	{                                                                                         \
		const enum way way = ASK(kind, name);                                             \
		type(*const real) variadic = (type(*) variadic)(uintptr_t)BEHIND(name);           \
		long a[n];                                                                        \
		va_list list;                                                                     \
		type answer;                                                                      \
                                                                                                  \
		va_start(list, last);                                                             \
		for (unsigned i = 0; i < n; i++) /* what was not passed is not looked at later */ \
			a[i] = va_arg(list, long);                                                \
		va_end(list);                                                                     \
		answer = real arguments;                                                          \
		go_on(way);                                                                       \
		return answer;                                                                    \
	}

LONGS(CALLS, int, open, (const char *p, int f, ...), f, 1, (p, f, a[0]))
LONGS(CALLS, int, open64, (const char *p, int f, ...), f, 1, (p, f, a[0]))
LONGS(CALLS, int, openat, (int fd, const char *p, int f, ...), f, 1, (fd, p, f, a[0]))
LONGS(CALLS, int, openat64, (int fd, const char *p, int f, ...), f, 1, (fd, p, f, a[0]))
LONGS(CALLS, int, fcntl, (int fd, int c, ...), c, 1, (fd, c, a[0]))
LONGS(CALLS, int, fcntl64, (int fd, int c, ...), c, 1, (fd, c, a[0]))
LONGS(CALLS, int, ioctl, (int fd, unsigned long c, ...), c, 1, (fd, c, a[0]))
LONGS(ALLOCATES, void *, mremap, (void *p, size_t n, size_t m, int f, ...), f, 1,
      (p, n, m, f, a[0]))
LONGS(CALLS, int, prctl, (int o, ...), o, 4, (o, a[0], a[1], a[2], a[3]))

/* A number says what it is. */
long quoit__rt_do_syscall(long number, ...) __asm__("syscall");
long quoit__rt_do_syscall(long number, ...)
{
	const enum way way = ask(CALLS, INDEX_syscall, number, number);
	long (*const real)(long, ...) = (long (*)(long, ...))(uintptr_t)BEHIND(syscall);
	long a[6], answer;
	va_list list;

	va_start(list, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	answer = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	go_on(way);
	return answer;
}

/* --- handlers of signals --------------------------------------------------------------------- */

/*
 * No handler has SIGSYS blocked: one that interrupts a section returns by a system call, and Linux
 * kills who has the signal blocked by which it tells of that.
 */
int quoit__rt_do_sigaction(int signal, const struct sigaction *action,
			   struct sigaction *old) __asm__("sigaction");
int quoit__rt_do_sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
	const enum way way = ASK(CALLS, sigaction);
	int (*const real)(int, const struct sigaction *, struct sigaction *) = (int (*)(
		int, const struct sigaction *, struct sigaction *))(uintptr_t)BEHIND(sigaction);
	struct sigaction open;
	int answer;

	if (action) {
		open = *action;
		sigdelset(&open.sa_mask, SIGSYS);
		action = &open;
	}
	answer = real(signal, action, old);
	go_on(way);
	return answer;
}
