/* SPDX-License-Identifier: MIT */
/* inbox.c - see inbox_internal.h. */
#include <quoit/io/inbox_internal.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <quoit/io/io_internal.h>

static void empty(struct quoit_io *io, struct quoit_inbox *inbox)
{
	if (inbox->chunk)
		quoit_chunk_give(&io->chunks, inbox->chunk);
	io->inbox_bytes -= inbox->room;
	free(inbox->grown);
	*inbox = (struct quoit_inbox){0};
}

/* Move to memory of our own, twice as large as now needed, so that growing costs O(n) in all. */
static int grow(struct quoit_io *io, struct quoit_inbox *inbox, size_t needed)
{
	const size_t room = needed * 2;
	unsigned char *grown;

	if (room - inbox->room > io->inbox_bytes_max - io->inbox_bytes)
		return -ENOBUFS;
	grown = realloc(inbox->grown, room);
	if (!grown)
		return -ENOBUFS;
	if (inbox->chunk) {
		memcpy(grown, inbox->chunk->bytes, inbox->len);
		quoit_chunk_give(&io->chunks, inbox->chunk);
		inbox->chunk = NULL;
	}
	io->inbox_bytes += room - inbox->room;
	inbox->grown = grown;
	inbox->room = room;
	return 0;
}

int quoit_inbox_append(struct quoit_io *io, struct quoit_inbox *inbox, const void *data, size_t len)
{
	const size_t needed = inbox->len + len;
	int rc;

	if (!inbox->grown && !inbox->chunk && needed <= QUOIT_CHUNK_ROOM)
		inbox->chunk = quoit_chunk_take(&io->chunks);
	if ((!inbox->chunk || needed > QUOIT_CHUNK_ROOM) && needed > inbox->room) {
		rc = grow(io, inbox, needed);
		if (rc < 0)
			return rc;
	}
	memcpy((inbox->grown ? inbox->grown : inbox->chunk->bytes) + inbox->len, data, len);
	inbox->len = needed;
	return 0;
}

void quoit_inbox_keep(struct quoit_io *io, struct quoit_inbox *inbox, size_t n)
{
	unsigned char *bytes = inbox->grown   ? inbox->grown
			       : inbox->chunk ? inbox->chunk->bytes
					      : NULL;

	if (!n) {
		empty(io, inbox);
		return;
	}
	memmove(bytes, bytes + inbox->len - n, n);
	inbox->len = n;
}
