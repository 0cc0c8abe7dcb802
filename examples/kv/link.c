/* SPDX-License-Identifier: MIT */
/* link.c - see link.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

#define UNSENT_LEAST ((size_t)16 << 10)

struct quoit_shring_options link_options(enum quoit_shring_role role)
{
	return (struct quoit_shring_options){
		.size = sizeof(struct quoit_shring_options),
		.role = role,
		.bits = KV_LINK_BITS,
		.slot_bytes = sizeof(struct kv_chunk),
		.slot_align = _Alignof(struct kv_chunk),
		.bells = true,
	};
}

/* --- the end --------------------------------------------------------------------------------- */

static void tell_if_over(struct kv_link *link)
{
	if (!link->ended || link->over || quoit_channel_is_attached(&link->channel) ||
	    quoit_space_watch_is_active(&link->watch))
		return;
	link->over = true;
	(void)quoit_task_cancel(&link->flush);
	quoit_shring_destroy(link->in);
	quoit_shring_destroy(link->out);
	free(link->unsent);
	link->events->over(link, link->ctx);
}

/* It is out at once, or channel_detached() tells. */
static void leave(struct kv_link *link)
{
	const bool attached = quoit_channel_is_attached(&link->channel);
	const int rc = attached ? quoit_channel_detach(&link->channel) : 0;

	(void)rc;
}

/* Whatever calls this may have bytes of ours in its hands: `over` is told by others. */
static void end(struct kv_link *link)
{
	link->ended = true;
	link->reads = false;
	leave(link);
	quoit_space_watch_stop(&link->watch);
}

static void be_over(struct quoit_task *task, void *ctx)
{
	(void)task;
	tell_if_over(ctx);
}

void link_end(struct kv_link *link)
{
	if (link->ended)
		return;
	end(link);
	quoit_task_defer(link->loop, &link->flush, be_over, link);
}

static void lose(struct kv_link *link)
{
	if (link->ended)
		return;
	link_end(link);
	link->events->lost(link, link->ctx);
}

/* --- bytes in -------------------------------------------------------------------------------- */

static void attach_or_detach(struct kv_link *link);

/* In private copies: what is checked here does not change any more. */
static void chunks_arrived(struct quoit_channel *channel, const void *items, size_t n, bool more,
			   void *ctx)
{
	const struct kv_chunk *const chunks = items;
	struct kv_link *const link = ctx;
	size_t len = 0;

	(void)channel;
	(void)more;
	if (link->ended)
		return;
	for (size_t i = 0; i < n; i++) {
		if (chunks[i].len > sizeof(chunks[i].bytes)) {
			lose(link);
			return;
		}
		memcpy(link->told + len, chunks[i].bytes, chunks[i].len);
		len += chunks[i].len;
	}
	link->events->bytes(link, link->told, len, link->ctx);
}

static void channel_ended(struct quoit_channel *channel, void *ctx)
{
	(void)channel;
	lose(ctx);
	tell_if_over(ctx);
}

/* Because we have enough, at the end, or because the runtime stops. */
static void channel_detached(struct quoit_channel *channel, void *ctx)
{
	(void)channel;
	attach_or_detach(ctx);
	tell_if_over(ctx);
}

static int attach(struct kv_link *link)
{
	const struct quoit_channel_options options = {.batch_items = KV_LINK_BATCH,
						      .ended = channel_ended,
						      .detached = channel_detached,
						      .name = "link"};

	return quoit_channel_attach_shring(link->loop, &link->channel, link->in, &options,
					   chunks_arrived, link);
}

/* One on its way out is looked at again when it is out. */
static void attach_or_detach(struct kv_link *link)
{
	const bool attached = quoit_channel_is_attached(&link->channel);

	if (link->ended)
		return;
	if (link->reads && !attached && attach(link) < 0)
		lose(link);
	else if (!link->reads && link->gone)
		lose(link);
	else if (!link->reads)
		leave(link);
}

void link_read(struct kv_link *link, bool on)
{
	if (link->ended || link->reads == on)
		return;
	link->reads = on;
	attach_or_detach(link);
}

/* --- bytes out ------------------------------------------------------------------------------- */

/* Gives whether all has found room. */
static bool fill_ring(struct kv_link *link)
{
	struct kv_chunk *chunk;
	size_t granted;

	while (link->unsent_at < link->unsent_len &&
	       (chunk = quoit_shring_reserve(link->out, 1, &granted))) {
		chunk->len = (uint32_t)quoit_min(link->unsent_len - link->unsent_at,
						 sizeof(chunk->bytes));
		memcpy(chunk->bytes, link->unsent + link->unsent_at, chunk->len);
		link->unsent_at += chunk->len;
		quoit_shring_commit_later(link->out, 1);
	}
	quoit_shring_flush(link->out);
	return link->unsent_at == link->unsent_len;
}

/* What one long answer took is not kept for ever. */
static void empty(struct kv_link *link)
{
	link->unsent_at = link->unsent_len = 0;
	if (link->unsent_room <= KV_LINK_HIGH)
		return;
	free(link->unsent);
	link->unsent = NULL;
	link->unsent_room = 0;
}

static void send_unsent(struct quoit_task *task, void *ctx)
{
	struct kv_link *const link = ctx;
	int rc = 0;

	(void)task;
	if (link->ended) {
		tell_if_over(link);
		return;
	}
	if (fill_ring(link))
		empty(link);
	else
		rc = quoit_space_watch_want(&link->watch, quoit_shring_capacity(link->out) / 4);
	if (rc < 0) {
		lose(link);
		return;
	}
	if (!link->full || link->unsent_len - link->unsent_at > KV_LINK_LOW)
		return;
	link->full = false;
	link->events->drained(link, link->ctx);
}

static void room(struct quoit_space_watch *watch, void *ctx)
{
	struct kv_link *const link = ctx;

	(void)watch;
	quoit_task_defer(link->loop, &link->flush, send_unsent, link);
}

/* The other has died. What it had sent before is read to its end, if we read at all. */
static void gone(struct quoit_space_watch *watch, int error, void *ctx)
{
	struct kv_link *const link = ctx;

	(void)watch;
	(void)error;
	link->gone = true;
	attach_or_detach(link);
}

/* At our end, or because the runtime stops. */
static void watch_stopped(struct quoit_space_watch *watch, int error, void *ctx)
{
	(void)watch;
	(void)error;
	lose(ctx);
	tell_if_over(ctx);
}

static bool make_room(struct kv_link *link, size_t len)
{
	size_t want = quoit_max(link->unsent_room, UNSENT_LEAST);
	char *larger;

	if (link->unsent_at) {
		memmove(link->unsent, link->unsent + link->unsent_at,
			link->unsent_len - link->unsent_at);
		link->unsent_len -= link->unsent_at;
		link->unsent_at = 0;
	}
	while (want - link->unsent_len < len)
		want *= 2;
	larger = realloc(link->unsent, want);
	if (!larger)
		return false;
	link->unsent = larger;
	link->unsent_room = want;
	return true;
}

int link_send(struct kv_link *link, const void *data, size_t len)
{
	if (link->ended)
		return -EPIPE;
	if (link->unsent_room - link->unsent_len < len && !make_room(link, len))
		return -ENOMEM;
	memcpy(link->unsent + link->unsent_len, data, len);
	link->unsent_len += len;
	quoit_task_defer(link->loop, &link->flush, send_unsent, link);
	return 0;
}

bool link_is_full(struct kv_link *link)
{
	link->full |= link->unsent_len - link->unsent_at >= KV_LINK_HIGH;
	return link->full;
}

/* --- start ----------------------------------------------------------------------------------- */

int link_start(struct kv_link *link, struct quoit_loop *loop, struct quoit_shring *in,
	       struct quoit_shring *out, const struct kv_link_events *events, void *ctx)
{
	const struct quoit_space_watch_options options = {
		.room = room, .gone = gone, .stopped = watch_stopped, .ctx = link};
	int rc;

	memset(link, 0, offsetof(struct kv_link, told));
	link->loop = loop;
	link->in = in;
	link->out = out;
	link->events = events;
	link->ctx = ctx;
	link->reads = true;
	rc = attach(link);
	if (!rc) {
		rc = quoit_space_watch_start(loop, &link->watch, out, &options);
		if (rc)
			leave(link); /* at once: it has not begun yet */
	}
	if (rc) {
		quoit_shring_destroy(in);
		quoit_shring_destroy(out);
	}
	return rc;
}
