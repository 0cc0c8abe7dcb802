/* SPDX-License-Identifier: MIT */
/*
 * A function of the library that is no hot one: the graph goes on through it.
 *
 * expect: alloc: tick -> quoit_directory_add -> calloc
 */
#include <quoit/rings/directory.h>

QUOIT_RT int tick(struct quoit_directory *directory)
{
	return quoit_directory_add(directory, directory);
}
