/* SPDX-License-Identifier: MIT */
/*
 * Publishing without a bell never leaves real time.
 */
#include <quoit/rings/spsc.h>

QUOIT_RT QUOIT_WAITFREE bool tick(struct quoit_spsc *ring, uint64_t *slots, uint64_t word)
{
	size_t at;

	if (!quoit_spsc_reserve(ring, 1, &at))
		return false;
	slots[at] = word;
	quoit_spsc_commit_later(ring, 1);
	quoit_spsc_publish(ring);
	return true;
}
