/* SPDX-License-Identifier: MIT */
/*
 * control.c - control data and a hello under libFuzzer, whatever their bytes.
 *
 * An input is: how much room there is, one byte; a hello; control data to the end. Beside the
 * parser stands one that only counts. What the parser takes out is either in its room or closed,
 * each once, in order: close() is led here by the linker (--wrap), for the numbers are made up. The
 * control data lies at the end of memory of its own, so that a look beyond it is seen.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

#include <quoit/io/fd_pass_internal.h>
#include <quoit/io/hello.h>

int __real_close(int fd);
int __wrap_close(int fd);

static int closed[8192];
static size_t closed_count;
static bool parsing;

int __wrap_close(int fd)
{
	if (!parsing)
		return __real_close(fd);
	if (closed_count == sizeof closed / sizeof *closed)
		abort();
	closed[closed_count++] = fd;
	return 0;
}

/* What a message would bring: descriptors of both kinds, in order. */
struct found {
	int rights[4096], others[4096];
	size_t rights_count, others_count;
};

/* One header after the other, as recvmsg(2) says; it ends where the next would not fit. */
static void find_slowly(const uint8_t *data, size_t bytes, struct found *found)
{
	size_t at = 0;
	while (at + sizeof(struct cmsghdr) <= bytes) {
		struct cmsghdr header;
		memcpy(&header, data + at, sizeof header);
		if (header.cmsg_len < sizeof header || header.cmsg_len > bytes - at)
			return;
		const bool rights = header.cmsg_level == SOL_SOCKET && header.cmsg_type == 1;
		const bool other = header.cmsg_level == SOL_SOCKET && header.cmsg_type == 4;
		for (size_t i = sizeof header; i + 4 <= header.cmsg_len; i += 4) {
			int fd;
			memcpy(&fd, data + at + i, 4);
			if (rights)
				found->rights[found->rights_count++] = fd;
			else if (other)
				found->others[found->others_count++] = fd;
		}
		at += (header.cmsg_len + 7) / 8 * 8;
	}
}

static bool was_closed(int fd)
{
	for (size_t i = 0; i < closed_count; i++)
		if (closed[i] == fd)
			return true;
	return false;
}

static void check_control(size_t room, const uint8_t *data, size_t bytes)
{
	static struct found found;
	struct quoit_parcel parcel;
	int fds[QUOIT_FDS_MAX];
	uint8_t *const copy = malloc(bytes ? bytes : 1);
	unsigned char byte;
	if (!copy)
		abort();
	memcpy(copy, data, bytes);
	struct msghdr message = {.msg_control = copy, .msg_controllen = bytes};
	found.rights_count = found.others_count = closed_count = 0;
	find_slowly(data, bytes, &found);
	quoit_parcel_begin(&parcel, &byte, 1, fds, room);
	parsing = true;
	const size_t surplus = quoit_parcel_unpack(&parcel, &message);
	const size_t kept = found.rights_count < room ? found.rights_count : room;
	assert_int_equal(parcel.fd_count, kept);
	assert_int_equal(surplus, found.rights_count - kept);
	assert_int_equal(closed_count, surplus + found.others_count);
	for (size_t i = 0; i < kept; i++)
		assert_int_equal(fds[i], found.rights[i]);
	for (size_t i = kept; i < found.rights_count; i++)
		assert_true(was_closed(found.rights[i]));
	for (size_t i = 0; i < found.others_count; i++)
		assert_true(was_closed(found.others[i]));
	closed_count = 0;
	quoit_parcel_drop(&parcel);
	assert_int_equal(closed_count, kept);
	parsing = false;
	free(copy);
}

static void check_hello(const struct quoit_hello *hello, size_t fd_count)
{
	const struct quoit_hello_wanted wanted = {.element_bytes = 8,
						  .generation = 1,
						  .roles = 6,
						  .flags = 3,
						  .fds_least = 1,
						  .fds_most = 4};
	struct quoit_reason why = {0};
	const bool sound = hello->magic == QUOIT_HELLO_MAGIC && hello->version == 1 &&
			   hello->bytes == 40 && !hello->zero && hello->fd_count == fd_count;
	const bool good = sound && hello->element_bytes == 8 && hello->generation == 1 &&
			  (hello->role == 1 || hello->role == 2) && hello->flags < 4 &&
			  fd_count >= 1 && fd_count <= 4;
	assert_int_equal(!quoit_hello_check(hello, fd_count, NULL, NULL), sound);
	const int rc = quoit_hello_check(hello, fd_count, &wanted, &why);
	assert_int_equal(!rc, good);
	assert_int_equal(why.error, rc);
	assert_int_equal(strlen(why.text) > 0, !good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct quoit_hello hello;
	if (bytes < 1 + sizeof hello)
		return -1;
	memcpy(&hello, data + 1, sizeof hello);
	check_hello(&hello, data[0] % 8);
	check_control(data[0] % (QUOIT_FDS_MAX + 1), data + 1 + sizeof hello,
		      bytes - 1 - sizeof hello);
	return 0;
}
