/* SPDX-License-Identifier: MIT */
/*
 * realtime_alloc.h - rtm.h under the names, and with the codes, that programs written for BeOS and
 * its descendants know: RealtimeAlloc.h of their media kit. Not part of quoit.h.
 *
 *     rtm_create_pool()    B_OK; B_BAD_VALUE for no bytes; EALREADY if the default pool exists;
 *                          B_NO_MEMORY; B_ERROR for anything else
 *     rtm_delete_pool()    B_OK; B_BAD_VALUE for NULL and the default pool; B_BUSY while there are
 *                          blocks; B_BAD_ADDRESS
 *     rtm_alloc()          NULL
 *     rtm_realloc()        B_OK; B_BAD_VALUE for NULL; B_NO_MEMORY; B_BAD_ADDRESS; EALREADY for a
 *                          block that was given back
 *     rtm_free()           B_OK; B_BAD_VALUE for NULL; B_BAD_ADDRESS for what is no block; EALREADY
 *     rtm_size_for()       the size; B_BAD_VALUE for NULL; B_BAD_ADDRESS; EALREADY, which no size
 *     rtm_phys_size_for()  can be told from, so it is -EALREADY here
 *
 * EALREADY is the number that <errno.h> has, which is what programs compare with; the others are
 * negative. Two things were printed otherwise there and are understood so: rtm_realloc() returns a
 * status_t, not a pointer to one; and a size that a status_t cannot hold (2 GiB or more) is
 * B_ERROR: quoit_rtm_size_for() has it. The pools are the same ones: rtm_free() gives back what
 * quoit_rtm_alloc() gave, and the other way round.
 */
#ifndef QUOIT_NUMA_REALTIME_ALLOC_H
#define QUOIT_NUMA_REALTIME_ALLOC_H

#include <errno.h>
#include <limits.h>

#include <quoit/numa/rtm.h>

QUOIT_C_BEGIN

/* Where a program has its own, the values are these, or the compiler says that they are not. */
typedef int32_t status_t;

#ifndef B_OK
enum {
	B_GENERAL_ERROR_BASE = INT_MIN,
	B_OS_ERROR_BASE = B_GENERAL_ERROR_BASE + 0x1000,

	B_NO_MEMORY = B_GENERAL_ERROR_BASE + 0,
	B_BAD_VALUE = B_GENERAL_ERROR_BASE + 5,
	B_BUSY = B_GENERAL_ERROR_BASE + 14,
	B_NOT_ALLOWED = B_GENERAL_ERROR_BASE + 15,
	B_BAD_DATA = B_GENERAL_ERROR_BASE + 16,
	B_BAD_ADDRESS = B_OS_ERROR_BASE + 0x301,
	B_ERROR = -1,
	B_OK = 0,
};
#endif

/* Opaque; another name for a pool of rtm.h. */
typedef struct rtm_pool rtm_pool;

/* A default argument is a thing of C++. */
#ifdef __cplusplus
#define QUOIT__RTM_OR_NULL = NULL
#else
#define QUOIT__RTM_OR_NULL
#endif

QUOIT_HOT status_t quoit__rtm_status(int rc)
{
	switch (rc) {
	case 0:
		return B_OK;
	case -EINVAL:
		return B_BAD_VALUE;
	case -ENOMEM:
	case -EAGAIN: /* others have given back more than was taken in yet */
	case -ENXIO:  /* there is no default pool to have it from */
	case -EMFILE: /* no room for another pool */
	case -E2BIG:
		return B_NO_MEMORY;
	case -EALREADY:
		return EALREADY;
	case -EBUSY:
		return B_BUSY;
	case -EFAULT:
		return B_BAD_ADDRESS;
	case -EPERM:
		return B_NOT_ALLOWED;
	case -EUCLEAN:
		return B_BAD_DATA;
	default:
		return B_ERROR;
	}
}

QUOIT_HOT status_t quoit__rtm_size_status(ssize_t size)
{
	if (size == -EALREADY)
		return -EALREADY;
	if (size < 0)
		return quoit__rtm_status((int)size);
	return size <= INT32_MAX ? (status_t)size : B_ERROR;
}

/* As quoit_rtm_create_pool(). */
QUOIT_HOT status_t rtm_create_pool(rtm_pool **out_pool, size_t total_size,
				   const char *name QUOIT__RTM_OR_NULL)
{
	struct quoit_rtm_pool *pool = NULL;
	const int rc = quoit_rtm_create_pool(out_pool ? &pool : NULL, total_size, name);

	if (!rc && out_pool)
		*out_pool = (rtm_pool *)(void *)pool;
	return quoit__rtm_status(rc);
}

/* As quoit_rtm_delete_pool(). */
QUOIT_HOT status_t rtm_delete_pool(rtm_pool *pool)
{
	return quoit__rtm_status(quoit_rtm_delete_pool((struct quoit_rtm_pool *)(void *)pool));
}

/* As quoit_rtm_alloc(). */
QUOIT_HOT void *rtm_alloc(rtm_pool *pool, size_t size)
{
	return quoit_rtm_alloc((struct quoit_rtm_pool *)(void *)pool, size);
}

/* As quoit_rtm_realloc(). */
QUOIT_HOT status_t rtm_realloc(void **data, size_t new_size)
{
	return quoit__rtm_status(quoit_rtm_realloc(data, new_size));
}

/* As quoit_rtm_free(). */
QUOIT_HOT status_t rtm_free(void *data)
{
	return quoit__rtm_status(quoit_rtm_free(data));
}

/* As quoit_rtm_size_for(). */
QUOIT_HOT status_t rtm_size_for(void *data)
{
	return quoit__rtm_size_status(quoit_rtm_size_for(data));
}

/* As quoit_rtm_phys_size_for(). */
QUOIT_HOT status_t rtm_phys_size_for(void *data)
{
	return quoit__rtm_size_status(quoit_rtm_phys_size_for(data));
}

/* As quoit_rtm_available(). */
QUOIT_HOT size_t rtm_available(rtm_pool *pool)
{
	return quoit_rtm_available((struct quoit_rtm_pool *)(void *)pool);
}

/* As quoit_rtm_default_pool(). */
QUOIT_HOT rtm_pool *rtm_default_pool(void)
{
	return (rtm_pool *)(void *)quoit_rtm_default_pool();
}

QUOIT_C_END

#endif
