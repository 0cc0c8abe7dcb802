/* SPDX-License-Identifier: MIT */
/*
 * shring_create.h - making a ring between two processes, attaching to one, and how the peer is.
 *
 * Nothing here is hot. shring.h says what all of it is about.
 * Thread: the one of this side, in all functions but where it says any.
 */
#ifndef QUOIT_RINGS_SHRING_CREATE_H
#define QUOIT_RINGS_SHRING_CREATE_H

#include <quoit/rings/shring.h>
#include <quoit/rings/spsc_create.h>

QUOIT_C_BEGIN

#define QUOIT_SHRING_BITS_MAX	31
#define QUOIT_SHRING_ALIGN_MAX	512
#define QUOIT_SHRING_FDS	3		  /* at most, to be passed for one ring */
#define QUOIT_SHRING_MOST_BYTES ((size_t)1 << 30) /* of a file that is attached, if nobody says */

/*
 * How to create or attach. Begin with zeros and `size`; fields that a later version adds are off
 * then. Where attaching asks for something that the ring is not, it is refused.
 */
struct quoit_shring_options {
	size_t size;		     /* sizeof(struct quoit_shring_options) */
	enum quoit_shring_role role; /* ours */
	uint32_t bits; /* capacity is 1 << bits, 1 to 31, all of it filled now; attaching, 0: any */
	size_t slot_bytes;   /* of one item */
	size_t slot_align;   /* of one item, a power of two up to 512; 0 is 1 */
	size_t most_bytes;   /* attaching: of each file; 0: QUOIT_SHRING_MOST_BYTES */
	uint32_t generation; /* attaching: the one that was promised; 0 takes any */

	int node;  /* creating: QUOIT_NODE_AUTO, ..._INTERLEAVE or prefer this one; 0 is one */
	bool lock; /* never swapped out; counts against RLIMIT_MEMLOCK */
	bool huge_pages; /* creating: from those set aside (vm.nr_hugepages), else transparent; for
			  * peers that would not punch holes, see shring.md, or hardened */
	bool require;	 /* refuse where node, lock or huge_pages fall short */

	bool waits;    /* creating: each side may sleep in the calls of shring_wait.h */
	bool bells;    /* creating: and in a loop, on an eventfd */
	bool hardened; /* creating: a file for each side; attaching: nothing less */
	bool trusted;  /* we may look at the peer's items in place */
};

/* Bits of quoit_shring.degraded. */
enum quoit_shring_shortfall {
	QUOIT_SHRING_UNBOUND = 1,  /* the node policy was refused */
	QUOIT_SHRING_UNLOCKED = 2, /* it may be swapped out */
	QUOIT_SHRING_SMALL = 4,	   /* pages are small */
};

/* --- beginning and ending -------------------------------------------------------------------- */

/*
 * Make a ring and take options->role in it. A shortfall of the placement is told in `why` and in
 * ring->degraded, although the answer is 0.
 *
 * Thread: any; with QUOIT_NODE_AUTO one that runs near where the ring is used.
 * Owns: the caller, until quoit_shring_destroy(). *ring is untouched on failure.
 * Errors: -EINVAL for options that cannot be; -EOVERFLOW more bytes than can be; -EFBIG more than
 * RLIMIT_FSIZE; -EOPNOTSUPP a kernel without sealed memory files; -ENOENT no /proc, without which
 * no role can be taken; those of memfd_create(2), fallocate(2), mmap(2) and eventfd(2); with
 * `require` the -errno of the shortfall; all with the reason.
 */
QUOIT_MUST_CHECK int quoit_shring_create(const struct quoit_shring_options *options,
					 struct quoit_shring **ring, struct quoit_reason *why);

/*
 * Attach to a ring that another process has made, from the descriptors that quoit_shring_fds() gave
 * there, in that order; they stay the caller's, who may close them. Whatever they are: nothing is
 * mapped before it has been checked.
 *
 * Of a hardened ring quoit_shring_fd() must then be passed back, for quoit_shring_join().
 *
 * Thread, Owns: as create.
 * Errors: -EINVAL for options; -EBADF, -ENOTSUP what is no sealed memory file; -EUCLEAN one that
 * has no seals, or whose size is not what it says, or of a hardened ring one that is not filled;
 * -EFBIG larger than most_bytes, or our part than RLIMIT_FSIZE; -EAGAIN somebody has a lease on it;
 * -EPROTO no ring, or one of other items; -EPROTONOSUPPORT of another version; -EBADMSG bells are
 * missing or are none; -EBUSY the role is taken by a process that lives; -ESHUTDOWN it was closed;
 * -ESTALE another generation; -EACCES, -ENOENT its file cannot be opened through /proc; those of
 * mmap(2); all with the reason.
 */
QUOIT_MUST_CHECK int quoit_shring_attach(const int *fds, size_t fd_count,
					 const struct quoit_shring_options *options,
					 struct quoit_shring **ring, struct quoit_reason *why);

/*
 * The creator of a hardened ring has been given the other side's file. Until then the ring looks as
 * if the other side had not done anything yet. `fd` stays the caller's.
 *
 * Thread: this side's, outside of all other calls of any of its threads.
 * Errors: -EINVAL for a ring that is not hardened, or was joined; -EPROTO a file that is not the
 * other part of this ring; the others as quoit_shring_attach(); all with the reason.
 */
QUOIT_MUST_CHECK int quoit_shring_join(struct quoit_shring *ring, int fd, struct quoit_reason *why);

/*
 * Give the role back, wake the peer to tell it, unmap and close everything of this side. Does not
 * close the ring: another process may take the role. NULL is let be. In a forked child, whatever
 * its pid, it only unmaps and closes: the role is the parent's. Thread: any, after this side has
 * ended.
 */
void quoit_shring_destroy(struct quoit_shring *ring);

/*
 * Begin it anew, empty and open, with the next generation: what was not read is gone. Nobody may
 * have the other role, which is what makes this safe; a handle of an earlier generation, should
 * there be one, gets -ESTALE. What was known of the peer, its pidfd too, is forgotten. No other
 * thread of this side is in a call meanwhile, but quoit_shring_is_closed().
 *
 * Errors: -EBUSY the other role is taken; -EOPNOTSUPP a hardened ring: make another; with the
 * reason.
 */
QUOIT_MUST_CHECK int quoit_shring_reset(struct quoit_shring *ring, struct quoit_reason *why);

/*
 * What the peer needs to attach, at most QUOIT_SHRING_FDS: the file, then with bells those for data
 * and for space. Gives how many. To be passed, not closed: the ring owns them.
 * Thread: any.
 */
size_t quoit_shring_fds(const struct quoit_shring *ring, int *fds);

/* The file alone; what the attacher of a hardened ring passes back. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT int quoit_shring_fd(const struct quoit_shring *ring)
{
	return ring->home.fd;
}

/* As created, or as attached: it never changes but by reset. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT uint32_t quoit_shring_generation(const struct quoit_shring *ring)
{
	return ring->home.id.generation;
}

/*
 * Is the ring sound? Looks at the generation too.
 * Errors: -EUCLEAN the peer, or somebody else, has written what cannot be; -ESTALE the ring has
 * been begun anew by others. quoit_shring_why() has the words.
 */
int quoit_shring_status(struct quoit_shring *ring);

/* What poisoned it; its error is 0 as long as nothing has. */
QUOIT_RT_WAITFREE QUOIT_HOT const struct quoit_reason *quoit_shring_why(
	const struct quoit_shring *ring)
{
	return &ring->why;
}

/* --- the peer -------------------------------------------------------------------------------- */

enum quoit_shring_peer {
	QUOIT_SHRING_ABSENT, /* nobody has had that role yet, as far as we know */
	QUOIT_SHRING_ALIVE,
	QUOIT_SHRING_STALE, /* it lives, but has not beaten for longer than was asked */
	QUOIT_SHRING_DEAD,  /* its process has died, or has given the role back */
};

/*
 * Let the peer's death be seen by this too: a pidfd, from quoit_peer_pidfd() or SCM_PIDFD. The ring
 * takes a dup; -1 takes it away again. Who takes the role over after a death needs another.
 * Errors: those of fcntl(2).
 */
QUOIT_MUST_CHECK int quoit_shring_set_peer(struct quoit_shring *ring, int pidfd);

/*
 * That dup, for a loop that polls it: readable when the process has died; or -1. It is closed by
 * the next quoit_shring_set_peer() and by reset. Thread: any.
 */
QUOIT_RT_WAITFREE QUOIT_HOT int quoit_shring_pidfd(const struct quoit_shring *ring)
{
	return ring->home.pidfd;
}

/*
 * How is the other side? Death is told by the pidfd or by the lock of its role, whichever is first,
 * and does not depend on traffic or on any clock. With `stale_ns` not 0, a peer that lives is STALE
 * if its beat has not changed since we first saw it as it is, that long ago by our own monotonic
 * clock. A peer that never beats has to be asked with 0.
 *
 * What it had published before its death is still there to be read.
 * Cost: two or three system calls.
 */
enum quoit_shring_peer quoit_shring_peer_state(struct quoit_shring *ring, uint64_t stale_ns);

/* Show that we are not stuck: from a timer, every 10 to 100 ms, whether there is traffic or not. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_shring_beat(struct quoit_shring *ring)
{
	quoit_store(ring->beat, ++ring->beats); /* a hint */
}

QUOIT_C_END

#endif
