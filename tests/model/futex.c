/* SPDX-License-Identifier: MIT */
/*
 * futex.c - sleeping on a word, as the kernel does it for rings/wait.c; and the mutexes of those
 * who come and go.
 *
 * A wait looks at the word and joins the sleepers in one step, and does not sleep if it finds
 * something else than was expected. The look is a relaxed load, which may be stale, except that it
 * sees whatever the wakes so far have seen: the kernel holds one lock for both. A wake wakes as
 * many sleepers as it is asked to; which ones is a free choice. A sleeper may also return for
 * nothing, which counts as a stale read, and at its deadline, which may be any moment. Nothing else
 * is known through the kernel about what the waker wrote.
 */
#include <model/model_internal.h>

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include <quoit/numa/clock.h>

#include <model/seam.h>

#define SITE(name, function, text, kind)                                                      \
	static struct model_site name = {function,	__FILE__,      text,  __LINE__, kind, \
					 MODEL_RELAXED, MODEL_RELAXED, false, false,	NULL}

SITE(doze_site, "futex_wait", "futex", MODEL_DOZE);
SITE(rest_site, "futex_wait", "futex", MODEL_REST);
SITE(stir_site, "futex_wake", "futex", MODEL_STIR);

/* How a sleep ends. */
enum sleep_end {
	BY_WAKE,
	BY_NOTHING,
	BY_DEADLINE,
};

static uint8_t index_of(const struct location *location)
{
	return (uint8_t)(location - model.locations);
}

/* Who has a deadline is not asleep for ever: whether it is woken before is a matter of order. */
static enum sleep_end choose_end(uint64_t deadline_ns)
{
	if (model.stale_left && model_fault != FAULT_NEVER_SPURIOUS && model__choose(2)) {
		model__spend_stale();
		return BY_NOTHING;
	}
	return deadline_ns ? BY_DEADLINE : BY_WAKE;
}

int quoit__sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
	struct thread *thread = model.current;
	struct location *location;
	enum sleep_end end;
	uint64_t found;
	bool woken;

	location = model__location(word, sizeof(*word), "word");
	model__reach(&doze_site, (struct step){index_of(location), false});
	found = model__read_for_kernel(location);
	if (found != expected && model_fault != FAULT_FUTEX_BLIND) {
		model__trace(&doze_site, "does not sleep: the word is %llu",
			     (unsigned long long)found);
		return -EAGAIN;
	}
	end = choose_end(deadline_ns);
	thread->sleeps_on = location;
	thread->woken = false;
	thread->gives_up = end != BY_WAKE;
	model__trace(&doze_site, "sleeps on %llu%s", (unsigned long long)found,
		     end == BY_NOTHING	  ? ", not for long"
		     : end == BY_DEADLINE ? ", until its deadline"
					  : "");
	model__reach(&rest_site, (struct step){index_of(location), true});
	woken = thread->woken;
	thread->sleeps_on = NULL;
	model__trace(&rest_site, "%s",
		     woken		  ? "woken"
		     : end == BY_DEADLINE ? "too late"
					  : "awake for nothing");
	return woken ? 0 : end == BY_DEADLINE ? -ETIMEDOUT : -EINTR;
}

int quoit__sys_futex_wake(uint32_t *word, int most)
{
	struct thread *sleepers[MODEL_THREADS];
	struct location *location;
	int n = 0, woken = 0;

	if (!model.current)
		return 0;
	location = model__location(word, sizeof(*word), "word");
	model__reach(&stir_site, (struct step){index_of(location), false});
	model__join_place(&model.kernel, &model.current->now, index_of(location));
	for (unsigned t = 0; t < model.thread_count; t++)
		if (model.threads[t].sleeps_on == location && !model.threads[t].woken)
			sleepers[n++] = &model.threads[t];
	for (; n && woken < most; woken++) {
		const unsigned chosen = woken + n <= most ? 0 : model__choose((unsigned)n);

		sleepers[chosen]->woken = true;
		sleepers[chosen] = sleepers[--n];
	}
	model__trace(&stir_site, "wakes %d", woken);
	return woken;
}

/* --- time: no target waits by the clock ------------------------------------------------------ */

/* The end of time: whatever is done now and then is done each time. */
uint64_t quoit_clock_now_ns(void)
{
	return UINT64_MAX;
}

void quoit__sys_yield(void)
{
	model_violated("a target must not yield: its waits begin with a sleep");
}

void quoit__sys_sleep_until(uint64_t at_ns)
{
	(void)at_ns;
	model_violated("a target must not sleep by the clock");
}

/* --- mutexes --------------------------------------------------------------------------------- */

/*
 * A mutex is its first word: 1 while somebody holds it. A lock is not taken before it is free,
 * which is why a deadlock is found; a try may fail on an old value, or for nothing.
 */
SITE(lock_site, "pthread_mutex_lock", "mutex", MODEL_LOCK);
static struct model_site take_site = {
	"pthread_mutex_lock", __FILE__,	     "mutex", __LINE__, MODEL_EXCHANGE,
	MODEL_ACQUIRE,	      MODEL_ACQUIRE, false,   false,	NULL};
static struct model_site try_site = {
	"pthread_mutex_trylock", __FILE__,	"mutex", __LINE__, MODEL_CAS,
	MODEL_ACQUIRE,		 MODEL_ACQUIRE, false,	 false,	   NULL};
static struct model_site unlock_site = {
	"pthread_mutex_unlock", __FILE__,      "mutex", __LINE__, MODEL_STORE,
	MODEL_RELEASE,		MODEL_RELEASE, false,	false,	  NULL};

static uint32_t *word_of(pthread_mutex_t *mutex)
{
	return (uint32_t *)(void *)mutex;
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
	(void)attributes;
	*word_of(mutex) = 0;
	return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	(void)mutex;
	return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (!model.current)
		return 0;
	model__lock(&take_site, &lock_site, word_of(mutex));
	return 0;
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	uint64_t expected = 0;

	if (!model.current)
		return 0;
	return model_cas(&try_site, word_of(mutex), sizeof(uint32_t), &expected, 1) ? 0 : EBUSY;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (model.current)
		model_store(&unlock_site, word_of(mutex), sizeof(uint32_t), 0);
	return 0;
}
