/* SPDX-License-Identifier: MIT */
/* chunk.c - see chunk_internal.h. */
#include <quoit/io/chunk_internal.h>

#define CHUNK_ALIGN 64 /* a line; more could cost a chunk where the region begins unaligned */

static void put_free(struct quoit_chunks *chunks, struct quoit_chunk *chunk)
{
	chunk->next = chunks->free;
	chunks->free = chunk;
}

int quoit_chunks_open(struct quoit_chunks *chunks, uint32_t warm, uint32_t most, int node,
		      struct quoit_reason *why)
{
	struct quoit_region_options options = {.bytes = (size_t)warm * QUOIT_CHUNK_BYTES,
					       .node = node,
					       .dontfork = true,
					       .name = "quoit send"};
	struct quoit_region first = {0};
	struct quoit_region rest = {0};
	struct quoit_chunk *chunk;
	int rc;

	rc = quoit_region_open(&first, &options, why);
	if (rc < 0)
		return rc;
	if (most > warm) {
		options.bytes = (size_t)(most - warm) * QUOIT_CHUNK_BYTES;
		options.reserve = true;
		rc = quoit_region_open(&rest, &options, why);
		if (rc < 0) {
			quoit_region_close(&first);
			return rc;
		}
	}
	*chunks = (struct quoit_chunks){.warm = first, .rest = rest, .most = quoit_max(warm, most)};
	while ((chunk = quoit_region_take(&chunks->warm, QUOIT_CHUNK_BYTES, CHUNK_ALIGN)))
		put_free(chunks, chunk);
	return 0;
}

void quoit_chunks_close(struct quoit_chunks *chunks)
{
	QUOIT_ASSERT(chunks->in_use == 0);
	quoit_region_close(&chunks->warm);
	quoit_region_close(&chunks->rest);
}

struct quoit_chunk *quoit_chunk_take(struct quoit_chunks *chunks)
{
	struct quoit_chunk *chunk = chunks->free;

	if (chunk)
		chunks->free = chunk->next;
	else
		chunk = quoit_region_take(&chunks->rest, QUOIT_CHUNK_BYTES, CHUNK_ALIGN);
	if (!chunk)
		return NULL;
	chunk->next = NULL;
	chunk->start = chunk->end = 0;
	chunks->in_use++;
	return chunk;
}

void quoit_chunk_give(struct quoit_chunks *chunks, struct quoit_chunk *chunk)
{
	chunks->in_use--;
	put_free(chunks, chunk);
}
