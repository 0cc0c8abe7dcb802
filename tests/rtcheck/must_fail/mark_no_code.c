/* SPDX-License-Identifier: MIT */
/*
 * A mark on a function whose code nobody has.
 *
 * expect: mark: tick
 */
#include <quoit/numa/realtime.h>

QUOIT_RT int tick(int n);
