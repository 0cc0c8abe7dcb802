/* SPDX-License-Identifier: MIT */
/*
 * What may wait may write, as long as it does not allocate.
 */
#include <quoit/numa/realtime.h>

#include <unistd.h>

QUOIT_NO_ALLOC long tick(int fd, const char *bytes, size_t n)
{
	return write(fd, bytes, n);
}
