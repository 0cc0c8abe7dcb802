/* SPDX-License-Identifier: MIT */
/*
 * fds_place.h - a folder of its own for each test, and a path in it for a socket. What was put
 * there must be gone at the end, and every descriptor closed.
 *
 * Include after <cmocka.h>.
 */
#ifndef QUOIT_TESTS_SUPPORT_FDS_PLACE_H
#define QUOIT_TESTS_SUPPORT_FDS_PLACE_H

#include "support/fds.h"

static char folder[FDS_FOLDER];
static char path[FDS_PATH];

static inline int make_folder(void **state)
{
	fds_folder(folder);
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	return fds_count(state);
}

static inline int remove_folder(void **state)
{
	fds_remove_folder(folder);
	return fds_none_is_left(state);
}

#endif
