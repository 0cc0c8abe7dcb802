/* SPDX-License-Identifier: MIT */
/* coalesce.c - see coalesce_internal.h. */
#include <quoit/runtime/coalesce_internal.h>

#define MEASURE_EVERY_NS 1000000

void quoit_coalesce_note(struct quoit_coalesce *coalesce, uint64_t now_ns, uint64_t receives,
			 size_t mail)
{
	const uint64_t elapsed = now_ns - coalesce->measured_ns;
	uint64_t new_receives;

	if (mail)
		coalesce->quiet_turns = 0;
	else if (coalesce->quiet_turns < QUOIT_COALESCE_QUIET_TURNS)
		coalesce->quiet_turns++;
	if (elapsed < MEASURE_EVERY_NS)
		return;
	new_receives = receives - coalesce->receives;
	/* receives per window: new_receives * window / elapsed */
	coalesce->busy = new_receives * coalesce->window_ns >= QUOIT_COALESCE_REQUESTS * elapsed;
	coalesce->measured_ns = now_ns;
	coalesce->receives = receives;
}
