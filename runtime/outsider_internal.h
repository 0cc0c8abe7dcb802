/* SPDX-License-Identifier: MIT */
/*
 * outsider_internal.h - where a core takes in what threads that are no cores have posted.
 *
 * The core must know when it has seen the last accepted post, of threads that need not say goodbye.
 * So each lane has a gate, one word: a post adds GATE_BUSY before it looks whether the gate is
 * closed, and takes it away when it has published; the core adds GATE_CLOSED once. All are
 * read-modify-writes of one word, so they have an order: who was busy first is waited for, and its
 * message is seen; who comes after the closing sees it and has not posted.
 *
 * A gate is only busy inside quoit_outsider_post(), which waits for nothing. Whatever of the core a
 * post touches (its armed flag, its handlers) it touches behind the gate. The rest outlives the
 * core: it is freed by the last of the core's joiner and the threads that have joined; the bell is
 * a descriptor of its own for the core's eventfd (defect D-10).
 *
 * edge    released by                     acquired by                      carries
 * gate    leave: word                     quoit_outside_is_drained: word   the last posts
 * shut    quoit_outside_close: word       enter: word                      "no more"
 * last    drop: references                drop: references                 nobody touches it
 */
#ifndef QUOIT_RUNTIME_OUTSIDER_INTERNAL_H
#define QUOIT_RUNTIME_OUTSIDER_INTERNAL_H

#include <quoit/numa/region.h>
#include <quoit/runtime/mail_internal.h>
#include <quoit/runtime/outsider.h>

#define QUOIT_OUTSIDERS_MAX 4096

/* By a lane's id, whoever has it. */
struct quoit_outside_gate {
	QUOIT_ISOLATED uint32_t word;
};

/* One per core. */
struct quoit_outside {
	struct quoit_mpsc *channel;
	struct quoit_runtime *runtime; /* behind a gate only, like the next */
	struct quoit_mail *mail;
	struct quoit_region region; /* this struct and the gates */
	uint32_t most;
	int node;
	int bell; /* -1 until somebody joins; under the runtime's lock */
	QUOIT_ISOLATED uint32_t references;
	struct quoit_outside_gate gates[];
};

/*
 * On the core's thread; joins it to `mail`, whose handlers get the messages.
 * Errors: those of quoit_region_open() and quoit_mpsc_create().
 */
QUOIT_MUST_CHECK int quoit_outside_open(struct quoit_mail *mail, struct quoit_runtime *runtime,
					int node, uint32_t most, size_t capacity);

/* The core's joiner touches it no more. NULL is let be. */
void quoit_outside_release(struct quoit_outside *outside);

/* Accept nothing from now on. Thread: the core's. */
void quoit_outside_close(struct quoit_outside *outside);

/* Once closed: has everything that was accepted been handled? Thread: the core's. */
bool quoit_outside_is_drained(const struct quoit_outside *outside);

/* Hand out what there is, up to `budget`. Gives how many messages. Thread: the core's. */
size_t quoit_outside_dispatch(struct quoit_outside *outside, size_t budget);

/* Has anybody ever joined? */
QUOIT_HOT bool quoit_outside_is_used(const struct quoit_outside *outside)
{
	return outside && quoit_mpsc_lanes(outside->channel);
}

#endif
