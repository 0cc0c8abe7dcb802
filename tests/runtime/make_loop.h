/* SPDX-License-Identifier: MIT */
/* make_loop.h - a loop for a test, by these options or, if NULL, of the usual kind. After cmocka.
 */
#ifndef QUOIT_TESTS_RUNTIME_MAKE_LOOP_H
#define QUOIT_TESTS_RUNTIME_MAKE_LOOP_H

#include <errno.h>

#include "support/skip.h"

#include <quoit/runtime/loop.h>

static inline struct quoit_loop *make_loop(const struct quoit_loop_options *options)
{
	struct quoit_reason why = {0};
	struct quoit_loop *loop = NULL;
	const int rc = quoit_loop_create(options, &loop, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	return loop;
}

#endif
