/* SPDX-License-Identifier: MIT */
#include <quoit/numa/machine.h>
#include <quoit/runtime/core.h> /* BAD */
