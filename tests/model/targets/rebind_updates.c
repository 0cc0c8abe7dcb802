/* SPDX-License-Identifier: MIT */
/* rebind_updates.c - the same cases with the handshake as it is under ThreadSanitizer. */
#define QUOIT_TSAN	   1
#define model_rebind_cases model_rebind_updates_cases
#include <model/targets/rebind.c>
