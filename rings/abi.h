/* SPDX-License-Identifier: MIT */
/*
 * abi.h - programs and library must agree on how rings lie in memory, or they do not link.
 *
 * Much of a ring is inline, so the program's headers and the library must have been configured
 * alike. The options that change a layout (those that config.mk calls abi) are in the name of a
 * symbol that the library defines and whatever includes a ring refers to. With other headers than
 * the library's the linker says which:
 *
 *     undefined reference to `quoit_abi_isolation64_metrics0'
 *
 * Cost: a pointer in each object file; nothing at run time. Only a program whose linker throws
 * unused sections away (--gc-sections) may go without being asked.
 */
#ifndef QUOIT_RINGS_ABI_H
#define QUOIT_RINGS_ABI_H

#include <quoit/numa/machine.h>

#ifdef QUOIT_CONFIG_METRICS
#define QUOIT__ABI_METRICS 1
#else
#define QUOIT__ABI_METRICS 0
#endif

/* Twice, so that the values are pasted and not the names. */
#define QUOIT__ABI_PASTE(bytes, counts) quoit_abi_isolation##bytes##_metrics##counts
#define QUOIT__ABI_NAME(bytes, counts)	QUOIT__ABI_PASTE(bytes, counts)

/* The symbol. */
#define QUOIT__ABI QUOIT__ABI_NAME(QUOIT_CONFIG_ISOLATION, QUOIT__ABI_METRICS)

QUOIT_C_BEGIN

extern const char QUOIT__ABI;

/* Nobody reads it: the linker does. */
static const char *const quoit__abi __attribute__((used)) = &QUOIT__ABI;

QUOIT_C_END

#endif
