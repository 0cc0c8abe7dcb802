/* SPDX-License-Identifier: MIT */
/*
 * rtm_registry_internal.h - which pool has an address: asked by every call that gets a block and no
 * pool, on any thread, at any time.
 *
 * Two tables of the same ranges in order, and a number that says which of them to read. Who changes
 * them changes the one that is not read, counts the number up, and then changes the other: readers
 * never wait for a writer that was stopped half-way, as they would for a lock. A reader that sees
 * another number at the end than at the beginning begins again; it does so only when a pool was
 * created or deleted meanwhile.
 *
 * edge    released by                acquired by               carries
 * tables  quoit__rtm_registry_turn   quoit__rtm_registry_find  the table that may be read now
 * stale   quoit__rtm_registry_write  quoit__rtm_registry_find  the number, to who reads too late
 */
#ifndef QUOIT_NUMA_RTM_REGISTRY_INTERNAL_H
#define QUOIT_NUMA_RTM_REGISTRY_INTERNAL_H

#include <errno.h>

#include <quoit/numa/atomic.h>

#ifndef QUOIT__RTM_RANGES_MOST
#define QUOIT__RTM_RANGES_MOST 256
#endif

struct quoit__rtm_range {
	uint64_t from, to; /* addresses; `to` is the first behind it */
};

struct quoit__rtm_registry {
	QUOIT_ISOLATED uint64_t turn; /* even: read table 0 */
	struct {
		uint64_t count;
		struct quoit__rtm_range ranges[QUOIT__RTM_RANGES_MOST];
	} tables[2];
};

/* Where the range that has `address` begins, or 0. Thread: any. Cost: 9 looks. */
QUOIT_HOT uint64_t quoit__rtm_registry_find(const struct quoit__rtm_registry *r, uint64_t address)
{
	uint64_t turn, found;

	do {
		turn = quoit_load_acquire(
			&r->turn); /* tables: pairs with quoit__rtm_registry_turn() */
		const struct quoit__rtm_range *const ranges = r->tables[turn & 1].ranges;
		/* stale: pairs with quoit__rtm_registry_write() */
		uint64_t below = 0, above = quoit_load_acquire(&r->tables[turn & 1].count);

		while (below < above) {
			const uint64_t middle = (below + above) / 2;

			/* stale: pairs with quoit__rtm_registry_write() */
			if (quoit_load_acquire(&ranges[middle].from) <= address)
				below = middle + 1;
			else
				above = middle;
		}
		found = 0;
		/* stale: pairs with quoit__rtm_registry_write() */
		if (below && address < quoit_load_acquire(&ranges[below - 1].to))
			/* stale: pairs with quoit__rtm_registry_write() */
			found = quoit_load_acquire(&ranges[below - 1].from);
	} while (quoit_load(&r->turn) != turn);
	return found;
}

/* Who reads this table meanwhile, because it is late, will see the new turn. */
QUOIT_HOT void quoit__rtm_registry_write(uint64_t *word, uint64_t value)
{
	quoit_store_release(word, value); /* stale: pairs with quoit__rtm_registry_find() */
}

/* Readers are led to the other table. */
QUOIT_HOT void quoit__rtm_registry_turn(struct quoit__rtm_registry *r)
{
	/* tables: pairs with quoit__rtm_registry_find() */
	quoit_store_release(&r->turn, quoit_load(&r->turn) + 1); /* the writer's */
}

/* Put a range into the table, in its order. */
static inline void quoit__rtm_registry_put(struct quoit__rtm_registry *r, int table,
					   struct quoit__rtm_range range)
{
	struct quoit__rtm_range *const ranges = r->tables[table].ranges;
	uint64_t *const count = &r->tables[table].count;
	const uint64_t n = quoit_load(count); /* the writer's, and so are the ranges */
	uint64_t i = n;

	for (; i && quoit_load(&ranges[i - 1].from) > range.from; i--) {
		quoit__rtm_registry_write(&ranges[i].from, quoit_load(&ranges[i - 1].from));
		quoit__rtm_registry_write(&ranges[i].to, quoit_load(&ranges[i - 1].to));
	}
	quoit__rtm_registry_write(&ranges[i].from, range.from);
	quoit__rtm_registry_write(&ranges[i].to, range.to);
	quoit__rtm_registry_write(count, n + 1);
}

/* Where in the table the range stands that begins there; its length if there is none. */
static inline uint64_t quoit__rtm_registry_place(const struct quoit__rtm_registry *r, int table,
						 uint64_t from)
{
	const uint64_t n = quoit_load(&r->tables[table].count); /* the writer's */
	uint64_t i = 0;

	while (i < n && quoit_load(&r->tables[table].ranges[i].from) != from)
		i++;
	return i;
}

/* Take out what stands there. */
static inline void quoit__rtm_registry_cut(struct quoit__rtm_registry *r, int table, uint64_t place)
{
	struct quoit__rtm_range *const ranges = r->tables[table].ranges;
	uint64_t *const count = &r->tables[table].count;
	const uint64_t n = quoit_load(count); /* the writer's, and so are the ranges */

	for (uint64_t i = place; i + 1 < n; i++) {
		quoit__rtm_registry_write(&ranges[i].from, quoit_load(&ranges[i + 1].from));
		quoit__rtm_registry_write(&ranges[i].to, quoit_load(&ranges[i + 1].to));
	}
	quoit__rtm_registry_write(count, n - 1);
}

/* One writer at a time. Gives -EMFILE if there are QUOIT__RTM_RANGES_MOST. */
QUOIT_MUST_CHECK static inline int quoit__rtm_registry_add(struct quoit__rtm_registry *r,
							   struct quoit__rtm_range range)
{
	if (quoit_load(&r->tables[0].count) == QUOIT__RTM_RANGES_MOST)
		return -EMFILE;
	for (int i = 0; i < 2; i++) {
		const int table = !(quoit_load(&r->turn) & 1);

		quoit__rtm_registry_put(r, table, range);
		quoit__rtm_registry_turn(r);
	}
	return 0;
}

/*
 * One writer at a time. Takes out the range that begins there, or gives -EFAULT: of two who delete
 * the same pool one comes second.
 */
QUOIT_MUST_CHECK static inline int quoit__rtm_registry_remove(struct quoit__rtm_registry *r,
							      uint64_t from)
{
	const uint64_t place = quoit__rtm_registry_place(r, 0, from); /* the same in both */

	if (place == quoit_load(&r->tables[0].count)) /* the writer's */
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		const int table = !(quoit_load(&r->turn) & 1);

		quoit__rtm_registry_cut(r, table, place);
		quoit__rtm_registry_turn(r);
	}
	return 0;
}

#endif
