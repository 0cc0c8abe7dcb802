/* SPDX-License-Identifier: MIT */
/*
 * stop.c - all cores stop together, and nothing that was accepted is lost.
 *
 *   no new   listeners close; streams finish what they have read and send what they owe
 *   quiet    own streams and own calls are over; still answers the others
 *   sealed   once all are quiet: no call can exist any more, so sending ends; lanes are finished,
 *            polls and signals stop, work that was submitted comes back, and channels have their
 *            last look and leave
 *   drained  once all are sealed and every lane was read to its end: handles no message any more
 *   silent   once all are drained: the bell's poll is cancelled
 *   gone     the thread ends; memory that others may touch is freed by whoever joins them all
 *
 * Phases only advance, and each wait is for a counter that only grows and whose last contributor
 * fences and wakes everybody; who waits looks once more when it is armed (rest.c). While anyone can
 * still need an answer, everyone still serves. Leaving as soon as one's own work is done would
 * strand the calls of the others; leaving before all are drained would free, in the stop function,
 * what a message that is still being handled points to.
 *
 * edge    released by                         acquired by                    carries
 * stop    quoit_runtime_stop: stop_wanted     quoit_runtime_is_stopping      the deadline
 * deadline  quoit_runtime_stop: deadline_ns set_deadline               itself only
 * quiet   announce: quiet, sealed, drained    all_are                        "I have come so far"
 */
#include <quoit/runtime/channel_internal.h>
#include <quoit/runtime/poll_internal.h>
#include <quoit/runtime/runtime_internal.h>
#include <quoit/runtime/work_internal.h>

#include <errno.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/numa/thread.h>

#define GRACE_NS       (2 * 1000 * 1000 * 1000ull) /* for the kernel to let go after the deadline */
#define TURNS_PER_LOOK 1024			   /* at the cpu, which costs a few ns */

bool quoit_runtime_is_stopping(const struct quoit_runtime *runtime)
{
	return quoit_load_acquire(
		&runtime->stop_wanted); /* stop: pairs with quoit_runtime_stop() */
}

/* Not elided: a core must look even if it is not armed. */
static void ring_everybody(struct quoit_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->cores; i++)
		if (runtime->seats[i].core)
			(void)quoit_notify_ring(
				&runtime->seats[i].core->loop.notify); /* open until joined */
}

void quoit_runtime_stop(struct quoit_runtime *runtime, uint64_t timeout_ns)
{
	const uint64_t now = quoit_clock_now_ns();
	const uint64_t wanted = timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
	const int errno_before = errno; /* a signal handler must leave it */
	uint64_t deadline;

	if (!quoit_runtime_is_ours(runtime))
		return; /* the parent's cores, whose bells we could ring */
	do {
		deadline = quoit_load(&runtime->deadline_ns); /* hint: the exchange looks again */
		/* deadline: pairs with set_deadline() */
	} while (wanted < deadline && !quoit_cas_relaxed(&runtime->deadline_ns, deadline, wanted));
	quoit_store_release(&runtime->stop_wanted,
			    1); /* stop: pairs with quoit_runtime_is_stopping() */
	quoit_wake_fence();
	ring_everybody(runtime);
	errno = errno_before;
}

/* Count this core in; the last one wakes all. */
static void announce(struct quoit_core *core, uint32_t *reached)
{
	struct quoit_runtime *runtime = core->runtime;

	if (quoit_add(reached, 1) + 1 != runtime->cores) /* quiet: pairs with all_are() */
		return;
	quoit_wake_fence();
	ring_everybody(runtime);
}

static bool all_are(const struct quoit_core *core, const uint32_t *reached)
{
	return quoit_load_acquire(reached) ==
	       core->runtime->cores; /* quiet: pairs with announce() */
}

/* The deadline has passed: end what is left, and say what it was. */
static void force(struct quoit_core *core)
{
	struct quoit_io *io = &core->io;
	struct quoit_reason why;
	const uint32_t streams = core->leaked ? 0 : io->streams.live; /* else told already */
	char oldest[QUOIT_STUCK_TEXT];
	uint32_t calls;

	quoit_core_note_stuck(core, oldest);
	calls = quoit_mail_cancel_calls(&core->mail);
	core->forced = true;
	quoit_io_abort(io, -ETIMEDOUT);
	if (!streams && !calls)
		return;
	quoit_reason_set(
		&why, -ETIMEDOUT,
		"core %u was cut off at the deadline with %u connections and %u calls open; "
		"longest: %s",
		core->index, streams, calls, oldest);
	quoit_runtime_note_error(core->runtime, &why);
}

/* The kernel still holds operations long after they were cancelled: their memory is not freed. */
static void give_up(struct quoit_core *core)
{
	struct quoit_reason why;

	quoit_reason_set(
		&why, -ETIMEDOUT,
		"core %u leaves %u streams and listeners to the kernel, which does not end "
		"them",
		core->index, quoit_io_live(&core->io));
	quoit_runtime_note_error(core->runtime, &why);
	core->leaked = true;
	quoit_io_give_up(&core->io, -ETIMEDOUT);
}

/*
 * The kernel takes nothing from this core any more, and tells it nothing. Its streams are over, and
 * so is the runtime; but what the others still ask of it, and it of them, it answers and reads,
 * looking now and then instead of sleeping.
 */
static void break_down(struct quoit_core *core)
{
	const int error = core->loop.uring.failed;
	const uint64_t timeout_ns = core->runtime->config.stop_timeout_ns;
	struct quoit_reason why;

	quoit_reason_set(&why, error, "the io_uring of core %u failed: %s", core->index,
			 strerror(-error));
	quoit_runtime_note_error(core->runtime, &why);
	core->broken = core->leaked = true;
	quoit_io_give_up(&core->io, error);
	/* Wakes those too whose bells were among what the kernel did not take. */
	quoit_runtime_stop(core->runtime, timeout_ns ? timeout_ns : QUOIT_STOP_TIMEOUT_NS);
}

/* Work is still under way at the deadline: what waits for a thread never runs. */
static void cut_work(struct quoit_core *core)
{
	struct quoit_reason why;
	const char *name;
	const unsigned works = quoit_works_open(&core->loop, &name);

	core->cut = true;
	quoit_works_cancel(&core->loop);
	if (!works)
		return;
	quoit_reason_set(&why, -ETIMEDOUT,
			 "core %u was cut off at the deadline with %u works under way, the first "
			 "of them: %s",
			 core->index, works, name);
	quoit_runtime_note_error(core->runtime, &why);
}

/* The same for channels: what is unread stays in the ring. */
static void cut_channels(struct quoit_core *core)
{
	struct quoit_reason why;
	const char *name;
	const unsigned unread = quoit_channels_cut(&core->loop, &name);

	if (!unread)
		return;
	quoit_reason_set(&why, -ETIMEDOUT,
			 "core %u was cut off at the deadline with %u channels not read to the "
			 "end, the first of them: %s",
			 core->index, unread, name);
	quoit_runtime_note_error(core->runtime, &why);
}

/* A thread, of the workers or a producer, or the kernel still holds what is the core's. */
static void give_up_attached(struct quoit_core *core)
{
	struct quoit_reason why;
	const char *name;
	const unsigned works = quoit_works_open(&core->loop, &name);
	const unsigned channels = works ? 0 : quoit_channels_open(&core->loop, &name);

	if (channels)
		quoit_reason_set(&why, -ETIMEDOUT,
				 "core %u leaves %u channels to producers that do not come to an "
				 "end with its bell, the first of them: %s",
				 core->index, channels, name);
	else if (works)
		quoit_reason_set(&why, -ETIMEDOUT,
				 "core %u leaves %u works to their threads, which do not end "
				 "them, the first of them: %s",
				 core->index, works, name);
	else
		quoit_reason_set(&why, -ETIMEDOUT,
				 "core %u leaves %u operations to the kernel, which does not end "
				 "them",
				 core->index, quoit_ops_live(&core->loop.ops));
	quoit_runtime_note_error(core->runtime, &why);
	core->leaked = core->abandoned = true;
}

static bool nothing_is_attached(const struct quoit_core *core)
{
	return core->abandoned ||
	       (!quoit_link_is_in(&core->loop.polls) && !quoit_link_is_in(&core->loop.channels) &&
		!quoit_works_are_open(&core->loop));
}

static void deadline_passed(struct quoit_timer *timer, void *ctx)
{
	struct quoit_core *core = ctx;

	switch (core->phase) {
	case QUOIT_PHASE_NO_NEW:
		if (core->forced) {
			give_up(core);
			return;
		}
		force(core);
		break;
	case QUOIT_PHASE_SEALED:
		if (nothing_is_attached(core))
			return; /* it waits for the others, who have the same deadline */
		if (core->cut) {
			give_up_attached(core);
			return;
		}
		cut_work(core);
		cut_channels(core);
		break;
	case QUOIT_PHASE_SILENT:
		give_up_attached(core);
		return;
	default:
		return; /* the other phases wait for nobody outside */
	}
	quoit_timers_start(&core->loop.timers, timer, core->loop.now_ns + GRACE_NS, deadline_passed,
			   core);
}

/* The deadline may have been brought nearer since. Tells whether it was. */
static bool set_deadline(struct quoit_core *core)
{
	/* deadline: pairs with quoit_runtime_stop(), whose bell makes us look again */
	const uint64_t deadline = quoit_load(&core->runtime->deadline_ns);

	if (core->forced || core->cut || deadline == core->deadline_ns)
		return false;
	core->deadline_ns = deadline;
	quoit_timers_start(&core->loop.timers, &core->deadline, deadline, deadline_passed, core);
	return true;
}

static void begin(struct quoit_core *core)
{
	core->loop.stop_seen = true;
	core->phase = QUOIT_PHASE_NO_NEW;
	quoit_io_stop(&core->io);
}

static bool owes_nothing(const struct quoit_core *core)
{
	return (core->leaked || !quoit_io_live(&core->io)) && !core->mail.calls_open;
}

/*
 * No call can exist any more, so nobody waits for what polls, work and channels bring: they end.
 * The timer may stand at the grace of the phase before.
 */
static void seal(struct quoit_core *core)
{
	struct quoit_loop *loop = &core->loop;

	quoit_mail_seal(&core->mail);
	core->phase = QUOIT_PHASE_SEALED;
	loop->ending = true;
	quoit_polls_stop(loop);
	quoit_channels_stop(loop);
	quoit_timers_start(&loop->timers, &core->deadline,
			   core->forced ? loop->now_ns : core->deadline_ns, deadline_passed, core);
}

/* Wait for the kernel, but not for ever: it has nothing left that could take long. */
static void silence(struct quoit_core *core)
{
	core->phase = QUOIT_PHASE_SILENT;
	quoit_loop_silence_bell(&core->loop);
	quoit_timers_start(&core->loop.timers, &core->deadline, core->loop.now_ns + GRACE_NS,
			   deadline_passed, core);
}

static bool kernel_has_let_go(const struct quoit_core *core)
{
	return core->leaked ||
	       (quoit_loop_bell_is_silent(&core->loop) && !quoit_ops_live(&core->loop.ops));
}

/* One step, if it can be taken. */
static bool step(struct quoit_core *core)
{
	struct quoit_runtime *runtime = core->runtime;

	switch (core->phase) {
	case QUOIT_PHASE_RUNNING:
		begin(core);
		return true;
	case QUOIT_PHASE_NO_NEW:
		if (set_deadline(core))
			return true;
		if (!owes_nothing(core))
			return false;
		core->phase = QUOIT_PHASE_QUIET;
		announce(core, &runtime->quiet);
		return true;
	case QUOIT_PHASE_QUIET:
		if (!all_are(core, &runtime->quiet))
			return false;
		seal(core);
		announce(core, &runtime->sealed);
		return true;
	case QUOIT_PHASE_SEALED:
		if (set_deadline(core))
			return true;
		if (!nothing_is_attached(core) || !all_are(core, &runtime->sealed) ||
		    !quoit_mail_is_drained(&core->mail))
			return false;
		core->phase = QUOIT_PHASE_DRAINED;
		announce(core, &runtime->drained);
		return true;
	case QUOIT_PHASE_DRAINED:
		if (!all_are(core, &runtime->drained))
			return false;
		/* Made after this core was quiet, and the answer came too late or never. */
		(void)quoit_mail_cancel_calls(&core->mail);
		silence(core);
		/* The cancel needs a turn, but the poll may have ended by itself: nothing would
		 * wake us then. */
		return kernel_has_let_go(core);
	case QUOIT_PHASE_SILENT:
		if (!kernel_has_let_go(core))
			return false;
		core->phase = QUOIT_PHASE_GONE;
		return false;
	default:
		return false;
	}
}

/* A cpu that goes offline loses its threads to others without a word, pinned ones too (D-54). */
static void look_at_cpu(struct quoit_core *core)
{
	const int cpu = quoit_thread_cpu();

	if (cpu < 0 || (unsigned)cpu == core->seen_cpu)
		return;
	core->seen_cpu = (unsigned)cpu;
	quoit_count(&core->migrations, 1);
}

bool quoit_core_step(struct quoit_loop *loop)
{
	struct quoit_core *core = quoit_container_of(loop, struct quoit_core, loop);
	bool stepped = false;

	if (quoit_unlikely(loop->uring.failed && !core->broken))
		break_down(core);
	if (quoit_unlikely(loop->counts.turns % TURNS_PER_LOOK == 0))
		look_at_cpu(core);
	if (quoit_likely(!quoit_runtime_is_stopping(core->runtime)))
		return false;
	while (step(core))
		stepped = true;
	return stepped || core->phase == QUOIT_PHASE_GONE;
}
