/* SPDX-License-Identifier: MIT */
/* seam.c - plain calls: the clock, files, sockets, and what NUMA asks for. */
#include <sim/seam.h>
#include <sim/sim.h>

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static long result(long rc)
{
	if (rc >= 0)
		return rc;
	errno = (int)-rc;
	return -1;
}

static long not_simulated(const char *what, long number)
{
	sim_violation("the library makes a call that is not simulated: %s %ld", what, number);
	return result(-ENOSYS);
}

/* --- time ------------------------------------------------------------------------------------ */

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (!sim.active)
		return __real_clock_gettime(clock, now);
	sim.now_ns += 20 + sim_below(200);
	sim_maybe_yield(6);
	now->tv_sec = (time_t)(sim.now_ns / SIM_S);
	now->tv_nsec = (long)(sim.now_ns % SIM_S);
	return 0;
}

static uint64_t ns_of(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * SIM_S + (uint64_t)time->tv_nsec;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	if (!sim.active)
		return __real_nanosleep(time, left);
	sim_wait_time(sim.now_ns + ns_of(time));
	return 0;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
			   struct timespec *left)
{
	if (!sim.active)
		return __real_clock_nanosleep(clock, flags, time, left);
	sim_wait_time(ns_of(time));
	return 0;
}

int __wrap_sched_yield(void)
{
	if (!sim.active)
		return __real_sched_yield();
	sim_yield();
	return 0;
}

int __wrap_sched_getcpu(void)
{
	return sim.active ? (int)sim_task_current()->cpu : __real_sched_getcpu();
}

int __wrap_getcpu(unsigned *cpu, unsigned *node)
{
	if (!sim.active)
		return __real_getcpu(cpu, node);
	*cpu = sim_task_current()->cpu;
	*node = 0;
	return 0;
}

int __wrap_prctl(int option, ...)
{
	(void)option;
	return 0; /* only a thread's name, for people */
}

/* --- files ----------------------------------------------------------------------------------- */

/* No sysfs: the library guesses, and the machine under the simulation decides nothing. */
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = va_arg(args, int);
	va_end(args);
	return sim.active ? (int)result(-ENOENT) : __real_open(path, flags, mode);
}

ssize_t __wrap_read(int fd, void *data, size_t bytes)
{
	struct sim_file *file = sim_file_of(fd);

	if (!sim.active)
		return __real_read(fd, data, bytes);
	if (!file || file->kind != SIM_EVENTFD || bytes < sizeof(file->counter))
		return not_simulated("read", fd);
	if (!file->counter)
		return result(-EAGAIN);
	memcpy(data, &file->counter, sizeof(file->counter));
	file->counter = 0;
	return sizeof(file->counter);
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	struct sim_file *file = sim_file_of(fd);
	uint64_t value;

	if (!sim.active)
		return __real_write(fd, data, bytes);
	sim_maybe_yield(2);
	if (!file || file->kind != SIM_EVENTFD || bytes != sizeof(value)) {
		sim_violation("write to a descriptor that is no eventfd: %d", fd);
		return result(-EBADF);
	}
	if (sim_fault(SIM_WRITE_EINTR))
		return result(-EINTR);
	memcpy(&value, data, sizeof(value));
	sim_trace("write: rings %d", fd);
	sim_eventfd_ring(file, value);
	sim_maybe_yield(2);
	return sizeof(value);
}

int __wrap_close(int fd)
{
	if (!sim.active)
		return __real_close(fd);
	sim_maybe_yield(4);
	return (int)result(sim_file_close(fd));
}

int __wrap_eventfd(unsigned initial, int flags)
{
	struct sim_file *file;

	if (!sim.active)
		return __real_eventfd(initial, flags);
	if (sim_fault(SIM_EVENTFD_EMFILE))
		return (int)result(-EMFILE);
	file = sim_file_new(SIM_EVENTFD);
	file->counter = initial;
	return (int)result(sim_file_open(file));
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct sim_file *file = sim_file_of(fd);
	va_list args;
	int *bytes;

	va_start(args, request);
	bytes = va_arg(args, int *);
	va_end(args);
	if (!sim.active)
		return __real_ioctl(fd, request, bytes);
	if (!file || file->kind != SIM_STREAM || request != SIOCOUTQ)
		return (int)not_simulated("ioctl", (long)request);
	*bytes = (int)(file->conn->down.written - file->conn->down.delivered) +
		 (file->conn->down.ended && !file->conn->down.end_delivered);
	return 0;
}

/* --- sockets --------------------------------------------------------------------------------- */

static struct sim_file *listener_of(int fd)
{
	struct sim_file *file = sim_file_of(fd);

	if (!file || file->kind != SIM_LISTENER)
		sim_violation("descriptor %d is no listening socket", fd);
	return file;
}

int __wrap_socket(int family, int type, int protocol)
{
	if (!sim.active)
		return __real_socket(family, type, protocol);
	if (sim_fault(SIM_SOCKET_REFUSED))
		return (int)result(-EMFILE);
	return (int)result(sim_file_open(sim_file_new(SIM_LISTENER)));
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t bytes)
{
	struct sim_file *file;

	if (!sim.active)
		return __real_setsockopt(fd, level, option, value, bytes);
	file = listener_of(fd);
	if (level == SOL_SOCKET && option == SO_REUSEPORT)
		file->reuse = true;
	return 0;
}

static bool port_is_taken(uint16_t port, const struct sim_file *by)
{
	for (unsigned i = 0; i < SIM_FDS; i++) {
		const struct sim_file *other = sim_file_at(i);

		if (other && other != by && other->kind == SIM_LISTENER && other->bound &&
		    other->port == port && !(other->reuse && by->reuse))
			return true;
	}
	return false;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t bytes)
{
	const struct sockaddr_in *in = (const void *)address;
	struct sim_file *file;

	if (!sim.active)
		return __real_bind(fd, address, bytes);
	file = listener_of(fd);
	file->port = in->sin_port ? ntohs(in->sin_port) : 40000;
	if (port_is_taken(file->port, file) || sim_fault(SIM_SOCKET_REFUSED))
		return (int)result(-EADDRINUSE);
	file->bound = true;
	return 0;
}

int __wrap_listen(int fd, int backlog)
{
	struct sim_file *file;

	if (!sim.active)
		return __real_listen(fd, backlog);
	file = listener_of(fd);
	if (sim_fault(SIM_SOCKET_REFUSED))
		return (int)result(-EADDRINUSE);
	file->listening = true;
	return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *bytes)
{
	const struct sockaddr_in in = {.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (!sim.active)
		return __real_getsockname(fd, address, bytes);
	memcpy(address, &in, sizeof(in));
	((struct sockaddr_in *)(void *)address)->sin_port = htons(listener_of(fd)->port);
	*bytes = sizeof(in);
	return 0;
}

int __wrap_shutdown(int fd, int how)
{
	struct sim_file *file = sim_file_of(fd);

	if (!sim.active)
		return __real_shutdown(fd, how);
	sim_maybe_yield(4);
	if (!file)
		sim_violation("shutdown of a descriptor that is not open: %d", fd);
	return (int)result(file ? sim_shutdown(file, how) : -EBADF);
}

/* --- syscall(2) ------------------------------------------------------------------------------ */

static long get_affinity(uint64_t *mask, size_t bytes)
{
	memset(mask, 0, bytes);
	*mask = (UINT64_C(1) << sim_plan.cpus) - 1;
	return (long)bytes;
}

static long set_affinity(const uint64_t *mask)
{
	unsigned cpu = 0;

	while (cpu < 63 && !(*mask >> cpu & 1))
		cpu++;
	sim_task_current()->cpu = cpu;
	return 0;
}

static long simulated(long number, const long *a)
{
	switch (number) {
	case SYS_io_uring_setup:
		return sim_uring_setup((unsigned)a[0], (void *)a[1]);
	case SYS_io_uring_enter:
		return sim_uring_enter((int)a[0], (unsigned)a[1], (unsigned)a[2], (unsigned)a[3],
				       (const void *)a[4], (size_t)a[5]);
	case SYS_io_uring_register:
		return sim_uring_register((int)a[0], (unsigned)a[1], (void *)a[2], (unsigned)a[3]);
	case SYS_sched_setaffinity:
		return set_affinity((const void *)a[2]);
	case SYS_sched_getaffinity:
		return get_affinity((void *)a[2], (size_t)a[1]);
	case SYS_gettid:
		return 1 + (long)sim_task_current()->number;
	case SYS_mbind:
	case SYS_mlock2:
		return 0;
	case SYS_get_mempolicy:
		if (a[0])
			*(int *)a[0] = 0;
		if (a[1])
			*(uint64_t *)a[1] = 1; /* node 0 */
		return 0;
	case SYS_move_pages:
		memset((void *)a[4], 0, (size_t)a[1] * sizeof(int));
		return 0;
	default:
		return not_simulated("syscall", number);
	}
}

/* It takes all six arguments, as the real one does, however many there are. */
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (!sim.active)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return result(simulated(number, a));
}
