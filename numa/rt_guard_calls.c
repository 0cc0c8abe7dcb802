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

#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#define ALLOCATES QUOIT_BREACH_ALLOCATES
#define BLOCKS	  QUOIT_BREACH_BLOCKS
#define PRINTS	  QUOIT_BREACH_PRINTS
#define CALLS	  QUOIT_BREACH_CALLS

/* CALL(kind, type, name, (parameters), (arguments)), and the same for what gives nothing. */
#define CALL_TABLE(CALL, VOID_CALL)                                                              \
	CALL(ALLOCATES, void *, aligned_alloc, (size_t a, size_t n), (a, n))                     \
	CALL(ALLOCATES, void *, memalign, (size_t a, size_t n), (a, n))                          \
	CALL(ALLOCATES, int, posix_memalign, (void **p, size_t a, size_t n), (p, a, n))          \
	CALL(ALLOCATES, void *, valloc, (size_t n), (n))                                         \
	CALL(ALLOCATES, void *, pvalloc, (size_t n), (n))                                        \
	CALL(ALLOCATES, void *, reallocarray, (void *p, size_t n, size_t m), (p, n, m))          \
	CALL(ALLOCATES, void *, mmap, (void *p, size_t n, int a, int b, int fd, off_t o),        \
	     (p, n, a, b, fd, o))                                                                \
	CALL(ALLOCATES, void *, mmap64, (void *p, size_t n, int a, int b, int fd, off_t o),      \
	     (p, n, a, b, fd, o))                                                                \
	CALL(ALLOCATES, int, munmap, (void *p, size_t n), (p, n))                                \
	CALL(ALLOCATES, int, brk, (void *p), (p))                                                \
	CALL(ALLOCATES, void *, sbrk, (intptr_t n), (n))                                         \
	CALL(ALLOCATES, int, pthread_create, (void *t, void *a, void *f, void *x), (t, a, f, x)) \
	CALL(BLOCKS, int, pthread_mutex_lock, (void *m), (m))                                    \
	CALL(BLOCKS, int, pthread_mutex_timedlock, (void *m, void *t), (m, t))                   \
	CALL(BLOCKS, int, pthread_mutex_clocklock, (void *m, int c, void *t), (m, c, t))         \
	CALL(BLOCKS, int, pthread_cond_wait, (void *c, void *m), (c, m))                         \
	CALL(BLOCKS, int, pthread_cond_timedwait, (void *c, void *m, void *t), (c, m, t))        \
	CALL(BLOCKS, int, pthread_cond_clockwait, (void *c, void *m, int k, void *t),            \
	     (c, m, k, t))                                                                       \
	CALL(BLOCKS, int, pthread_rwlock_rdlock, (void *l), (l))                                 \
	CALL(BLOCKS, int, pthread_rwlock_wrlock, (void *l), (l))                                 \
	CALL(BLOCKS, int, pthread_barrier_wait, (void *b), (b))                                  \
	CALL(BLOCKS, int, pthread_join, (unsigned long t, void **p), (t, p))                     \
	CALL(BLOCKS, int, pthread_timedjoin_np, (unsigned long t, void **p, void *w), (t, p, w)) \
	CALL(BLOCKS, int, sem_wait, (void *s), (s))                                              \
	CALL(BLOCKS, int, sem_timedwait, (void *s, void *t), (s, t))                             \
	CALL(BLOCKS, int, mtx_lock, (void *m), (m))                                              \
	CALL(BLOCKS, int, mtx_timedlock, (void *m, void *t), (m, t))                             \
	CALL(BLOCKS, int, cnd_wait, (void *c, void *m), (c, m))                                  \
	CALL(BLOCKS, int, cnd_timedwait, (void *c, void *m, void *t), (c, m, t))                 \
	CALL(BLOCKS, int, thrd_join, (unsigned long t, int *p), (t, p))                          \
	CALL(BLOCKS, int, thrd_sleep, (void *t, void *r), (t, r))                                \
	CALL(BLOCKS, int, nanosleep, (void *t, void *r), (t, r))                                 \
	CALL(BLOCKS, int, clock_nanosleep, (int c, int f, void *t, void *r), (c, f, t, r))       \
	CALL(BLOCKS, int, usleep, (unsigned n), (n))                                             \
	CALL(BLOCKS, unsigned, sleep, (unsigned n), (n))                                         \
	CALL(BLOCKS, int, sched_yield, (void), ())                                               \
	CALL(BLOCKS, int, poll, (void *p, unsigned long n, int t), (p, n, t))                    \
	CALL(BLOCKS, int, __poll_chk, (void *p, unsigned long n, int t, size_t s), (p, n, t, s)) \
	CALL(BLOCKS, int, ppoll, (void *p, unsigned long n, void *t, void *m), (p, n, t, m))     \
	CALL(BLOCKS, int, __ppoll_chk, (void *p, unsigned long n, void *t, void *m, size_t s),   \
	     (p, n, t, m, s))                                                                    \
	CALL(BLOCKS, int, select, (int n, void *r, void *w, void *x, void *t), (n, r, w, x, t))  \
	CALL(BLOCKS, int, pselect, (int n, void *r, void *w, void *x, void *t, void *m),         \
	     (n, r, w, x, t, m))                                                                 \
	CALL(BLOCKS, int, epoll_wait, (int e, void *p, int n, int t), (e, p, n, t))              \
	CALL(BLOCKS, int, epoll_pwait, (int e, void *p, int n, int t, void *m), (e, p, n, t, m)) \
	CALL(BLOCKS, int, sigtimedwait, (void *s, void *i, void *t), (s, i, t))                  \
	CALL(BLOCKS, pid_t, waitpid, (pid_t p, int *s, int o), (p, s, o))                        \
	CALL(CALLS, pid_t, fork, (void), ())                                                     \
	CALL(CALLS, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))                      \
	CALL(CALLS, ssize_t, __read_chk, (int fd, void *p, size_t n, size_t s), (fd, p, n, s))   \
	CALL(CALLS, ssize_t, pread, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))         \
	CALL(CALLS, ssize_t, pread64, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))       \
	CALL(CALLS, ssize_t, readv, (int fd, void *p, int n), (fd, p, n))                        \
	CALL(CALLS, ssize_t, write, (int fd, void *p, size_t n), (fd, p, n))                     \
	CALL(CALLS, ssize_t, pwrite, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))        \
	CALL(CALLS, ssize_t, pwrite64, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))      \
	CALL(CALLS, ssize_t, writev, (int fd, void *p, int n), (fd, p, n))                       \
	CALL(CALLS, int, close, (int fd), (fd))                                                  \
	CALL(CALLS, int, fsync, (int fd), (fd))                                                  \
	CALL(CALLS, int, fdatasync, (int fd), (fd))                                              \
	CALL(CALLS, ssize_t, send, (int fd, void *p, size_t n, int f), (fd, p, n, f))            \
	CALL(CALLS, ssize_t, sendto, (int fd, void *p, size_t n, int f, void *a, unsigned l),    \
	     (fd, p, n, f, a, l))                                                                \
	CALL(CALLS, ssize_t, sendmsg, (int fd, void *m, int f), (fd, m, f))                      \
	CALL(CALLS, ssize_t, recv, (int fd, void *p, size_t n, int f), (fd, p, n, f))            \
	CALL(CALLS, ssize_t, __recv_chk, (int fd, void *p, size_t n, size_t s, int f),           \
	     (fd, p, n, s, f))                                                                   \
	CALL(CALLS, ssize_t, recvfrom, (int fd, void *p, size_t n, int f, void *a, void *l),     \
	     (fd, p, n, f, a, l))                                                                \
	CALL(CALLS, ssize_t, recvmsg, (int fd, void *m, int f), (fd, m, f))                      \
	CALL(CALLS, int, connect, (int fd, void *a, unsigned l), (fd, a, l))                     \
	CALL(CALLS, int, accept, (int fd, void *a, void *l), (fd, a, l))                         \
	CALL(CALLS, int, accept4, (int fd, void *a, void *l, int f), (fd, a, l, f))              \
	CALL(CALLS, int, eventfd_read, (int fd, void *v), (fd, v))                               \
	CALL(CALLS, int, eventfd_write, (int fd, uint64_t v), (fd, v))                           \
	CALL(CALLS, int, epoll_ctl, (int e, int o, int fd, void *p), (e, o, fd, p))              \
	CALL(CALLS, int, mprotect, (void *p, size_t n, int a), (p, n, a))                        \
	CALL(CALLS, int, madvise, (void *p, size_t n, int a), (p, n, a))                         \
	CALL(PRINTS, int, vprintf, (const char *f, va_list v), (f, v))                           \
	CALL(PRINTS, int, __vprintf_chk, (int k, const char *f, va_list v), (k, f, v))           \
	CALL(PRINTS, int, vfprintf, (void *s, const char *f, va_list v), (s, f, v))              \
	CALL(PRINTS, int, __vfprintf_chk, (void *s, int k, const char *f, va_list v),            \
	     (s, k, f, v))                                                                       \
	CALL(PRINTS, int, vdprintf, (int fd, const char *f, va_list v), (fd, f, v))              \
	CALL(PRINTS, int, __vdprintf_chk, (int fd, int k, const char *f, va_list v),             \
	     (fd, k, f, v))                                                                      \
	CALL(PRINTS, int, puts, (const char *t), (t))                                            \
	CALL(PRINTS, int, putchar, (int c), (c))                                                 \
	CALL(PRINTS, int, fputs, (const char *t, void *s), (t, s))                               \
	CALL(PRINTS, int, fputc, (int c, void *s), (c, s))                                       \
	CALL(PRINTS, int, putc, (int c, void *s), (c, s))                                        \
	CALL(PRINTS, size_t, fwrite, (const void *p, size_t n, size_t m, void *s), (p, n, m, s)) \
	CALL(PRINTS, size_t, fread, (void *p, size_t n, size_t m, void *s), (p, n, m, s))        \
	CALL(PRINTS, char *, fgets, (char *p, int n, void *s), (p, n, s))                        \
	CALL(PRINTS, int, fgetc, (void *s), (s))                                                 \
	CALL(PRINTS, int, getc, (void *s), (s))                                                  \
	CALL(PRINTS, void *, fopen, (const char *p, const char *m), (p, m))                      \
	CALL(PRINTS, void *, fopen64, (const char *p, const char *m), (p, m))                    \
	CALL(PRINTS, int, fclose, (void *s), (s))                                                \
	CALL(PRINTS, int, fflush, (void *s), (s))                                                \
	VOID_CALL(PRINTS, perror, (const char *t), (t))

/* The same for those with any number of arguments, which have functions below. */
#define VARIADIC_TABLE(NAME) \
	NAME(printf)         \
	NAME(__printf_chk)   \
	NAME(fprintf)        \
	NAME(__fprintf_chk)  \
	NAME(dprintf)        \
	NAME(__dprintf_chk)  \
	NAME(open)           \
	NAME(open64)         \
	NAME(openat)         \
	NAME(openat64) NAME(fcntl) NAME(fcntl64) NAME(ioctl) NAME(mremap) NAME(prctl) NAME(syscall)

#define INDEX(kind, type, name, parameters, arguments) INDEX_##name,
#define VOID_INDEX(kind, name, parameters, arguments)  INDEX_##name,
#define PLAIN_INDEX(name)			       INDEX_##name,
enum {
	CALL_TABLE(INDEX, VOID_INDEX) VARIADIC_TABLE(PLAIN_INDEX) FUNCTIONS
};

#define NAME(kind, type, name, parameters, arguments) #name,
#define VOID_NAME(kind, name, parameters, arguments)  #name,
#define PLAIN_NAME(name)			      #name,
const char *const quoit__rt_call_names[FUNCTIONS + 1] = {CALL_TABLE(NAME, VOID_NAME)
								 VARIADIC_TABLE(PLAIN_NAME) NULL};

static void *known[FUNCTIONS];

#define BEHIND(name)	   quoit__rt_behind(&known[INDEX_##name], #name)
#define CAUGHT(kind, name) quoit__rt_caught(kind, #name, -1)

static void go_on_if(bool caught)
{
	if (caught)
		quoit__rt_go_on();
}

/* Looked up in the hole, because looking up allocates. */
#define DEFINE(kind, type, name, parameters, arguments)                                     \
	type quoit__rt_do_##name parameters __asm__(#name);                                 \
	type quoit__rt_do_##name parameters                                                 \
	{                                                                                   \
		const bool caught = CAUGHT(kind, name);                                     \
		type(*const real) parameters = (type(*) parameters)(uintptr_t)BEHIND(name); \
		type answer;                                                                \
                                                                                            \
		if (quoit_likely(!caught))                                                  \
			return real arguments;                                              \
		answer = real arguments;                                                    \
		quoit__rt_go_on();                                                          \
		return answer;                                                              \
	}
#define VOID_DEFINE(kind, name, parameters, arguments)                                      \
	void quoit__rt_do_##name parameters __asm__(#name);                                 \
	void quoit__rt_do_##name parameters                                                 \
	{                                                                                   \
		const bool caught = CAUGHT(kind, name);                                     \
		void(*const real) parameters = (void(*) parameters)(uintptr_t)BEHIND(name); \
                                                                                            \
		real arguments;                                                             \
		go_on_if(caught);                                                           \
	}

CALL_TABLE(DEFINE, VOID_DEFINE)

/* --- any number of arguments ----------------------------------------------------------------- */

/* PRINT(name, its `v`, (what that takes), (what it takes), last of them, (arguments of the `v`)) */
#define PRINT(name, with_list, parameters, variadic, last, arguments)                          \
	int quoit__rt_do_##name variadic __asm__(#name);                                       \
	int quoit__rt_do_##name variadic                                                       \
	{                                                                                      \
		const bool caught = CAUGHT(PRINTS, name);                                      \
		int(*const real) parameters = (int(*) parameters)(uintptr_t)BEHIND(with_list); \
		va_list v;                                                                     \
		int answer;                                                                    \
                                                                                               \
		va_start(v, last);                                                             \
		answer = real arguments;                                                       \
		va_end(v);                                                                     \
		go_on_if(caught);                                                              \
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
		const bool caught = CAUGHT(kind, name);                                           \
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
		go_on_if(caught);                                                                 \
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

/* A number says what it is; some may be permitted. */
long quoit__rt_do_syscall(long number, ...) __asm__("syscall");
long quoit__rt_do_syscall(long number, ...)
{
	const bool permitted = quoit__rt_permitted_begin(number);
	const bool caught = !permitted && quoit__rt_caught(CALLS, "syscall", number);
	long (*const real)(long, ...) = (long (*)(long, ...))(uintptr_t)BEHIND(syscall);
	long a[6], answer;
	va_list list;

	va_start(list, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	answer = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (permitted)
		quoit__rt_permitted_end();
	go_on_if(caught);
	return answer;
}
