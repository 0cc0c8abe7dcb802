/* SPDX-License-Identifier: MIT */
/*
 * bell.c - eventfds as the event loop uses them, and broken contracts.
 *
 * A notifier's fd is the number of a bell. The loop polls its eventfd and never reads it: a write
 * gives one completion, further writes before it is taken add nothing, and one after that gives a
 * new one. So a bell is a flag that a write raises and the end of a wait takes down. The kernel's
 * own ordering is left out: whoever is woken has not thereby seen what the ringer wrote before.
 */
#include <model/model_internal.h>

#include <stdlib.h>

static struct model_site ring_site = {
	"quoit_notify_ring", __FILE__, "bell", __LINE__, MODEL_RING, 0, 0, false, false, NULL};
static struct model_site wait_site = {"model_wait", __FILE__, "bell", __LINE__, MODEL_WAIT, 0, 0,
				      false,	    false,    NULL};

static struct model_site hush_site = {"model_hush", __FILE__, "bell", __LINE__, MODEL_RING, 0, 0,
				      false,	    false,    NULL};

static struct quoit_wake never_armed;

/* In the place of rings/notify.c. */
struct quoit_notify quoit_notify_nobody = {.wake = &never_armed, .fd = -1};

int quoit_notify_ring(const struct quoit_notify *notify)
{
	const unsigned bell = (unsigned)notify->fd % MODEL_BELLS;

	if (!model.current) {
		model.rung[bell] = true;
		return 0;
	}
	model__reach(&ring_site, (struct step){(uint8_t)(OBJECT_BELL + bell), false});
	model__trace(&ring_site, "rings bell %u%s", bell, model.rung[bell] ? ", again" : "");
	model.rung[bell] = true;
	return 0;
}

void model_ring_for_ever(const struct quoit_notify *notify)
{
	(void)quoit_notify_ring(notify);
	model.lasts[(unsigned)notify->fd % MODEL_BELLS] = true;
}

void model_wait(const struct quoit_notify *notify)
{
	const unsigned bell = (unsigned)notify->fd % MODEL_BELLS;

	model__trace(&wait_site, "wants to sleep on bell %u", bell);
	model__reach(&wait_site, (struct step){(uint8_t)(OBJECT_BELL + bell), false});
	model__trace(&wait_site, "woken by bell %u", bell);
	model.rung[bell] = model.lasts[bell];
}

void model_hush(const struct quoit_notify *notify)
{
	const unsigned bell = (unsigned)notify->fd % MODEL_BELLS;

	model__reach(&hush_site, (struct step){(uint8_t)(OBJECT_BELL + bell), false});
	model__trace(&hush_site, "hushes bell %u", bell);
	model.rung[bell] = model.lasts[bell];
}

/*
 * A broken contract of the code under test ends the execution and not the checker: this stands in
 * for the C library's abort().
 */
void abort(void)
{
	if (model.current || model.outcome == COMPLETE)
		model_violated("a contract is broken (CONFIG_ASSERT)");
	_Exit(134);
}
