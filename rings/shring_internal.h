/* SPDX-License-Identifier: MIT */
/*
 * shring_internal.h - what the sources behind shring_create.h share: files, checks, roles.
 *
 * Never installed.
 */
#ifndef QUOIT_RINGS_SHRING_INTERNAL_H
#define QUOIT_RINGS_SHRING_INTERNAL_H

#include <quoit/numa/sys_shared_internal.h>

#include <quoit/numa/region.h>
#include <quoit/rings/shring_create.h>

/* What nobody may do to the file any more. */
#define SHRING_SEALS	      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SHRING_SEALS_HARDENED (SHRING_SEALS | F_SEAL_FUTURE_WRITE)

/* Around the public struct: the mapping that it lies in. */
struct shring_box {
	struct quoit_shring ring;
	struct quoit_region region;
	struct quoit_region life; /* a page of its own, that a forked child finds wiped */
};

/* --- shring_memory.c: files and mappings --- */

/* Bytes of a file with these slots, before rounding. Errors: -EOVERFLOW. */
int quoit__shring_bytes(uint64_t capacity, uint64_t slot_bytes, size_t *bytes);

/*
 * Make our file: sized, filled, mapped, placed, but without a header, and not sealed. Sets fd,
 * own_map, own_bytes and the bits of `degraded`; on failure nothing is left open.
 */
int quoit__shring_make(struct quoit_shring *ring, const struct quoit_shring_options *o,
		       size_t bytes, struct quoit_reason *why);

/* Map what has been checked, bring it in, and lock it if that is wanted. */
int quoit__shring_map(struct quoit_shring *ring, int fd, size_t bytes, bool writable,
		      const struct quoit_shring_options *o, void **map, struct quoit_reason *why);

/* --- shring_check.c: what a file from somebody else must be --- */

/* The options of create and attach alike, in our own size. */
int quoit__shring_options(const struct quoit_shring_options *from, bool create,
			  struct quoit_shring_options *o, struct quoit_reason *why);

struct shring_size {
	size_t bytes;	   /* of the file */
	size_t page_bytes; /* of which it is whole ones */
	bool is_filled;	   /* no page of it is missing */
};

/*
 * Is it a file of memory, and sealed? To be asked first, of the descriptor that was passed: it asks
 * no file system, which may be the peer's and never answer, not even to a close; and only of a
 * sealed file is the size, when it is asked for, the one that it keeps.
 */
int quoit__shring_check_sealed(int fd, struct quoit_reason *why);

/* Of a sealed one: is it of a size that can be? Nothing is mapped. */
int quoit__shring_check_file(int fd, size_t most_bytes, struct shring_size *size,
			     struct quoit_reason *why);

/* Copy its identification, once, and check the copy against itself and against the file. */
int quoit__shring_check_id(int fd, const struct shring_size *size, struct quoit_shring_id *id,
			   struct quoit_reason *why);

/* Is it the ring that the options want, and sealed as such a one must be? */
int quoit__shring_check_wanted(int fd, const struct shring_size *size,
			       const struct quoit_shring_id *id,
			       const struct quoit_shring_options *o, struct quoit_reason *why);

/* Is it an eventfd that does not block? */
int quoit__shring_check_bell(int fd, struct quoit_reason *why);

/* And one that a single read empties? It is rung by that. */
int quoit__shring_check_counter(int bell, struct quoit_reason *why);

/* --- shring_claim.c: who has which role --- */

size_t quoit__shring_lock_at(enum quoit_shring_role role);

enum quoit_shring_role quoit__shring_other(enum quoit_shring_role role);

const char *quoit__shring_role_name(enum quoit_shring_role role);

/* Open the file anew and take our role by a lock. Sets home.claim and home.pid. */
int quoit__shring_claim(struct quoit_shring *ring, int fd, struct quoit_reason *why);

/* Is this the process that made this side, and no fork of it? A pid may be the same in a child. */
bool quoit__shring_is_ours(const struct quoit_shring *ring);

/* Give it back, unless we are a forked child, and close. */
void quoit__shring_disclaim(struct quoit_shring *ring);

#endif
