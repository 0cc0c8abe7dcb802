/* SPDX-License-Identifier: MIT */
/* directory.c - growing a directory. Reading it is inline in directory.h. */
#include <errno.h>
#include <stdlib.h>

#include <quoit/rings/directory.h>

int quoit_directory_add(struct quoit_directory *directory, void *entry)
{
	const uint32_t index = quoit_load(&directory->count); /* ours */
	uint32_t first;
	unsigned segment;

	if (index >= QUOIT_DIRECTORY_MOST)
		return -E2BIG;
	segment = quoit__directory_segment(index, &first);
	if (!directory->segments[segment]) {
		void **const entries =
			calloc((size_t)QUOIT_DIRECTORY_FIRST << segment, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		directory->segments[segment] = entries;
	}
	directory->segments[segment][index - first] = entry;
	/* enter: pairs with quoit_directory_count() */
	quoit_store_release(&directory->count, index + 1);
	return 0;
}

size_t quoit_directory_bytes(const struct quoit_directory *directory)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < QUOIT_DIRECTORY_SEGMENTS && directory->segments[i]; i++)
		bytes += ((size_t)QUOIT_DIRECTORY_FIRST << i) * sizeof(void *);
	return bytes;
}

void quoit_directory_fini(struct quoit_directory *directory)
{
	for (unsigned i = 0; i < QUOIT_DIRECTORY_SEGMENTS; i++) {
		free(directory->segments[i]);
		directory->segments[i] = NULL;
	}
	directory->count = 0;
}
