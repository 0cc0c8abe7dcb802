/* SPDX-License-Identifier: MIT */
/*
 * No call at all: only the instructions show it.
 *
 * expect: syscall: tick
 */
#include <quoit/numa/realtime.h>

QUOIT_RT long tick(void)
{
	long result = 39; /* getpid */

	__asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
	return result;
}
