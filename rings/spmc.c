/* SPDX-License-Identifier: MIT */
/* spmc.c - beginning an SPMC ring, and the seats of its consumers. */
#include <errno.h>

#include <quoit/rings/spmc.h>

int quoit_spmc_init_at(struct quoit_spmc *ring, void *slots, struct quoit_lane_block *blocks,
		       const struct quoit_spmc_options *options, uint64_t position)
{
	int rc;

	if (!options->consumers_most)
		return -EINVAL;
	rc = quoit_lane_init_at(&ring->lane, blocks, options->capacity_slots, options->block_slots,
				position);
	if (rc)
		return rc;
	ring->lane.slots = slots;
	ring->consumers = 0;
	ring->consumers_most = options->consumers_most;
	return 0;
}

int quoit_spmc_register_consumer(struct quoit_spmc *ring, struct quoit_spmc_consumer *consumer)
{
	uint64_t seated;

	/* Never above the limit, not even for a moment (defect D-26). */
	do {
		if (quoit_spmc_is_drained(ring))
			return -ESHUTDOWN;
		seated = quoit_load(&ring->consumers); /* hint: the exchange looks again */
		if (seated >= ring->consumers_most)
			return -EUSERS;
		/* seat: pairs with quoit_spmc_deregister_consumer() */
	} while (!quoit_cas_relaxed(&ring->consumers, seated, seated + 1));
	*consumer = (struct quoit_spmc_consumer){
		.ring = ring,
		/* publish: pairs with quoit_lane_publish() */
		.tail_seen = quoit_load_acquire(&ring->lane.tail),
	};
	return 0;
}

int quoit_spmc_attach_meter(struct quoit_spmc_consumer *consumer, struct quoit_meter *meter)
{
#ifdef QUOIT_CONFIG_METRICS
	consumer->meter = meter ? &meter->consumer : NULL;
	return 0;
#else
	(void)consumer;
	(void)meter;
	return -EOPNOTSUPP;
#endif
}

void quoit_spmc_deregister_consumer(struct quoit_spmc_consumer *consumer)
{
	QUOIT_ASSERT(consumer->held == 0);
	/* seat: pairs with quoit_spmc_register_consumer() */
	(void)quoit_add(&consumer->ring->consumers, UINT64_MAX);
	consumer->ring = NULL;
}

/* --- consumers that sleep by themselves ------------------------------------------------------ */

int quoit_spmc_attach_group(struct quoit_spmc *ring, struct quoit_group *group)
{
	const int rc = quoit_group_init(group, (size_t)ring->consumers_most);

	if (!rc)
		quoit_lane_attach_group(&ring->lane, group);
	return rc;
}

/* With the producer, and with who passes on or closes. */
static bool settle(struct quoit_spmc *ring)
{
	return quoit__notify_settle(&ring->lane.ringing, &ring->lane.group->callers);
}

int quoit_spmc_join(struct quoit_spmc *ring, struct quoit_notify *notify)
{
	/* Who looked too early has published before: the look behind quoit_wake_arm() sees it. */
	return quoit_group_join(ring->lane.group, notify);
}

int quoit_spmc_leave(struct quoit_spmc *ring, int place)
{
	quoit__group_put(ring->lane.group, place, &quoit_notify_nobody);
	if (!settle(ring))
		return -EAGAIN;
	quoit__group_put(ring->lane.group, place, NULL);
	(void)quoit_spmc_pass_on(ring); /* we may have been called at the last moment */
	return 0;
}

bool quoit_spmc_pass_on(struct quoit_spmc *ring)
{
	return quoit_lane_has_news(&ring->lane) && quoit_group_tell(ring->lane.group);
}
