/* SPDX-License-Identifier: MIT */
#ifdef QUOIT_WITH_LIBURING
#include <liburing.h> /* BAD */
#endif

struct needy;
