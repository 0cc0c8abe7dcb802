/* SPDX-License-Identifier: MIT */
/* shring.c - what a ring between processes does when it has seen what cannot be. */
#include <errno.h>

#include <quoit/rings/shring_create.h>

static bool is_stale(const struct quoit_shring *ring)
{
	const struct quoit_shring_header *const shared = ring->home.shared;

	return shared && quoit_load(&shared->id.generation) != ring->home.id.generation;
}

/* Detached from the shared words: a peer's next store cannot make it look sound again. */
static void detach(struct quoit_shring *ring, int error)
{
	ring->detached = ring->seen;
	ring->peer_index = &ring->detached;
	quoit_store(&ring->closed, 1u); /* a hint to other threads: nothing comes with it */
	ring->error = error;
}

void quoit__shring_poison(struct quoit_shring *ring, uint64_t saw)
{
	detach(ring, is_stale(ring) ? -ESTALE : -EUCLEAN);
	quoit_reason_set(&ring->why, ring->error,
			 "the %s says it is at %llu, which cannot be: it was seen at %llu and we "
			 "are at %llu of %zu",
			 ring->role == QUOIT_SHRING_PRODUCER ? "consumer" : "producer",
			 (unsigned long long)saw, (unsigned long long)ring->seen,
			 (unsigned long long)ring->mine, quoit_shring_capacity(ring));
}

int quoit_shring_status(struct quoit_shring *ring)
{
	if (!ring->error && is_stale(ring)) {
		detach(ring, -ESTALE);
		quoit_reason_set(&ring->why, -ESTALE,
				 "the ring was begun anew by others: attach to it again");
	}
	return ring->error;
}
