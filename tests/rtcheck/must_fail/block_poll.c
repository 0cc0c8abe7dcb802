/* SPDX-License-Identifier: MIT */
/*
 * QUOIT_NO_BLOCK alone forbids it as well.
 *
 * expect: block: tick -> poll
 */
#include <quoit/numa/realtime.h>

#include <poll.h>

QUOIT_NO_BLOCK int tick(struct pollfd *fd)
{
	return poll(fd, 1, 10);
}
