/* SPDX-License-Identifier: MIT */
#include <liburing.h>
#include <sys/socket.h>

static int begin(struct io_uring *ring)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0); /* BAD */

	io_uring_get_sqe(ring);
	return fd < 0 ? fd : io_uring_submit(ring); /* BAD */
}
