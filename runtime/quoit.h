/* SPDX-License-Identifier: MIT */
/*
 * quoit.h - everything, for programs. Files of the library include the narrow headers.
 *
 * Read in this order: runtime.h starts the cores, core.h is one core as handlers see it, stream.h a
 * connection, mail.h messages between cores, timer.h time; typed.h and spsc.h are the rings below.
 */
#ifndef QUOIT_QUOIT_H
#define QUOIT_QUOIT_H

#include <quoit/runtime/runtime.h>
#include <quoit/runtime/core.h>
#include <quoit/io/stream.h>
#include <quoit/runtime/mail.h>
#include <quoit/runtime/timer.h>
#include <quoit/runtime/stats.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/spsc.h>
#include <quoit/numa/clock.h>

#endif
