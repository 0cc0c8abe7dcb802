/* SPDX-License-Identifier: MIT */
/*
 * net.h - what the programs of the network benchmark have in common: a cpu to run on, and a
 * listener on the loopback. They stand on libc and liburing alone, never on quoit: a yardstick must
 * not bend with what it measures.
 */
#ifndef TESTS_BENCH_NET_H
#define TESTS_BENCH_NET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity, accept4: include this file first */
#endif

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* A number from the command line, within its limits or not at all. */
static inline long number(const char *text, const char *what, long least, long most)
{
	char *end;
	const long value = strtol(text, &end, 10);

	if (end == text || *end || value < least || value > most)
		die("%s: \"%s\" is not a number from %ld to %ld", what, text, least, most);
	return value;
}

static inline void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on cpu %d: %m", cpu);
}

/* Listen on a free port of 127.0.0.1, and tell it on stdout the way quoit's examples do. */
static inline int listen_and_tell(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);
	const int one = 1;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* accepted sockets inherit TCP_NODELAY: no call per connection */
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		die("cannot listen on 127.0.0.1: %m");
	printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

#endif
