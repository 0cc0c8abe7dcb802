/* SPDX-License-Identifier: MIT */
/*
 * line.h - how long a cache line takes from one cpu to another and back: the unit in which
 * everything between cores is paid. It depends on where the two cpus lie, and in a virtual machine
 * on where they lie today.
 */
#ifndef QUOIT_RINGS_LINE_H
#define QUOIT_RINGS_LINE_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

/*
 * Let two threads of their own, one on each cpu, pass two lines to and fro for a few milliseconds,
 * and give the median round trip. Three quarters of it is the gap for quoit_spsc_set_gap().
 *
 * Units: ticks of quoit_ticks().   Thread: any, at start; it blocks until they are through.
 * Errors: -EINVAL for one cpu twice; those of quoit_thread_pin() and pthread_create();
 * -ETIMEDOUT where the two were never on their cpus together, within a tenth of a second.
 */
QUOIT_MUST_CHECK int quoit_line_round_trip(unsigned cpu, unsigned other_cpu, uint64_t *ticks);

QUOIT_C_END

#endif
