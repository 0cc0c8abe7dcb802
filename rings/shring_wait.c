/* SPDX-License-Identifier: MIT */
/*
 * shring_wait.c - the loop behind the blocking calls of a ring between processes.
 *
 * The peer may be dead, stuck or hostile, so nothing here waits for it alone: sleeps are cut into
 * pieces of a second, and after each the ring, the generation and the peer's role are looked at;
 * those on a bell also end with the peer's pidfd, and then ten seconds are one piece. Looking at
 * the role takes system calls, which a peer can make slow by locks without end, and frequent by
 * ringing: so it goes by the clock too.
 */
#include <quoit/numa/sys_shared_internal.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/shring_create.h>
#include <quoit/rings/shring_wait.h>

#define STEPS_PER_CLOCK 16u		 /* of those who only spin */
#define FIRST_ASK_NS	UINT64_C(100000) /* of those who do not sleep: most waits are over then */
#define ASK_NS		(QUOIT_SHRING_LOOK_NS / 100) /* between two looks at the peer's role */

/* How this side sleeps, if it sleeps until woken. */
static uint32_t how_to_sleep(const struct quoit_shring *ring)
{
	const bool bells = (ring->flags & QUOIT_SHRING_FLAG_BELLS) != 0;

	if (!(ring->flags & QUOIT_SHRING_FLAG_WAITS))
		return bells ? QUOIT_SHRING_ASLEEP_BELL : 0;
	/* A bell and the peer's pidfd can be slept on together, without looking up now and then. */
	return bells && ring->home.pidfd >= 0 ? QUOIT_SHRING_ASLEEP_BELL
					      : QUOIT_SHRING_ASLEEP_FUTEX;
}

/* One wait in progress. */
struct shring_wait {
	struct quoit_waiter waiter;
	size_t want;
	uint64_t ask_at_ns; /* the next look at the peer's role; 0: none was planned yet */
	uint32_t kind;	    /* how the next step sleeps; 0: it does not */
	bool slept;	    /* and nothing was armed since */
	bool has_asked;	    /* how the peer is, before it slept */
	bool too_early;	    /* to ask it again, at the last look */
};

/* The longest sleep: until we look by ourselves, or until the look that came too early now. */
static uint64_t sleep_until(const struct quoit_shring *ring, const struct shring_wait *w)
{
	const bool sees_death = w->kind == QUOIT_SHRING_ASLEEP_BELL && ring->home.pidfd >= 0;
	/* A peer that execs gives its role back and does not die, and any may forget to ring. */
	uint64_t until_ns = quoit_clock_now_ns() +
			    (sees_death ? 10 * QUOIT_SHRING_LOOK_NS : QUOIT_SHRING_LOOK_NS);

	if (w->too_early)
		until_ns = quoit_min(until_ns, w->ask_at_ns);
	if (w->waiter.how.deadline_ns)
		until_ns = quoit_min(until_ns, w->waiter.how.deadline_ns);
	return until_ns;
}

static void sleep_on(struct quoit_shring *ring, const struct shring_wait *w, uint32_t key)
{
	const uint64_t until_ns = sleep_until(ring, w);

	if (w->kind == QUOIT_SHRING_ASLEEP_FUTEX)
		(void)quoit__sys_futex_wait_shared(ring->peer_seq, key, until_ns);
	else
		(void)quoit__sys_wait_either(quoit_shring_bell(ring), ring->home.pidfd,
					     ring->home.own_bell, until_ns);
}

/* Before the look: announce a sleep, if one comes next. Gives the key. */
static uint32_t prepare(struct quoit_shring *ring, struct shring_wait *w)
{
	w->kind = 0;
	if (w->slept || !quoit__waiter_blocks(&w->waiter))
		return 0;
	w->kind = how_to_sleep(ring);
	if (w->kind == QUOIT_SHRING_ASLEEP_BELL)
		quoit_shring_hush(ring);
	if (w->kind)
		quoit__shring_arm(ring, w->kind);
	return quoit__shring_key(ring);
}

/* Take one step: sleep as announced, or what the strategy says. */
static void step(struct quoit_shring *ring, struct shring_wait *w, uint32_t key)
{
	if (w->slept) { /* it has only looked, without announcing anything */
		w->slept = false;
		return;
	}
	if (!w->kind) {
		quoit_waiter_wait(&w->waiter, NULL, 0);
		return;
	}
	sleep_on(ring, w, key);
	quoit_shring_disarm(ring);
	w->waiter.expired = quoit__waiter_is_late(&w->waiter);
	w->waiter.step++;
	w->slept = true;
}

static bool is_there(struct quoit_shring *ring, size_t want)
{
	return ring->role == QUOIT_SHRING_CONSUMER ? quoit__shring_arrived(ring) != 0
						   : quoit__shring_freed(ring) >= want;
}

/* Does this look not even need the clock? */
static bool only_looks(const struct shring_wait *w)
{
	return w->slept || (w->waiter.how.kind == QUOIT_WAIT_SPIN &&
			    w->waiter.step % STEPS_PER_CLOCK != STEPS_PER_CLOCK - 1);
}

/* Is it time to ask how the peer is? Before the first sleep, and then now and then. */
static bool is_time_to_ask(struct shring_wait *w)
{
	uint64_t now_ns;

	if (only_looks(w))
		return false;
	now_ns = quoit_clock_now_ns();
	if (!w->ask_at_ns)
		w->ask_at_ns = now_ns + FIRST_ASK_NS;
	w->too_early = now_ns < w->ask_at_ns && !(w->kind && !w->has_asked);
	if (w->too_early)
		return false;
	w->ask_at_ns = now_ns + ASK_NS;
	w->has_asked = w->kind != 0;
	return true;
}

/* The peer's end comes before the look: what was published before it is then found. */
static int look(struct quoit_shring *ring, struct shring_wait *w)
{
	const bool ask = is_time_to_ask(w);
	const bool gone = ask && quoit_shring_peer_state(ring, 0) == QUOIT_SHRING_DEAD;
	const bool closed = quoit_shring_is_closed(ring);
	const bool there = is_there(ring, w->want);
	const int status = ask ? quoit_shring_status(ring) : ring->error;

	if (there && (!closed || ring->role == QUOIT_SHRING_CONSUMER))
		return 0;
	if (status)
		return status;
	if (closed)
		return -ESHUTDOWN;
	if (gone)
		return -EOWNERDEAD;
	return w->waiter.expired ? -ETIMEDOUT : -EAGAIN;
}

static int wait_for(struct quoit_shring *ring, size_t want, const struct quoit_wait *how)
{
	struct shring_wait w = {.want = want};
	int rc;

	quoit_waiter_init(&w.waiter, how);
	while (true) {
		const uint32_t key = prepare(ring, &w);

		rc = look(ring, &w);
		if (rc != -EAGAIN)
			break;
		step(ring, &w, key);
	}
	if (w.kind)
		quoit_shring_disarm(ring);
	return rc;
}

static int check(const struct quoit_shring *ring, const struct quoit_wait *how)
{
	const int rc = quoit_wait_check(how);

	if (rc)
		return rc;
	return how->kind >= QUOIT_WAIT_BLOCK && !how_to_sleep(ring) ? -EINVAL : 0;
}

int quoit_shring_wait_data(struct quoit_shring *ring, const struct quoit_wait *how)
{
	const int rc = check(ring, how);

	if (rc)
		return rc;
	QUOIT_ASSERT(ring->role == QUOIT_SHRING_CONSUMER);
	if (quoit__shring_available(ring))
		return 0;
	return wait_for(ring, 1, how);
}

int quoit_shring_wait_space(struct quoit_shring *ring, size_t want, const struct quoit_wait *how)
{
	const int rc = check(ring, how);

	if (rc || !want || want > quoit_shring_capacity(ring))
		return -EINVAL;
	QUOIT_ASSERT(ring->role == QUOIT_SHRING_PRODUCER);
	if (quoit__shring_room(ring, want) >= want && !quoit_shring_is_closed(ring))
		return 0;
	if (ring->mine != ring->published)
		quoit_shring_flush(ring);
	return wait_for(ring, want, how);
}
