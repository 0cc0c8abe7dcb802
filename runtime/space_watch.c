/* SPDX-License-Identifier: MIT */
/*
 * space_watch.c - see space_watch.h.
 *
 *     want --> arm, look --> not enough: sleep --> bell, pidfd --> task: look again --+
 *                  |                                                |                 |
 *                  +--> enough: task --> room()                     +--> gone()       |
 *                  ^                                                                  |
 *                  +------------------- still not enough: arm, look ------------------+
 *
 * All it has in the loop is a poll, which ends with the loop's other polls.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/space_watch.h>

#include <quoit/io/ops_internal.h>
#include <quoit/rings/shring_create.h>
#include <quoit/rings/shring_wait.h>
#include <quoit/runtime/loop_internal.h>

static void look_again(struct quoit_task *task, void *ctx);

static void look_soon(struct quoit_space_watch *watch)
{
	if (!watch->bell.stopping)
		quoit_task_defer(watch->bell.loop, &watch->task, look_again, watch);
}

/* Why nobody reads any more, or 0. System calls only after something was heard. */
static int end_of(struct quoit_space_watch *watch)
{
	struct quoit_shring *const ring = watch->ring;
	bool dead = false;

	if (watch->asks) {
		watch->asks = false;
		dead = quoit_shring_peer_state(ring, 0) == QUOIT_SHRING_DEAD;
		(void)quoit_shring_status(ring);
	}
	return ring->error		      ? ring->error
	       : quoit_shring_is_closed(ring) ? -ESHUTDOWN
	       : dead			      ? -EOWNERDEAD
					      : 0;
}

/* Is what is wanted there? If not, the next slot that is freed rings. */
static bool arm_and_look(struct quoit_space_watch *watch)
{
	quoit_shring_arm(watch->ring);
	if (!quoit_shring_has_room(watch->ring, watch->want) &&
	    !quoit_shring_is_closed(watch->ring))
		return false;
	quoit_shring_disarm(watch->ring);
	return true;
}

static void look_again(struct quoit_task *task, void *ctx)
{
	struct quoit_space_watch *const watch = ctx;
	const bool there = watch->want && arm_and_look(watch);
	const int error = watch->error ? 0 : end_of(watch);

	(void)task;
	if (error) {
		watch->error = error;
		watch->want = 0;
		if (watch->options.gone)
			watch->options.gone(watch, error, watch->options.ctx);
	} else if (there) {
		watch->want = 0;
		watch->options.room(watch, watch->options.ctx);
	}
}

/* --- what is heard --------------------------------------------------------------------------- */

static void bell_heard(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct quoit_space_watch *const watch = ctx;

	(void)poll;
	(void)events;
	watch->asks = true;
	look_soon(watch);
}

static void prepare_death(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	const struct quoit_space_watch *const watch = op->ctx;

	io_uring_prep_poll_add(sqe, quoit_shring_pidfd(watch->ring), POLLIN);
}

static void death_heard(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	struct quoit_space_watch *const watch = op->ctx;

	(void)flags;
	watch->asks = true;
	look_soon(watch);
	if (last && res <= 0) /* a lost completion, and cancelled for that; it is asked anyway */
		quoit_op_start(op);
}

/* --- start and stop -------------------------------------------------------------------------- */

static void stopped(struct quoit_poll *poll, int error, void *ctx)
{
	struct quoit_space_watch *const watch = ctx;

	(void)poll;
	(void)quoit_task_cancel(&watch->task);
	quoit_shring_disarm(watch->ring);
	if (watch->death)
		quoit_op_forget(watch->death);
	watch->death = NULL;
	watch->ring = NULL;
	if (watch->options.stopped) /* may free it */
		watch->options.stopped(watch, error, watch->options.ctx);
}

int quoit_space_watch_start(struct quoit_loop *loop, struct quoit_space_watch *watch,
			    struct quoit_shring *ring,
			    const struct quoit_space_watch_options *options)
{
	const struct quoit_poll_options bell = {.events = POLLIN,
						.mode = QUOIT_POLL_EDGE,
						.ready = bell_heard,
						.stopped = stopped,
						.ctx = watch};
	struct quoit_op *death = NULL;
	int rc;

	if (watch->ring)
		return -EBUSY;
	if (!options || !options->room || ring->role != QUOIT_SHRING_PRODUCER ||
	    !(ring->flags & QUOIT_SHRING_FLAG_BELLS))
		return -EINVAL;
	if (quoit_shring_pidfd(ring) >= 0) {
		death = quoit_op_take(&loop->ops, prepare_death, death_heard, watch);
		if (!death)
			return -ENOBUFS;
	}
	*watch = (struct quoit_space_watch){.options = *options, .death = death};
	quoit_shring_hush(ring); /* an earlier peer may have filled it */
	rc = quoit_poll_start(loop, &watch->bell, quoit_shring_bell(ring), &bell);
	if (rc) {
		if (death)
			quoit_op_forget(death);
		return rc;
	}
	watch->ring = ring;
	if (death)
		quoit_op_start(death);
	return 0;
}

int quoit_space_watch_want(struct quoit_space_watch *watch, size_t slots)
{
	if (!watch->ring || watch->bell.stopping)
		return -ESHUTDOWN;
	if (watch->error)
		return watch->error;
	if (!slots || slots > quoit_shring_capacity(watch->ring))
		return -EINVAL;
	if (watch->ring->mine != watch->ring->published)
		quoit_shring_flush(watch->ring);
	watch->want = slots;
	if (arm_and_look(watch))
		look_soon(watch);
	return 0;
}

void quoit_space_watch_stop(struct quoit_space_watch *watch)
{
	if (!watch->ring)
		return;
	(void)quoit_task_cancel(&watch->task);
	quoit_poll_stop(&watch->bell);
}

bool quoit_space_watch_is_active(const struct quoit_space_watch *watch)
{
	return watch->ring != NULL;
}
