/* SPDX-License-Identifier: MIT */
/* metrics.c - looking at what a ring has counted. The counting is inline in metrics.h. */
#include <string.h>

#include <quoit/rings/metrics.h>

void quoit_meter_read(const struct quoit_meter *meter, struct quoit_metrics *out)
{
	const struct quoit_meter_side *const sent = &meter->producer;
	const struct quoit_meter_side *const got = &meter->consumer;

	out->items_sent = quoit_load(&sent->items); /* counters, all of them */
	out->batches_sent = quoit_load(&sent->batches);
	out->batch_sent_max = quoit_load(&sent->items_max);
	out->reserve_failures = quoit_load(&sent->failures);
	out->producer_spins = quoit_load(&sent->spins);
	out->producer_waits = quoit_load(&sent->waits);
	out->producer_wait_ns = quoit_load(&sent->wait_ns);

	out->items_received = quoit_load(&got->items);
	out->batches_received = quoit_load(&got->batches);
	out->batch_received_max = quoit_load(&got->items_max);
	out->claims_lost = quoit_load(&got->failures);
	out->consumer_spins = quoit_load(&got->spins);
	out->consumer_waits = quoit_load(&got->waits);
	out->consumer_wait_ns = quoit_load(&got->wait_ns);

	out->batches_held = quoit_load(&got->held);
	out->held_ns = quoit_load(&got->held_ns);
	out->held_ns_min = quoit_load(&got->held_ns_min);
	out->held_ns_max = quoit_load(&got->held_ns_max);
}

void quoit_meter_reset(struct quoit_meter *meter)
{
	memset(meter, 0, sizeof(*meter));
}

void quoit_metrics_merge(struct quoit_metrics *into, const struct quoit_metrics *from)
{
	if (from->batches_held)
		into->held_ns_min = quoit_min(from->held_ns_min,
					      into->batches_held ? into->held_ns_min : UINT64_MAX);

	into->items_sent += from->items_sent;
	into->batches_sent += from->batches_sent;
	into->batch_sent_max = quoit_max(into->batch_sent_max, from->batch_sent_max);
	into->reserve_failures += from->reserve_failures;
	into->producer_spins += from->producer_spins;
	into->producer_waits += from->producer_waits;
	into->producer_wait_ns += from->producer_wait_ns;

	into->items_received += from->items_received;
	into->batches_received += from->batches_received;
	into->batch_received_max = quoit_max(into->batch_received_max, from->batch_received_max);
	into->claims_lost += from->claims_lost;
	into->consumer_spins += from->consumer_spins;
	into->consumer_waits += from->consumer_waits;
	into->consumer_wait_ns += from->consumer_wait_ns;

	into->batches_held += from->batches_held;
	into->held_ns += from->held_ns;
	into->held_ns_max = quoit_max(into->held_ns_max, from->held_ns_max);
}

static double quotient(uint64_t of, uint64_t by)
{
	return by ? (double)of / (double)by : 0;
}

double quoit_metrics_batch_mean(const struct quoit_metrics *metrics)
{
	return quotient(metrics->items_sent, metrics->batches_sent);
}

double quoit_metrics_batch_received_mean(const struct quoit_metrics *metrics)
{
	return quotient(metrics->items_received, metrics->batches_received);
}

double quoit_metrics_held_ns_mean(const struct quoit_metrics *metrics)
{
	return quotient(metrics->held_ns, metrics->batches_held);
}

double quoit_metrics_rate(const struct quoit_metrics *metrics, uint64_t elapsed_ns)
{
	return quotient(metrics->items_received, elapsed_ns) * 1e9;
}
