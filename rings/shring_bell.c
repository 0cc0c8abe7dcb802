/* SPDX-License-Identifier: MIT */
/*
 * shring_bell.c - waking the other process, and being woken by an eventfd.
 *
 * The flags of an eventfd belong to all who hold it, so a hostile peer can take O_NONBLOCK away and
 * fill the counter, to make us wait in write(2). Reading is safe whatever they are, because it can
 * be told not to wait; for writing there is no such flag, so a bell that blocks is never rung
 * again.
 */
#include <quoit/numa/sys_shared_internal.h>

#include <quoit/rings/shring_wait.h>

/*
 * One bell is enough: a full counter is readable, and what it says is not believed. Nor is a write
 * that was interrupted tried again, because only one that waits can be.
 */
static void ring_it(int bell)
{
	const uint64_t one = 1;

	(void)quoit__sys_write(bell, &one, sizeof(one));
}

/* One of the two that the peer holds as well, as long as it lets us. Any thread. */
static void ring_bell(struct quoit_shring *ring, unsigned which)
{
	const int bell = ring->home.bells[which];

	if (bell < 0 || quoit_load(&ring->home.bell_spoilt[which])) /* a hint: of nothing else */
		return;
	if (quoit__sys_is_blocking(bell) != 0)
		quoit_store(&ring->home.bell_spoilt[which], 1u); /* likewise */
	else
		ring_it(bell);
}

void quoit__shring_stir(struct quoit_shring *ring, uint32_t kinds)
{
	if (kinds & QUOIT_SHRING_ASLEEP_FUTEX) {
		/* Its value means nothing to us: whoever slept on it sees that it has changed.
		 * stir: pairs with quoit__shring_key() */
		(void)quoit_add(ring->seq, 1);
		(void)quoit__sys_futex_wake_shared(ring->seq, 1);
	}
	if (kinds & QUOIT_SHRING_ASLEEP_BELL)
		ring_bell(ring, ring->role == QUOIT_SHRING_CONSUMER);
}

void quoit_shring_hush(struct quoit_shring *ring)
{
	uint64_t bells;

	(void)quoit__sys_read_now(quoit_shring_bell(ring), &bells, sizeof(bells));
}

void quoit_shring_close(struct quoit_shring *ring)
{
	quoit_store(&ring->closed, 1u);
	quoit_store_release(ring->own_closed, 1); /* close: pairs with quoit_shring_is_closed() */
	quoit__shring_fence(ring); /* whoever hushes the bell and sleeps again must see it closed */
	quoit__shring_stir(ring, QUOIT_SHRING_ASLEEP); /* whatever it says: it may be lying */
	/* And our own thread, if it is another: its futex's word is not ours to change. */
	(void)quoit__sys_futex_wake_shared(ring->peer_seq, 1);
	ring_bell(ring, ring->role == QUOIT_SHRING_PRODUCER);
	if (ring->home.own_bell >= 0) /* that one may be drained, or spoilt: this is ours alone */
		ring_it(ring->home.own_bell);
}
