/* SPDX-License-Identifier: MIT */
/* stuck.c - what a stop still waits for when its deadline passes, by name. */
#include <quoit/runtime/runtime_internal.h>

#include <errno.h>
#include <string.h>

#include <quoit/io/kernel_internal.h>
#include <quoit/io/listen_internal.h>
#include <quoit/io/stream_internal.h>

/* The oldest so far, in order. */
struct oldest {
	struct quoit_stuck items[QUOIT_STUCK_MOST];
	uint32_t kept;
	uint64_t in_all;
};

static void insert(struct quoit_stuck *items, uint32_t *kept, const struct quoit_stuck *new)
{
	uint32_t at = *kept < QUOIT_STUCK_MOST ? (*kept)++ : QUOIT_STUCK_MOST;

	for (; at && items[at - 1].age_ns < new->age_ns; at--)
		if (at < QUOIT_STUCK_MOST)
			items[at] = items[at - 1];
	if (at < QUOIT_STUCK_MOST)
		items[at] = *new;
}

static void note(struct oldest *oldest, const struct quoit_stuck *item)
{
	oldest->in_all++;
	insert(oldest->items, &oldest->kept, item);
}

/* The object of a slot, if it is in use. */
static void *in_use(const struct quoit_slab *slab, uint32_t slot, struct quoit_stuck *item)
{
	struct quoit_op_owner *owner = quoit_slab_at(slab, slot);

	item->slot = owner->slot;
	item->generation = owner->generation;
	return owner->generation & 1 ? owner : NULL;
}

static void note_streams(const struct quoit_core *core, struct oldest *oldest)
{
	const struct quoit_slab *slab = &core->io.streams;

	for (uint32_t slot = 0; slot < slab->touched; slot++) {
		struct quoit_stuck item = {.kind = QUOIT_STUCK_STREAM, .core = core->index};
		const struct quoit_stream *stream = in_use(slab, slot, &item);

		if (!stream)
			continue;
		item.age_ns = core->loop.now_ns - stream->moved_ns;
		note(oldest, &item);
	}
}

/* Those with streams wait for them, and nothing else. */
static void note_listeners(const struct quoit_core *core, struct oldest *oldest)
{
	const struct quoit_slab *slab = &core->io.listeners;

	for (uint32_t slot = 0; slot < slab->touched; slot++) {
		struct quoit_stuck item = {.kind = QUOIT_STUCK_LISTENER, .core = core->index};
		const struct quoit_listener *listener = in_use(slab, slot, &item);

		if (listener && !listener->streams)
			note(oldest, &item);
	}
}

static void note_operations(const struct quoit_core *core, struct oldest *oldest)
{
	const struct quoit_slab *slab = &core->loop.ops.slab;

	for (uint32_t slot = 0; slot < slab->touched; slot++) {
		struct quoit_stuck item = {.kind = QUOIT_STUCK_OPERATION, .core = core->index};
		const struct quoit_op *op = in_use(slab, slot, &item);

		if (op && !quoit_op_is_idle(op))
			note(oldest, &item);
	}
}

static void note_calls(const struct quoit_core *core, struct oldest *oldest)
{
	const struct quoit_mail *mail = &core->mail;
	const uint32_t now = (uint32_t)(core->loop.now_ns >> QUOIT_FRAME_AGE);

	for (uint32_t to = 0; to < mail->peer_count; to++)
		for (uint32_t i = 0; i < mail->credits; i++) {
			const struct quoit_frame *frame = &mail->peers[to].frames[i];
			const struct quoit_stuck item = {.kind = QUOIT_STUCK_CALL,
							 .core = core->index,
							 .slot = i,
							 .generation = frame->generation,
							 .to = to,
							 .age_ns = (uint64_t)(now - frame->begun)
								   << QUOIT_FRAME_AGE};

			if (frame->fn)
				note(oldest, &item);
		}
}

/* Asked for the few that are told only: it is a system call each. */
static void find_peer(const struct quoit_core *core, struct quoit_stuck *item)
{
	const struct quoit_stream *stream;
	struct quoit_address address = {.bytes = sizeof(address.v6)};

	quoit_static_assert(sizeof(item->peer) >= QUOIT_ADDRESS_TEXT, "any address fits");
	if (item->kind != QUOIT_STUCK_STREAM)
		return;
	stream = (const void *)quoit_slab_at(&core->io.streams, item->slot);
	if (quoit__net_peer(stream->fd, &address.any, &address.bytes) >= 0)
		quoit_address_print(&address, item->peer);
}

static void describe(const struct quoit_stuck *item, char *text)
{
	const unsigned long long age_ms = item->age_ns / 1000000;

	switch (item->kind) {
	case QUOIT_STUCK_STREAM:
		snprintf(text, QUOIT_STUCK_TEXT, "connection %u.%u of %s, for %llu ms", item->slot,
			 item->generation, item->peer[0] ? item->peer : "a peer that has gone",
			 age_ms);
		break;
	case QUOIT_STUCK_CALL:
		snprintf(text, QUOIT_STUCK_TEXT, "a call to core %u, for %llu ms", item->to,
			 age_ms);
		break;
	default:
		snprintf(text, QUOIT_STUCK_TEXT, "%s %u.%u",
			 item->kind == QUOIT_STUCK_LISTENER ? "listener" : "operation", item->slot,
			 item->generation);
	}
}

void quoit_core_note_stuck(struct quoit_core *core, char *text)
{
	struct quoit_runtime *runtime = core->runtime;
	struct oldest oldest = {.kept = 0};

	note_streams(core, &oldest);
	note_calls(core, &oldest);
	note_listeners(core, &oldest);
	note_operations(core, &oldest);
	for (uint32_t i = 0; i < oldest.kept; i++)
		find_peer(core, &oldest.items[i]);
	text[0] = '\0';
	if (oldest.kept)
		describe(&oldest.items[0], text);
	pthread_mutex_lock(&runtime->lock);
	runtime->stuck_in_all += oldest.in_all;
	for (uint32_t i = 0; i < oldest.kept; i++)
		insert(runtime->stuck, &runtime->stuck_kept, &oldest.items[i]);
	pthread_mutex_unlock(&runtime->lock);
}

uint64_t quoit_runtime_stuck(struct quoit_runtime *runtime, quoit_stuck_fn fn, void *ctx)
{
	struct quoit_stuck items[QUOIT_STUCK_MOST];
	uint64_t in_all;
	uint32_t kept;

	/* A copy: whoever is called may ask again. */
	pthread_mutex_lock(&runtime->lock);
	memcpy(items, runtime->stuck, sizeof(items));
	kept = runtime->stuck_kept;
	in_all = runtime->stuck_in_all;
	pthread_mutex_unlock(&runtime->lock);
	for (uint32_t i = 0; i < kept; i++)
		fn(&items[i], ctx);
	return in_all;
}
