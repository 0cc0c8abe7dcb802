/* SPDX-License-Identifier: MIT */
/* outsider.c - see outsider.h, and outsider_internal.h for how it ends. */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/outsider_internal.h>
#include <quoit/runtime/runtime_internal.h>

#include <errno.h>
#include <string.h>

#include <quoit/numa/clock.h>

#define GATE_BUSY   1u
#define GATE_CLOSED 0x80000000u

/* --- the core's end -------------------------------------------------------------------------- */

int quoit_outside_open(struct quoit_mail *mail, struct quoit_runtime *runtime, int node,
		       uint32_t most, size_t capacity)
{
	const struct quoit_mpsc_options channel = {
		.item_bytes = sizeof(struct quoit_message),
		.capacity_slots = capacity,
		.producers_most = most,
		.waits = true,
	};
	const struct quoit_region_options place = {
		.bytes = sizeof(struct quoit_outside) + most * sizeof(struct quoit_outside_gate) +
			 QUOIT_ISOLATION,
		.node = node,
		.name = "quoit outsiders",
	};
	struct quoit_region region = {0};
	struct quoit_outside *outside;
	int rc = quoit_region_open(&region, &place, NULL);

	if (rc < 0)
		return rc;
	outside = quoit_region_take(&region, place.bytes - QUOIT_ISOLATION, QUOIT_ISOLATION);
	QUOIT_ASSERT(outside); /* the region was sized for it */
	rc = quoit_mpsc_create(&channel, &outside->channel);
	if (rc < 0) {
		quoit_region_close(&region);
		return rc;
	}
	outside->runtime = runtime;
	outside->mail = mail;
	outside->region = region;
	outside->most = most;
	outside->node = node;
	outside->bell = -1;
	outside->references = 1;
	mail->outside = outside;
	return 0;
}

static void drop(struct quoit_outside *outside)
{
	struct quoit_region region;

	if (quoit_add(&outside->references, -1u) != 1) /* last: pairs with drop() */
		return;
	if (quoit_mpsc_destroy(outside->channel) < 0)
		return; /* somebody has let go of it without leaving it */
	if (outside->bell >= 0)
		quoit__sys_close(outside->bell);
	region = outside->region; /* it lies inside itself */
	quoit_region_close(&region);
}

void quoit_outside_release(struct quoit_outside *outside)
{
	if (outside)
		drop(outside);
}

void quoit_outside_close(struct quoit_outside *outside)
{
	quoit_mpsc_close(outside->channel); /* wakes those who wait for room */
	for (uint32_t i = 0; i < outside->most; i++)
		/* shut: pairs with enter() */
		(void)quoit_add(&outside->gates[i].word, GATE_CLOSED);
}

bool quoit_outside_is_drained(const struct quoit_outside *outside)
{
	/* The gates first: what was published behind them is then seen in the lanes. */
	for (uint32_t i = 0; i < quoit_mpsc_lanes(outside->channel); i++)
		/* gate: pairs with leave() */
		if (quoit_load_acquire(&outside->gates[i].word) != GATE_CLOSED)
			return false;
	return quoit_mpsc_is_empty(outside->channel);
}

static void handle(void *items, size_t n, uint32_t id, void *ctx)
{
	struct quoit_mail *mail = ctx;

	(void)id;
	quoit_mail_handle_span(mail, items, n, false);
	quoit_count(&mail->counts.messages_in, n);
}

size_t quoit_outside_dispatch(struct quoit_outside *outside, size_t budget)
{
	return quoit_mpsc_consume(outside->channel, budget, handle, outside->mail);
}

/* --- the outsider's end ---------------------------------------------------------------------- */

static bool is_a_core(const struct quoit_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->cores; i++)
		if (pthread_equal(runtime->seats[i].self, pthread_self()))
			return true;
	return false;
}

/*
 * Wait until all handlers are registered, and make the bell if this is the first one of the core.
 */
static int come_in(struct quoit_runtime *runtime, const struct quoit_core *core,
		   struct quoit_outside *outside)
{
	int rc = 0;

	pthread_mutex_lock(&runtime->lock);
	if (runtime->meetings < QUOIT_RUNTIME_MEETINGS && is_a_core(runtime))
		rc = -EDEADLK; /* they wait for it */
	while (!rc && runtime->meetings < QUOIT_RUNTIME_MEETINGS)
		pthread_cond_wait(&runtime->met, &runtime->lock);
	if (!rc && outside->bell < 0)
		rc = outside->bell = quoit__sys_duplicate(core->loop.notify.fd);
	pthread_mutex_unlock(&runtime->lock);
	return rc < 0 ? rc : 0;
}

int quoit_outsider_join(struct quoit_runtime *runtime, unsigned core,
			struct quoit_outsider *outsider)
{
	struct quoit_outside *outside;
	struct quoit_mpsc_producer seat;
	int rc;

	if (core >= runtime->cores || !runtime->seats[core].core)
		return -EINVAL;
	outside = runtime->seats[core].core->mail.outside;
	rc = come_in(runtime, runtime->seats[core].core, outside);
	if (!rc)
		rc = quoit_mpsc_register_on(
			outside->channel, outside->node < 0 ? QUOIT_MPSC_NODE_AUTO : outside->node,
			&seat);
	if (rc < 0)
		return rc;
	(void)quoit_add(&outside->references, 1); /* last: pairs with drop(); not the first one */
	*outsider = (struct quoit_outsider){.seat = seat, .home = outside};
	return 0;
}

static struct quoit_outside_gate *gate_of(const struct quoit_outsider *outsider)
{
	return &outsider->home->gates[outsider->seat.id];
}

static void ring(const struct quoit_outside *outside)
{
	struct quoit_wake unheard; /* the core's flag may be gone */
	const struct quoit_notify bell = {.wake = &unheard, .fd = outside->bell};

	(void)quoit_notify_ring(&bell); /* fails only on a closed fd, and this one is ours */
}

/* The core may be gone when this returns: of it, nothing may be touched then. */
static void leave(const struct quoit_outsider *outsider, bool owes_bell)
{
	/* gate: pairs with quoit_outside_is_drained() */
	const uint32_t before = quoit_add(&gate_of(outsider)->word, -GATE_BUSY);

	if (before & GATE_CLOSED) /* whoever this bell wakes must not find us busy still */
		quoit_wake_fence();
	if (owes_bell || before & GATE_CLOSED)
		ring(outsider->home); /* the core waits for this gate, perhaps asleep */
}

static bool enter(const struct quoit_outsider *outsider)
{
	/* shut: pairs with quoit_outside_close() */
	if (!(quoit_add(&gate_of(outsider)->word, GATE_BUSY) & GATE_CLOSED))
		return true;
	leave(outsider, false);
	return false;
}

/* Behind the gate. */
static int publish(struct quoit_outsider *outsider, unsigned op, const void *body, size_t len)
{
	struct quoit_message *slot;
	size_t at;

	if (!outsider->home->mail->handlers[op].fn)
		return -EINVAL;
	if (!quoit_mpsc_reserve(&outsider->seat, 1, &at))
		return quoit_spsc_is_closed(&outsider->seat.lane->ring) ? -ESHUTDOWN : -EAGAIN;
	slot = quoit_mpsc_slot(&outsider->seat, at);
	*slot = (struct quoit_message){.op = (uint8_t)op, .source = QUOIT_SOURCE_OUTSIDE};
	if (len)
		memcpy(slot->body, body, len);
	quoit_mpsc_commit(&outsider->seat, 1);
	return 0;
}

/* Behind the gate, which its flag and its stamp need: must the core be rung? */
static bool owes_a_bell(const struct quoit_outsider *outsider)
{
	struct quoit_wake *const wake = outsider->home->mail->loop->notify.wake;

	quoit_wake_fence();
	if (!quoit_wake_owed(wake))
		return false;
	quoit__wake_stamp(wake, quoit_clock_now_ns());
	return true;
}

int quoit_outsider_post(struct quoit_outsider *outsider, unsigned op, const void *body, size_t len)
{
	bool owes_bell = false;
	int rc;

	if (op >= QUOIT_OPERATIONS || len > QUOIT_MESSAGE_BODY)
		return -EINVAL;
	if (!enter(outsider))
		return -ESHUTDOWN;
	rc = publish(outsider, op, body, len);
	if (!rc)
		owes_bell = owes_a_bell(outsider);
	leave(outsider, owes_bell);
	return rc;
}

static bool is_posted_by_a_core(const struct quoit_outsider *outsider)
{
	bool is;

	if (!enter(outsider))
		return false; /* it does not have to wait either */
	is = is_a_core(outsider->home->runtime);
	leave(outsider, false);
	return is;
}

int quoit_outsider_post_wait(struct quoit_outsider *outsider, unsigned op, const void *body,
			     size_t len, const struct quoit_wait *how)
{
	int rc = quoit_wait_check(how);

	if (rc < 0)
		return rc;
	while ((rc = quoit_outsider_post(outsider, op, body, len)) == -EAGAIN) {
		if (is_posted_by_a_core(outsider))
			return -EDEADLK;
		rc = quoit_mpsc_wait_space(&outsider->seat, 1, how);
		if (rc < 0)
			return rc;
	}
	return rc;
}

void quoit_outsider_leave(struct quoit_outsider *outsider)
{
	struct quoit_outside *outside = outsider->home;

	if (!outside || quoit_mpsc_deregister(&outsider->seat) < 0)
		return;
	outsider->home = NULL;
	drop(outside);
}
