/* SPDX-License-Identifier: MIT */
/*
 * shring_claim.c - roles and the peer: who may produce, who may consume, and whether he lives.
 *
 * A role is a write lock on a byte of the file, of the kind that belongs to an open file and not to
 * a process (F_OFD_SETLK). The descriptor that is passed on is one open file in all processes, so
 * each side opens the memory file anew, through /proc/thread-self/fd, and locks there. The kernel
 * frees the lock when that last descriptor is closed, however the process ends. Pids are no part of
 * it, so it holds across namespaces, and none can be used again by somebody else (defects D-40,
 * D-42).
 */
#include <quoit/rings/shring_internal.h>

#include <quoit/numa/clock.h>

size_t quoit__shring_lock_at(enum quoit_shring_role role)
{
	return role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_LOCK_PRODUCER
					     : QUOIT_SHRING_LOCK_CONSUMER;
}

enum quoit_shring_role quoit__shring_other(enum quoit_shring_role role)
{
	return role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_CONSUMER : QUOIT_SHRING_PRODUCER;
}

const char *quoit__shring_role_name(enum quoit_shring_role role)
{
	return role == QUOIT_SHRING_PRODUCER ? "producer" : "consumer";
}

static int open_anew(int fd, struct quoit_reason *why)
{
	char path[40];
	int claim;

	/* Of this thread: the first one may have ended, or have descriptors of its own. Without
	 * O_NONBLOCK a lease (F_SETLEASE) would hold us up, for /proc/sys/fs/lease-break-time. */
	(void)snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	claim = quoit__sys_open(path, O_RDWR | O_NONBLOCK);
	if (claim == -ENOENT)
		return quoit_reason_set(why, claim,
					"a role cannot be taken without /proc: mount it");
	if (claim == -EAGAIN)
		return quoit_reason_set(why, claim,
					"somebody has a lease on the ring's file, which keeps it "
					"from being opened: take another peer's");
	if (claim == -EACCES)
		return quoit_reason_set(why, claim,
					"the ring's file may not be written by this user: its "
					"creator must let the user, or others (fchmod)");
	if (claim < 0)
		return quoit_reason_set(why, claim, "the ring's file cannot be opened anew: %s",
					strerror(-claim));
	return claim;
}

int quoit__shring_claim(struct quoit_shring *ring, int fd, struct quoit_reason *why)
{
	const int claim = open_anew(fd, why);
	int rc;

	if (claim < 0)
		return claim;
	rc = quoit__sys_lock_byte(claim, quoit__shring_lock_at(ring->role), F_WRLCK);
	if (rc) {
		quoit__sys_close(claim);
		if (rc == -EAGAIN || rc == -EACCES)
			return quoit_reason_set(why, -EBUSY,
						"the ring has a %s that lives: wait for its end, "
						"or take the other role",
						quoit__shring_role_name(ring->role));
		return quoit_reason_set(why, rc, "the role cannot be locked: %s", strerror(-rc));
	}
	ring->home.claim = claim;
	ring->home.pid = quoit__sys_getpid();
	return 0;
}

bool quoit__shring_is_ours(const struct quoit_shring *ring)
{
	return *ring->home.is_ours != 0;
}

void quoit__shring_disclaim(struct quoit_shring *ring)
{
	if (ring->home.claim < 0)
		return;
	/* A fork shares the open file: closing it is nothing, unlocking it would be for both. */
	if (quoit__shring_is_ours(ring))
		(void)quoit__sys_lock_byte(ring->home.claim, quoit__shring_lock_at(ring->role),
					   F_UNLCK);
	quoit__sys_close(ring->home.claim);
	ring->home.claim = -1;
}

/* --- the peer -------------------------------------------------------------------------------- */

int quoit_shring_set_peer(struct quoit_shring *ring, int pidfd)
{
	int mine = -1;

	if (pidfd >= 0) {
		mine = quoit__sys_duplicate(pidfd);
		if (mine < 0)
			return mine;
	}
	if (ring->home.pidfd >= 0)
		quoit__sys_close(ring->home.pidfd);
	ring->home.pidfd = mine;
	return 0;
}

/* Whoever has had the role wrote his pid there; a hint that only he can make worse. */
static bool left_a_name(const struct quoit_shring *ring)
{
	const struct quoit_shring_header *const shared =
		ring->home.peer_map ? (const struct quoit_shring_header *)ring->home.peer_map
				    : (const struct quoit_shring_header *)ring->home.own_map;

	return quoit_load(ring->role == QUOIT_SHRING_PRODUCER ? &shared->consumer_owner
							      : &shared->producer_owner) != 0;
}

static enum quoit_shring_peer dead_or_alive(struct quoit_shring *ring)
{
	int locked;

	if (ring->home.pidfd >= 0 && quoit__sys_wait_until(ring->home.pidfd, POLLIN, 1) > 0)
		return QUOIT_SHRING_DEAD;
	locked = quoit__sys_byte_is_locked(ring->home.claim,
					   quoit__shring_lock_at(quoit__shring_other(ring->role)));
	if (locked == 0)
		return ring->home.met || left_a_name(ring) ? QUOIT_SHRING_DEAD
							   : QUOIT_SHRING_ABSENT;
	ring->home.met = true;
	return QUOIT_SHRING_ALIVE;
}

/* Since when has the beat been what it is, as far as we have looked? */
static bool is_stale(struct quoit_shring *ring, uint64_t stale_ns)
{
	const uint64_t beat = quoit_load(ring->peer_beat); /* any number: only changes count */
	const uint64_t now_ns = quoit_clock_now_ns();

	if (!ring->home.beat_seen_ns || beat != ring->home.beat_seen) {
		ring->home.beat_seen = beat;
		ring->home.beat_seen_ns = now_ns;
		return false;
	}
	return now_ns - ring->home.beat_seen_ns >= stale_ns;
}

enum quoit_shring_peer quoit_shring_peer_state(struct quoit_shring *ring, uint64_t stale_ns)
{
	const enum quoit_shring_peer state = dead_or_alive(ring);

	if (state != QUOIT_SHRING_ALIVE || !stale_ns)
		return state;
	return is_stale(ring, stale_ns) ? QUOIT_SHRING_STALE : QUOIT_SHRING_ALIVE;
}
