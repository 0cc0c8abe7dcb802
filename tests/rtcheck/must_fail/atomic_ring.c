/* SPDX-License-Identifier: MIT */
/*
 * A list that many may take from, marked like a ring with one writer to a word.
 *
 * expect: atomic: tick
 */
#include <quoit/rings/free_list.h>

QUOIT_RT QUOIT_WAITFREE bool tick(struct quoit_free_list *list, uint32_t *handle)
{
	return quoit_free_list_take(list, handle);
}
