/* SPDX-License-Identifier: MIT */
#include <quoit.h>	   /* BAD */
#include "../numa/clock.h" /* BAD */
