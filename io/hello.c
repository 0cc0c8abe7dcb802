/* SPDX-License-Identifier: MIT */
/* hello.c - see hello.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/hello.h>

#define ROLE_BITS 32 /* that quoit_hello_wanted can ask for */

/* Is it one at all? The order matters: of another version nothing else means what it does here. */
static int check_form(const struct quoit_hello *hello, size_t fd_count, struct quoit_reason *why)
{
	if (hello->magic != QUOIT_HELLO_MAGIC)
		return quoit_reason_set(why, -EPROTO, "the peer speaks something else: %08x",
					hello->magic);
	if (hello->version != QUOIT_HELLO_VERSION)
		return quoit_reason_set(why, -EPROTONOSUPPORT,
					"the peer speaks version %u, and this is version %d: bring "
					"both to the same",
					hello->version, QUOIT_HELLO_VERSION);
	if (hello->bytes != sizeof(*hello) || hello->zero)
		return quoit_reason_set(why, -EPROTO,
					"the hello is not of its version: %u bytes, %08x behind",
					hello->bytes, hello->zero);
	if (hello->fd_count != fd_count)
		return quoit_reason_set(why, -EBADMSG,
					"the hello announces %u descriptors, and %zu have come",
					hello->fd_count, fd_count);
	return 0;
}

static int check_meaning(const struct quoit_hello *hello, const struct quoit_hello_wanted *wanted,
			 struct quoit_reason *why)
{
	if (hello->flags & ~wanted->flags)
		return quoit_reason_set(why, -EOPNOTSUPP, "the hello has unknown flags: %08x",
					hello->flags & ~wanted->flags);
	if (hello->fd_count < wanted->fds_least || hello->fd_count > wanted->fds_most)
		return quoit_reason_set(why, -EBADMSG,
					"the hello brings %u descriptors, and %u to %u are wanted",
					hello->fd_count, wanted->fds_least, wanted->fds_most);
	if (wanted->roles &&
	    (hello->role >= ROLE_BITS || !(wanted->roles & UINT32_C(1) << hello->role)))
		return quoit_reason_set(why, -EPROTO,
					"the hello is for role %u, which is not wanted here",
					hello->role);
	if (wanted->element_bytes && hello->element_bytes != wanted->element_bytes)
		return quoit_reason_set(why, -EPROTO,
					"the hello is about elements of %llu bytes, not of %llu",
					(unsigned long long)hello->element_bytes,
					(unsigned long long)wanted->element_bytes);
	if (wanted->generation && hello->generation != wanted->generation)
		return quoit_reason_set(why, -ESTALE,
					"the hello is of generation %llu, and now is %llu",
					(unsigned long long)hello->generation,
					(unsigned long long)wanted->generation);
	return 0;
}

int quoit_hello_check(const struct quoit_hello *hello, size_t fd_count,
		      const struct quoit_hello_wanted *wanted, struct quoit_reason *why)
{
	const int rc = check_form(hello, fd_count, why);

	return rc || !wanted ? rc : check_meaning(hello, wanted, why);
}

int quoit_hello_send(int sock, const struct quoit_hello *hello, const int *fds,
		     uint64_t deadline_ns, struct quoit_reason *why)
{
	const int rc = quoit_hello_check(hello, hello->fd_count, NULL, why);

	return rc ? rc
		  : quoit_fd_send(sock, fds, hello->fd_count, hello, sizeof(*hello), deadline_ns,
				  why);
}

int quoit_hello_recv(int sock, struct quoit_hello *hello, int *fds,
		     const struct quoit_hello_wanted *wanted, uint64_t deadline_ns,
		     struct quoit_reason *why)
{
	struct quoit_hello got;
	int came[QUOIT_FDS_MAX];
	size_t count = wanted ? wanted->fds_most : 0;
	int rc = quoit_fd_recv(sock, came, &count, &got, sizeof(got), deadline_ns, why);

	if (rc < 0)
		return rc;
	rc = quoit_hello_check(&got, count, wanted, why);
	for (size_t i = 0; i < count; i++) {
		if (rc < 0)
			quoit__sys_close(came[i]);
		else
			fds[i] = came[i];
	}
	if (!rc)
		*hello = got;
	return rc;
}
