/* SPDX-License-Identifier: MIT */
/*
 * What alloc_library.c needed of the library is there for the next one, too.
 *
 * expect: alloc: tick -> quoit_directory_add -> calloc
 */
#include <quoit/rings/directory.h>

QUOIT_NO_ALLOC int tick(struct quoit_directory *directory)
{
	return quoit_directory_add(directory, directory);
}
