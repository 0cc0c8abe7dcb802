/* SPDX-License-Identifier: MIT */
/* close() in a comment, "read(" in a string and a member called write are no calls. */
#include <stdint.h>
#include <unistd.h>

struct outlet {
	int (*write)(int, const void *, unsigned);
};

static int ring_bell(struct outlet *outlet, int fd)
{
	const uint64_t one = 1;

	outlet->write(fd, "read(", 5);
	return write(fd, &one, sizeof one) == sizeof one; /* BAD */
}
