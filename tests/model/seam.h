/* SPDX-License-Identifier: MIT */
/*
 * seam.h - in the place of numa/sys_internal.h, for the sources in rings/: what the kernel does for
 * a sleeper becomes steps of the checker, which futex.c performs.
 *
 * The compiler is told to read it first, and its guard keeps the other one out.
 */
#ifndef QUOIT_NUMA_SYS_INTERNAL_H
#define QUOIT_NUMA_SYS_INTERNAL_H

#include <errno.h>
#include <stdint.h>

int quoit__sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns);
int quoit__sys_futex_wake(uint32_t *word, int most);
void quoit__sys_yield(void);
void quoit__sys_sleep_until(uint64_t at_ns);

/* Of numa/sys_shared_internal.h; targets/shring.c performs these. */
#define QUOIT_NUMA_SYS_SHARED_INTERNAL_H

#include <string.h>
#include <sys/types.h>

int quoit__sys_futex_wait_shared(const uint32_t *word, uint32_t expected, uint64_t deadline_ns);
int quoit__sys_futex_wake_shared(const uint32_t *word, int most);
int quoit__sys_wait_either(int first, int second, int third, uint64_t deadline_ns);
int quoit__sys_is_blocking(int fd);
ssize_t quoit__sys_write(int fd, const void *data, size_t bytes);
ssize_t quoit__sys_read_now(int fd, void *data, size_t bytes);

#endif
