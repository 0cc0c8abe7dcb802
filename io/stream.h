/* SPDX-License-Identifier: MIT */
/*
 * stream.h - a connection: bytes in, bytes out, one ending.
 *
 * A stream belongs to the core that accepted it; every function here is called on that core's
 * thread, and every handler runs there. What handlers get is theirs until they return.
 *
 *   opened -> data, data, ... -> ended -> closed
 *
 * `closed` comes exactly once, after the kernel has let go of everything; the pointer is dead when
 * it returns. No handler is called after it. A handler may send, pause, close or abort its own or
 * any other stream of the core.
 */
#ifndef QUOIT_IO_STREAM_H
#define QUOIT_IO_STREAM_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

struct quoit_stream;

struct quoit_bytes {
	const void *data;
	size_t len;
};

/*
 * What to call, and how much to hold. Copied when it is registered; every handler may be NULL.
 * Limits of 0 stand for the defaults.
 */
struct quoit_stream_events {
	/* A connection was accepted. */
	void (*opened)(struct quoit_stream *stream, void *ctx);

	/* Bytes arrived: those kept by the last call, and behind them the new ones. */
	void (*data)(struct quoit_stream *stream, struct quoit_bytes in, void *ctx);

	/*
	 * The peer has sent its last byte. Without this handler the stream closes when everything
	 * has been sent and no hold is left; with it, the handler says when.
	 */
	void (*ended)(struct quoit_stream *stream, void *ctx);

	/* What waits to be sent has fallen below the low mark, after it was above the high one. */
	void (*writable)(struct quoit_stream *stream, void *ctx);

	/*
	 * The end. reason: 0 closed in order; -ECONNRESET, -EPIPE, -ETIMEDOUT ... as the kernel
	 * said; -ENOBUFS a limit of this library; or what quoit_stream_abort() was given.
	 */
	void (*closed)(struct quoit_stream *stream, int reason, void *ctx);

	size_t high_bytes;     /* unsent bytes above which receiving pauses; default 256 KiB */
	size_t low_bytes;      /* and below which it goes on; default high / 4 */
	size_t keep_bytes_max; /* most that quoit_stream_keep() may ask for; default 64 KiB */
};

/* Names a stream across cores and time: looking it up may answer that it is gone. */
struct quoit_stream_id {
	uint32_t core;
	uint32_t slot;
	uint32_t generation;
};

/*
 * Send a copy of these bytes, in order behind what was sent before. Everything sent in one turn of
 * the loop leaves together.
 *
 * Gives 0; 1 when more than the high mark now waits: stop sending until `writable`. Receiving on
 * this stream pauses by itself meanwhile, so an echo needs no care.
 * Errors: -EPIPE the stream is closing; -ENOBUFS the send memory of the core is used up: since a
 * part of a message must not be missing, the stream is then aborted with that reason.
 */
int quoit_stream_send(struct quoit_stream *stream, const void *data, size_t len);

/*
 * Let what is sent wait until it is let go, instead of leaving with the turn: for a handler that
 * knows that the rest of an answer is about to come. More than the high mark, and a close, let go
 * by themselves.
 */
void quoit_stream_cork(struct quoit_stream *stream);
void quoit_stream_uncork(struct quoit_stream *stream);

/* Bytes accepted by send that the kernel has not taken yet. */
size_t quoit_stream_unsent(const struct quoit_stream *stream);

/*
 * Ask, inside `data`, to see the last `n` bytes again, contiguous with what follows. A handler that
 * cannot go on now pauses first and keeps all that it has not handled, however much that is.
 * Errors: -EINVAL more than were given, or outside of `data`; -EMSGSIZE above keep_bytes_max.
 */
QUOIT_MUST_CHECK int quoit_stream_keep(struct quoit_stream *stream, size_t n);

/*
 * Ask, inside `data` and together with keep, not to be called before `n` bytes are there: for a
 * message whose length is known, so that it is looked at once and not at every piece. If the peer
 * ends before they have come, or the runtime stops, it is not called with the part any more.
 * Errors: -EMSGSIZE above keep_bytes_max.
 */
QUOIT_MUST_CHECK int quoit_stream_need(struct quoit_stream *stream, size_t n);

/*
 * Stop receiving, and go on. Bytes that the kernel had delivered already wait for the resume; so do
 * kept bytes, which are shown again by it even if nothing new has come.
 */
void quoit_stream_pause(struct quoit_stream *stream);
void quoit_stream_resume(struct quoit_stream *stream);

/*
 * Say that an answer is still owed on this stream, and that it no longer is. While a hold is left,
 * neither the peer's half-close nor the stop of the runtime closes the stream. Holds nest.
 */
void quoit_stream_hold(struct quoit_stream *stream);
void quoit_stream_release(struct quoit_stream *stream);

/*
 * Close when the peer has everything that was sent; if nothing moves for 5 s it is given up, with
 * -ETIMEDOUT. Nothing more is received. Holds do not delay it.
 */
void quoit_stream_close(struct quoit_stream *stream);

/* Close at once; what is unsent is dropped. `reason` (0 or -errno) goes to `closed`. */
void quoit_stream_abort(struct quoit_stream *stream, int reason);

/* A pointer of the caller's own. */
void quoit_stream_set_user(struct quoit_stream *stream, void *user);
void *quoit_stream_user(const struct quoit_stream *stream);

/* Its name across cores, which stays behind when the stream is gone. Thread: its core's. */
struct quoit_stream_id quoit_stream_id(const struct quoit_stream *stream);

QUOIT_C_END

#endif
