/* SPDX-License-Identifier: MIT */
/*
 * wake_updates.c - the targets of wake.c for the handshake that rings/notify.h uses under
 * ThreadSanitizer: an update for every access to the armed flag, in the place of the fences.
 */
#define QUOIT_TSAN	 1
#define model_wake_cases model_wake_updates_cases

#include "wake.c"
