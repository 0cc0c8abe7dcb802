/* SPDX-License-Identifier: MIT */
/*
 * A wait for a futex by way of syscall(2).
 *
 * expect: syscall: tick -> syscall
 */
#include <quoit/numa/realtime.h>

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

QUOIT_RT long tick(unsigned *word)
{
	return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}
