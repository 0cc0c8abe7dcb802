/* SPDX-License-Identifier: MIT */
/*
 * mutant.c - which mutant a program runs with, and which of them it reaches. Linked into every
 * program of the mutated copy, also such as wrap the calls of the C library: hence syscall().
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutate/mutant.h>

#define MOST 65536

int quoit__mutant;
static unsigned char *reached; /* a byte for each, in a file that a child and an exit share */

void mutant_reached(int n)
{
	if (reached)
		__atomic_store_n(&reached[n], '1', __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void choose(void)
{
	const char *const number = getenv("QUOIT_MUTANT"), *const map = getenv("MUTANTS_REACHED");
	int fd;

	quoit__mutant = number ? (int)strtol(number, NULL, 10) : 0;
	if (quoit__mutant >= 0 || !map)
		return;
	fd = open(map, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	reached = (unsigned char *)syscall(SYS_mmap, NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED,
					   fd, 0);
	if (reached == MAP_FAILED)
		abort();
	syscall(SYS_close, fd);
}
