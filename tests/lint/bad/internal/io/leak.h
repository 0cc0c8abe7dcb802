/* SPDX-License-Identifier: MIT */
#ifndef QUOIT_IO_LEAK_H
#define QUOIT_IO_LEAK_H

#include <quoit/io/leak_internal.h> /* BAD */

struct leak;

#endif
