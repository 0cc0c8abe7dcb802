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

#endif
