/* SPDX-License-Identifier: MIT */
/*
 * litmus.c - small programs whose possible outcomes are known, to test the checker itself.
 *
 * Each is checked for an outcome that its weak variant must show and its strong variant must never
 * show. The names are those of the literature: message passing (MP), store buffering (SB), 2+2W,
 * independent reads of independent writes (IRIW), write-to-read causality (WRC), coherence (Co..).
 * What is not here is load buffering: the checker does not explore it.
 */
#include <model/model.h>

#include <errno.h>
#include <pthread.h>

#include <model/seam.h>

static struct {
	QUOIT_ISOLATED uint32_t x;
	QUOIT_ISOLATED uint32_t y;
	QUOIT_ISOLATED uint64_t payload;
	QUOIT_ISOLATED pthread_mutex_t mutex;
} s;

static uint64_t r[4]; /* what the threads have read */

static struct quoit_notify bell;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.x, sizeof(s.x), "x");
	model_name(&s.y, sizeof(s.y), "y");
	model_name(&s.payload, sizeof(s.payload), "payload");
}

static void setup(const void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 4; i++)
		r[i] = 99;
	bell.fd = 0;
}

/* A thread's steps in one line. */
#define THREAD(name, ...)                 \
	static void name(const void *arg) \
	{                                 \
		(void)arg;                \
		__VA_ARGS__;              \
	}

/* All that an execution can have led to. */
static uint64_t everything(void)
{
	uint64_t all = (uint64_t)s.x << 8 | s.y;

	for (unsigned i = 0; i < 4; i++)
		all = all << 8 | (r[i] & 0xff);
	return all;
}

/* The outcome that is asked for. */
#define OUTCOME(name, condition, text)           \
	static void name(const void *arg)        \
	{                                        \
		(void)arg;                       \
		model_outcome(everything());     \
		model_check(!(condition), text); \
	}

#define TARGET(target, outcome, ...)                                         \
	static const struct model_target target = {.name = #target,          \
						   .shared = &s,             \
						   .bytes = sizeof(s),       \
						   .name_all = name_all,     \
						   .setup = setup,           \
						   .threads = {__VA_ARGS__}, \
						   .finish = outcome}

#define T(n, run)      \
	{              \
		n, run \
	}

#define add_relaxed(p, v) model__add_as(MODEL_RELAXED, p, v)
#define cas(p, expected, v) \
	model_cas(model__at(MODEL_ACQ_REL, MODEL_CAS, p), expected, model__value(p, v))

/* --- SB: both store, then look at the other's ------------------------------------------------- */

THREAD(x1_ry, quoit_store(&s.x, 1); r[0] = quoit_load(&s.y))
THREAD(y1_rx, quoit_store(&s.y, 1); r[1] = quoit_load(&s.x))
THREAD(x1_ry_ra, quoit_store_release(&s.x, 1); r[0] = quoit_load_acquire(&s.y))
THREAD(y1_rx_ra, quoit_store_release(&s.y, 1); r[1] = quoit_load_acquire(&s.x))
THREAD(x1_f_ry, quoit_store(&s.x, 1); quoit_fence_full(); r[0] = quoit_load(&s.y))
THREAD(y1_f_rx, quoit_store(&s.y, 1); quoit_fence_full(); r[1] = quoit_load(&s.x))
THREAD(x1_ry_rmw, (void)quoit_exchange(&s.x, 1); r[0] = quoit_load(&s.y))
THREAD(y1_rx_rmw, (void)quoit_exchange(&s.y, 1); r[1] = quoit_load(&s.x))
OUTCOME(sb, r[0] == 0 && r[1] == 0, "neither saw the other")
TARGET(sb_relaxed, sb, T("P0", x1_ry), T("P1", y1_rx));
TARGET(sb_acquire, sb, T("P0", x1_ry_ra), T("P1", y1_rx_ra));
TARGET(sb_one_fence, sb, T("P0", x1_f_ry), T("P1", y1_rx));
TARGET(sb_updates, sb, T("P0", x1_ry_rmw), T("P1", y1_rx_rmw));
TARGET(sb_fences, sb, T("P0", x1_f_ry), T("P1", y1_f_rx));

/* --- MP: a payload and a flag ------------------------------------------------------------------
 */

THREAD(mp_w, quoit_store(&s.x, 1); quoit_store(&s.y, 1))
THREAD(mp_w_rel, quoit_store(&s.x, 1); quoit_store_release(&s.y, 1))
THREAD(mp_w_fence, quoit_store(&s.x, 1); quoit_fence_full(); quoit_store(&s.y, 1))
THREAD(mp_r, r[0] = quoit_load(&s.y); r[1] = quoit_load(&s.x))
THREAD(mp_r_acq, r[0] = quoit_load_acquire(&s.y); r[1] = quoit_load(&s.x))
THREAD(mp_r_fence, r[0] = quoit_load(&s.y); quoit_fence_full(); r[1] = quoit_load(&s.x))
OUTCOME(mp, r[0] == 1 && r[1] == 0, "the flag without what it stands for")
TARGET(mp_relaxed, mp, T("writer", mp_w), T("reader", mp_r));
TARGET(mp_release_only, mp, T("writer", mp_w_rel), T("reader", mp_r));
TARGET(mp_acquire_only, mp, T("writer", mp_w), T("reader", mp_r_acq));
TARGET(mp_release_acquire, mp, T("writer", mp_w_rel), T("reader", mp_r_acq));
TARGET(mp_fences, mp, T("writer", mp_w_fence), T("reader", mp_r_fence));
TARGET(mp_fence_acquire, mp, T("writer", mp_w_fence), T("reader", mp_r_acq));

/* A release sequence: the flag is passed on by somebody else's update, or broken by his store. */
THREAD(update_it, r[2] = add_relaxed(&s.y, 1))
THREAD(break_it, r[2] = quoit_load(&s.y); if (r[2] == 1) quoit_store(&s.y, 2))
OUTCOME(mp_chain, r[0] == 2 && r[1] == 0, "the flag without what it stands for")
TARGET(chain_of_update, mp_chain, T("writer", mp_w_rel), T("reader", mp_r_acq),
       T("middle", update_it));
TARGET(chain_of_store, mp_chain, T("writer", mp_w_rel), T("reader", mp_r_acq),
       T("middle", break_it));

/* --- IRIW: two readers must agree on the order of two writes -----------------------------------
 */

THREAD(wx, quoit_store_release(&s.x, 1))
THREAD(wy, quoit_store_release(&s.y, 1))
THREAD(rxy, r[0] = quoit_load_acquire(&s.x); r[1] = quoit_load_acquire(&s.y))
THREAD(ryx, r[2] = quoit_load_acquire(&s.y); r[3] = quoit_load_acquire(&s.x))
THREAD(rxy_f, r[0] = quoit_load(&s.x); quoit_fence_full(); r[1] = quoit_load(&s.y))
THREAD(ryx_f, r[2] = quoit_load(&s.y); quoit_fence_full(); r[3] = quoit_load(&s.x))
OUTCOME(iriw, r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0, "the readers disagree")
TARGET(iriw_acquire, iriw, T("wx", wx), T("wy", wy), T("rxy", rxy), T("ryx", ryx));
TARGET(iriw_fences, iriw, T("wx", wx), T("wy", wy), T("rxy", rxy_f), T("ryx", ryx_f));

/* --- WRC: what I saw before I wrote, you see after you have read that --------------------------
 */

THREAD(w1, quoit_store(&s.x, 1))
THREAD(wrc_mid, r[0] = quoit_load(&s.x); if (r[0]) quoit_store(&s.y, 1))
THREAD(wrc_mid_ra, r[0] = quoit_load_acquire(&s.x); if (r[0]) quoit_store_release(&s.y, 1))
THREAD(wrc_end, r[1] = quoit_load(&s.y); r[2] = quoit_load(&s.x))
THREAD(wrc_end_ra, r[1] = quoit_load_acquire(&s.y); r[2] = quoit_load(&s.x))
OUTCOME(wrc, r[1] == 1 && r[2] == 0, "causality is broken")
TARGET(wrc_relaxed, wrc, T("P0", w1), T("P1", wrc_mid), T("P2", wrc_end));
TARGET(wrc_acquire, wrc, T("P0", w1), T("P1", wrc_mid_ra), T("P2", wrc_end_ra));

/* --- coherence: one location has one order -----------------------------------------------------
 */

THREAD(w12, quoit_store(&s.x, 1); quoit_store(&s.x, 2))
THREAD(rr, r[0] = quoit_load(&s.x); r[1] = quoit_load(&s.x))
THREAD(wr, quoit_store(&s.x, 7); r[2] = quoit_load(&s.x); r[3] = quoit_load(&s.x))
OUTCOME(corr, r[0] == 2 && r[1] != 2, "it read backwards")
OUTCOME(corr_old, r[0] == 0 && r[1] == 0, "it read the old value twice")
OUTCOME(cowr, r[2] == 0, "it did not see its own store")
OUTCOME(cowr_back, r[2] == 1 && r[3] == 7, "it read its own store after a newer one")
TARGET(co_rr, corr, T("writer", w12), T("reader", rr));
TARGET(co_rr_old, corr_old, T("writer", w12), T("reader", rr));
TARGET(co_wr, cowr, T("P0", wr), T("P1", w1));
TARGET(co_wr_back, cowr_back, T("P0", wr), T("P1", w1));

/* --- 2+2W: each thread writes both, in opposite order ------------------------------------------
 */

THREAD(x1_y2, quoit_store_release(&s.x, 1); quoit_store_release(&s.y, 2))
THREAD(y1_x2, quoit_store_release(&s.y, 1); quoit_store_release(&s.x, 2))
THREAD(x1_f_y2, quoit_store(&s.x, 1); quoit_fence_full(); quoit_store(&s.y, 2))
THREAD(y1_f_x2, quoit_store(&s.y, 1); quoit_fence_full(); quoit_store(&s.x, 2))
OUTCOME(two_writes, s.x == 1 && s.y == 1, "both first stores came last")
TARGET(w22_release, two_writes, T("P0", x1_y2), T("P1", y1_x2));
TARGET(w22_fences, two_writes, T("P0", x1_f_y2), T("P1", y1_f_x2));

/* --- updates -----------------------------------------------------------------------------------
 */

THREAD(add_r0, r[0] = quoit_add(&s.x, 1))
THREAD(add_r1, r[1] = quoit_add(&s.x, 1))
THREAD(take_r0, r[0] = quoit_exchange(&s.x, 2))
THREAD(take_r1, r[1] = quoit_exchange(&s.x, 3))
THREAD(cas_once, uint64_t seen = 0; r[0] = cas(&s.x, &seen, 5); r[1] = seen)
OUTCOME(lost_add, s.x != 2 || r[0] == r[1], "an addition was lost")
OUTCOME(both_took, r[0] == r[1], "both took the same value")
OUTCOME(cas_weak, !r[0] && r[1] == 0, "it failed although the value was the expected one")
TARGET(two_adds, lost_add, T("P0", add_r0), T("P1", add_r1));
TARGET(two_takes, both_took, T("P0", take_r0), T("P1", take_r1));
TARGET(one_cas, cas_weak, T("P0", cas_once));

/* --- plain accesses ----------------------------------------------------------------------------
 */

THREAD(plain_w, s.payload = 5; quoit_store(&s.y, 1))
THREAD(plain_w_rel, s.payload = 5; quoit_store_release(&s.y, 1))
THREAD(plain_w_back, s.payload = 5; quoit_store_release(&s.y, 1); s.payload = 6)
THREAD(plain_r, if (quoit_load_acquire(&s.y)) r[0] = s.payload)
THREAD(plain_r_relaxed, if (quoit_load(&s.y)) r[0] = s.payload)
THREAD(
	plain_r_fence, if (quoit_load(&s.y)) {
		quoit_fence_full();
		r[0] = s.payload;
	})
THREAD(plain_atomic, r[0] = *(volatile uint32_t *)&s.y; (void)quoit_load(&s.y))
OUTCOME(old_payload, r[0] != 99 && r[0] != 5, "the payload is not what was written")
TARGET(plain_relaxed, old_payload, T("writer", plain_w), T("reader", plain_r));
TARGET(plain_no_acquire, old_payload, T("writer", plain_w_rel), T("reader", plain_r_relaxed));
TARGET(plain_too_late, old_payload, T("writer", plain_w_back), T("reader", plain_r));
TARGET(plain_release, old_payload, T("writer", plain_w_rel), T("reader", plain_r));
TARGET(plain_fence, old_payload, T("writer", plain_w_rel), T("reader", plain_r_fence));
TARGET(plain_mixed, old_payload, T("writer", plain_w_rel), T("reader", plain_atomic));

/* --- sleeping, spinning, dying ------------------------------------------------------------------
 */

THREAD(ring, (void)quoit_notify_ring(&bell))
THREAD(ring_if_armed, quoit_store(&s.x, 1); quoit_fence_full();
       if (quoit_load(&s.y))(void) quoit_notify_ring(&bell))
THREAD(sleep_once, model_wait(&bell))
THREAD(sleep_twice, model_wait(&bell); model_wait(&bell))
THREAD(arm_and_sleep, quoit_store(&s.y, 1); quoit_fence_full();
       if (!quoit_load(&s.x)) model_wait(&bell))
THREAD(sleep_unasked, quoit_store(&s.y, 1); if (!quoit_load(&s.x)) model_wait(&bell))
THREAD(spin_x, while (!quoit_load_acquire(&s.x)) quoit_relax())
THREAD(w_twice, quoit_store_release(&s.x, 1); quoit_store_release(&s.y, 1))
THREAD(notice, r[0] = quoit_load_acquire(&s.y); r[1] = quoit_load_acquire(&s.x))
OUTCOME(nothing, false, "")
OUTCOME(half_done, s.x == 1 && s.y == 0, "it died between its stores")
TARGET(bell_heard, nothing, T("ringer", ring), T("sleeper", sleep_once));
TARGET(bell_merged, nothing, T("ringer", ring), T("sleeper", sleep_twice));
TARGET(bell_armed, nothing, T("ringer", ring_if_armed), T("sleeper", arm_and_sleep));
TARGET(bell_lost, nothing, T("ringer", ring_if_armed), T("sleeper", sleep_unasked));
TARGET(spin_ends, nothing, T("writer", w1), T("spinner", spin_x));
TARGET(spin_for_ever, nothing, T("writer", wy), T("spinner", spin_x));

static const struct model_target dies = {.name = "dies",
					 .shared = &s,
					 .bytes = sizeof(s),
					 .name_all = name_all,
					 .setup = setup,
					 .threads = {T("writer", w_twice), T("reader", notice)},
					 .finish = half_done,
					 .mortal = 1};

/* --- futexes and mutexes ------------------------------------------------------------------------
 */

THREAD(x1_wake, quoit_store_release(&s.x, 1); (void)quoit_add(&s.y, 1);
       (void)quoit__sys_futex_wake(&s.y, 9))
THREAD(x1_wake_only, quoit_store_release(&s.x, 1); (void)quoit__sys_futex_wake(&s.y, 9))
THREAD(wake_one, (void)quoit_add(&s.y, 1); (void)quoit__sys_futex_wake(&s.y, 1))
THREAD(wake_two, (void)quoit_add(&s.y, 1); (void)quoit__sys_futex_wake(&s.y, 2))
THREAD(look_and_sleep, const uint32_t key = quoit_load(&s.y);
       if (!quoit_load_acquire(&s.x))(void) quoit__sys_futex_wait(&s.y, key, 0))
THREAD(look_early, const uint32_t key = quoit_load_acquire(&s.y);
       if (!quoit_load_acquire(&s.x))(void) quoit__sys_futex_wait(&s.y, key, 0))
THREAD(sleep_r0, r[0] = (uint64_t)quoit__sys_futex_wait(&s.y, 0, 0))
THREAD(sleep_r1, r[1] = (uint64_t)quoit__sys_futex_wait(&s.y, 0, 0))
THREAD(sleep_late, r[0] = (uint64_t)quoit__sys_futex_wait(&s.y, 0, 1))
OUTCOME(for_nothing, r[0] == (uint64_t)-EINTR, "awake for nothing")
OUTCOME(too_late, r[0] == (uint64_t)-ETIMEDOUT, "too late")
TARGET(futex_changed, nothing, T("waker", x1_wake), T("sleeper", look_early));
TARGET(futex_relaxed, nothing, T("waker", x1_wake), T("sleeper", look_and_sleep));
TARGET(futex_unchanged, nothing, T("waker", x1_wake_only), T("sleeper", look_early));
TARGET(futex_spurious, for_nothing, T("waker", wake_one), T("sleeper", sleep_r0));
TARGET(futex_deadline, too_late, T("sleeper", sleep_late));
TARGET(futex_one, nothing, T("waker", wake_one), T("P1", sleep_r0), T("P2", sleep_r1));
TARGET(futex_two, nothing, T("waker", wake_two), T("P1", sleep_r0), T("P2", sleep_r1));

THREAD(count_locked, pthread_mutex_lock(&s.mutex); s.payload++; pthread_mutex_unlock(&s.mutex))
THREAD(
	count_tried, if (!pthread_mutex_trylock(&s.mutex)) {
		s.payload++;
		pthread_mutex_unlock(&s.mutex);
		r[0] = 0;
	})
THREAD(count_unlocked, s.payload++)
THREAD(lock_twice, pthread_mutex_lock(&s.mutex); pthread_mutex_lock(&s.mutex))
OUTCOME(not_two, s.payload != 2, "a count was lost")
OUTCOME(not_counted, s.payload != (r[0] ? 1 : 2), "a count was lost")
OUTCOME(refused, r[0] == 99, "refused")
TARGET(mutex_locked, not_two, T("P0", count_locked), T("P1", count_locked));
TARGET(mutex_tried, not_counted, T("P0", count_locked), T("P1", count_tried));
TARGET(mutex_refused, refused, T("P0", count_locked), T("P1", count_tried));
TARGET(mutex_ignored, not_two, T("P0", count_locked), T("P1", count_unlocked));
TARGET(mutex_twice, nothing, T("P0", lock_twice));

/* What is set up by plain stores before it is shown. */
THREAD(show_x, *(volatile uint32_t *)&s.x = 1; quoit_store_release(&s.y, 1))
THREAD(use_x, if (quoit_load_acquire(&s.y)) r[0] = quoit_load(&s.x))
THREAD(use_x_early, if (quoit_load(&s.y)) r[0] = quoit_load(&s.x))
OUTCOME(not_set_up, r[0] == 0, "it was not set up")
TARGET(set_up, not_set_up, T("maker", show_x), T("user", use_x));
TARGET(set_up_late, not_set_up, T("maker", show_x), T("user", use_x_early));

/* --- the list -----------------------------------------------------------------------------------
 */

#define ALL	.bounds = {MODEL_ANY, 4}, .quick = {MODEL_ANY, 4}
#define BOUNDED .bounds = {4, 4}, .quick = {4, 4}
#define NEVER(t)                              \
	{                                     \
		.name = #t, .target = &t, ALL \
	}
#define SHOWS(t, text)                                        \
	{                                                     \
		.name = #t, .target = &t, .breaks = text, ALL \
	}

const struct model_case model_litmus_cases[] = {
	SHOWS(sb_relaxed, "neither"),
	SHOWS(sb_acquire, "neither"),
	SHOWS(sb_one_fence, "neither"),
	SHOWS(sb_updates, "neither"),
	NEVER(sb_fences),
	SHOWS(mp_relaxed, "flag"),
	SHOWS(mp_release_only, "flag"),
	SHOWS(mp_acquire_only, "flag"),
	NEVER(mp_release_acquire),
	NEVER(mp_fences),
	NEVER(mp_fence_acquire),
	NEVER(chain_of_update),
	SHOWS(chain_of_store, "flag"),
	SHOWS(iriw_acquire, "disagree"),
	NEVER(iriw_fences),
	SHOWS(wrc_relaxed, "causality"),
	NEVER(wrc_acquire),
	NEVER(co_rr),
	SHOWS(co_rr_old, "twice"),
	NEVER(co_wr),
	NEVER(co_wr_back),
	SHOWS(w22_release, "last"),
	NEVER(w22_fences),
	NEVER(two_adds),
	NEVER(two_takes),
	SHOWS(one_cas, "expected"),
	SHOWS(plain_relaxed, "race"),
	SHOWS(plain_no_acquire, "race"),
	SHOWS(plain_too_late, "race"),
	SHOWS(plain_mixed, "race"),
	NEVER(plain_release),
	NEVER(plain_fence),
	NEVER(bell_heard),
	SHOWS(bell_merged, "sleeps"),
	NEVER(bell_armed),
	SHOWS(bell_lost, "sleeps"),
	NEVER(spin_ends),
	SHOWS(spin_for_ever, "spins"),
	SHOWS(dies, "between"),
	NEVER(futex_changed),
	SHOWS(futex_relaxed, "nobody wakes"),
	SHOWS(futex_unchanged, "nobody wakes"),
	SHOWS(futex_spurious, "for nothing"),
	SHOWS(futex_deadline, "too late"),
	SHOWS(futex_one, "nobody wakes"),
	NEVER(futex_two),
	NEVER(mutex_locked),
	NEVER(mutex_tried),
	SHOWS(mutex_refused, "refused"),
	SHOWS(mutex_ignored, "race"),
	SHOWS(mutex_twice, "lock"),
	NEVER(set_up),
	SHOWS(set_up_late, "set up"),
	{.name = "sb_relaxed, preemptions bounded",
	 .target = &sb_relaxed,
	 .breaks = "neither",
	 BOUNDED},
	{.name = "sb_fences, preemptions bounded", .target = &sb_fences, BOUNDED},
	{.name = "iriw_fences, preemptions bounded", .target = &iriw_fences, BOUNDED},
	{.target = NULL},
};
