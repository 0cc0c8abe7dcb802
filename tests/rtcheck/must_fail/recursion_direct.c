/* SPDX-License-Identifier: MIT */
/*
 * A function that calls itself.
 *
 * expect: recursion: tick -> depth -> depth
 */
#include <quoit/numa/realtime.h>

struct tree {
	struct tree *left, *right;
};

static int depth(const struct tree *t)
{
	const int left = t ? depth(t->left) : 0, right = t ? depth(t->right) : 0;

	return t ? 1 + (left > right ? left : right) : 0;
}

QUOIT_RT int tick(const struct tree *t)
{
	return depth(t);
}
