/* SPDX-License-Identifier: MIT */
/* abi.c - the symbol that says how this library was configured. See abi.h. */
#include <quoit/rings/abi.h>

const char QUOIT__ABI = 0;
