/* SPDX-License-Identifier: MIT */
/*
 * test_forgotten.c - calls some of it, and speaks of quoit_pile_spoken_of().
 */
#include <quoit/rings/forgotten.h>

QUOIT_PILE(plates);

int main(void)
{
	return plates_push() - 2 * quoit_pile_used();
}
