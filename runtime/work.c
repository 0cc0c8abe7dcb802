/* SPDX-License-Identifier: MIT */
/*
 * work.c - see work.h.
 *
 *     submit --> queue (mutex, bounded) --> fn() on a worker --> back: newest first
 *                  |                                              |  exchange, turned round
 *                  +-- cancel --> ready: oldest first <-----------+
 *                                   |  dispatch, within the turn's budget
 *                                   +--> done()
 *
 * The way back is a list through the works themselves: it has room for all that can be out, takes
 * no memory per worker and loop, and the order of the compare-and-swaps is the order of `done`. The
 * loop takes all of it by one exchange, so that no element can come back to the head unseen.
 *
 * A worker looks at the loop's armed flag, and perhaps rings, after the loop may have seen the
 * result. It holds the loop's lock meanwhile, which the loop takes once, before it is freed.
 *
 * edge    released by        acquired by       carries
 * back    give_back: back    collect: back     the work's result, and whatever fn() wrote
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/work_internal.h>

#include <stdlib.h>
#include <string.h>

#include <quoit/numa/thread.h>

#define THREADS_DEFAULT 4
#define THREADS_MOST	256
#define QUEUE_DEFAULT	256
#define QUEUE_MOST	(1u << 20)
#define NAME_MOST	11 /* leaves room for a number in the kernel's 15 */

enum state {
	QUEUED, /* written under the queue's lock, as all changes from here are */
	RUNNING,
	BACK,
};

struct quoit_workers {
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct quoit_link queue;
	unsigned queued;
	unsigned queue_slots;
	bool ending;
	unsigned started; /* threads */
	unsigned named;	  /* threads that have taken their number */
	char name[NAME_MOST + 1];
	pthread_t threads[];
};

static struct quoit_work *by_link(struct quoit_link *link)
{
	return quoit_container_of(link, struct quoit_work, link);
}

static struct quoit_work *by_loop(struct quoit_link *link)
{
	return quoit_container_of(link, struct quoit_work, of_loop);
}

/* --- the workers ----------------------------------------------------------------------------- */

/* The way back: publish, fence, look at the flag, ring. Nothing of `work` may be touched behind. */
static void give_back(struct quoit_work *work, int result)
{
	struct quoit_loop *loop = work->loop;
	struct quoit_works *works = &loop->works;
	const uint64_t self = (uint64_t)(uintptr_t)work;
	uint64_t newest;

	work->result = result;
	pthread_mutex_lock(&works->lock);
	do {
		newest = quoit_load(&works->back); /* decided by the swap */
		work->older = (void *)(uintptr_t)newest;
	} while (!quoit_cas_release(&works->back, newest, self)); /* back: pairs with collect() */
	quoit_wake_fence();
	if (quoit_wake_owed(&loop->wake))
		(void)quoit_notify_ring(&loop->notify); /* open until quoit_works_close() */
	pthread_mutex_unlock(&works->lock);
}

/* The next work, or NULL when there will be none. */
static struct quoit_work *take(struct quoit_workers *workers)
{
	struct quoit_work *work = NULL;
	struct quoit_link *link;

	pthread_mutex_lock(&workers->lock);
	while (!(link = quoit_link_take(&workers->queue)) && !workers->ending)
		pthread_cond_wait(&workers->wanted, &workers->lock);
	if (link) {
		work = by_link(link);
		workers->queued--;
		quoit_store(&work->state, RUNNING); /* under the lock */
	}
	pthread_mutex_unlock(&workers->lock);
	return work;
}

static void *worker_thread(void *arg)
{
	struct quoit_workers *workers = arg;
	struct quoit_work *work;
	char name[16];
	unsigned number;

	pthread_mutex_lock(&workers->lock);
	number = workers->named++;
	pthread_mutex_unlock(&workers->lock);
	snprintf(name, sizeof(name), "%s-%u", workers->name, number % 1000);
	(void)quoit_thread_name(name); /* for people only */
	while ((work = take(workers)))
		give_back(work, work->fn(work, work->ctx));
	return NULL;
}

static void join_and_free(struct quoit_workers *workers)
{
	pthread_mutex_lock(&workers->lock);
	workers->ending = true;
	pthread_cond_broadcast(&workers->wanted);
	pthread_mutex_unlock(&workers->lock);
	for (unsigned i = 0; i < workers->started; i++)
		pthread_join(workers->threads[i], NULL);
	pthread_cond_destroy(&workers->wanted);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}

static int complete_options(struct quoit_workers_options *o,
			    const struct quoit_workers_options *given, size_t bytes,
			    struct quoit_reason *why)
{
	memset(o, 0, sizeof(*o));
	if (given)
		memcpy(o, given, quoit_min(bytes, sizeof(*o)));
	o->threads = o->threads ? o->threads : THREADS_DEFAULT;
	o->queue_slots = o->queue_slots ? o->queue_slots : QUEUE_DEFAULT;
	o->name = o->name ? o->name : "work";
	if (o->threads > THREADS_MOST)
		return quoit_reason_set(why, -EINVAL, "%u worker threads: give 1 to %d", o->threads,
					THREADS_MOST);
	if (o->queue_slots > QUEUE_MOST)
		return quoit_reason_set(why, -EINVAL, "queue_slots is %u: give 1 to %u",
					o->queue_slots, QUEUE_MOST);
	if (strlen(o->name) > NAME_MOST)
		return quoit_reason_set(why, -EINVAL, "the name %s is too long: give %d bytes",
					o->name, NAME_MOST);
	return 0;
}

/* The application's signals are for its own threads. */
static int start_threads(struct quoit_workers *workers, unsigned threads)
{
	sigset_t all;
	sigset_t before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (workers->started < threads && !rc) {
		rc = pthread_create(&workers->threads[workers->started], NULL, worker_thread,
				    workers);
		workers->started += !rc;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

int quoit__workers_create(const struct quoit_workers_options *options, size_t bytes,
			  struct quoit_workers **made, struct quoit_reason *why)
{
	struct quoit_workers_options o;
	struct quoit_workers *workers;
	int rc = complete_options(&o, options, bytes, why);

	if (rc < 0)
		return rc;
	workers = calloc(1, sizeof(*workers) + o.threads * sizeof(*workers->threads));
	if (!workers)
		return quoit_reason_set(why, -ENOMEM, "no memory for %u workers", o.threads);
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->wanted, NULL);
	quoit_link_init(&workers->queue);
	workers->queue_slots = o.queue_slots;
	memcpy(workers->name, o.name, strlen(o.name) + 1);
	rc = start_threads(workers, o.threads);
	if (rc < 0) {
		quoit_reason_set(why, rc, "cannot start worker %u of %u: %s", workers->started + 1,
				 o.threads, strerror(-rc));
		join_and_free(workers);
		return rc;
	}
	*made = workers;
	return 0;
}

int quoit_workers_destroy(struct quoit_workers *workers)
{
	if (!workers)
		return 0;
	for (unsigned i = 0; i < workers->started; i++)
		if (pthread_equal(workers->threads[i], pthread_self()))
			return -EDEADLK;
	join_and_free(workers);
	return 0;
}

/* --- the loop: asking ------------------------------------------------------------------------ */

static int enqueue(struct quoit_workers *workers, struct quoit_work *work)
{
	int rc = 0;

	pthread_mutex_lock(&workers->lock);
	if (workers->ending) {
		rc = -ESHUTDOWN;
	} else if (workers->queued >= workers->queue_slots) {
		rc = -EAGAIN;
	} else {
		quoit_link_append(&workers->queue, &work->link);
		workers->queued++;
		pthread_cond_signal(&workers->wanted);
	}
	pthread_mutex_unlock(&workers->lock);
	return rc;
}

int quoit_work_submit(struct quoit_workers *workers, struct quoit_loop *loop,
		      struct quoit_work *work)
{
	struct quoit_works *works = &loop->works;
	int rc;

	if (!work->fn || !work->done)
		return -EINVAL;
	if (work->loop)
		return -EBUSY;
	if (loop->ending || loop->closing)
		return -ESHUTDOWN;
	quoit_link_init(&work->link);
	work->workers = workers;
	work->loop = loop;
	quoit_store(&work->state, QUEUED); /* the queue's lock passes it on */
	rc = enqueue(workers, work);
	if (rc < 0) {
		work->loop = NULL;
		return rc;
	}
	if (!quoit_works_are_open(loop))
		quoit_loop_add_source(loop, &works->source);
	quoit_link_init(&work->of_loop);
	quoit_link_append(&works->open, &work->of_loop);
	return 0;
}

/* Tells whether it still waited: then it is told -ECANCELED in the loop's next look. */
static bool cancel(struct quoit_work *work)
{
	struct quoit_workers *workers = work->workers;
	bool waited;

	if (quoit_load(&work->state) != QUEUED) /* a hint: the workers may be gone by then */
		return false;
	pthread_mutex_lock(&workers->lock);
	waited = quoit_load(&work->state) == QUEUED; /* under the lock */
	if (waited) {
		quoit_link_remove(&work->link);
		workers->queued--;
		quoit_store(&work->state, BACK); /* under the lock */
	}
	pthread_mutex_unlock(&workers->lock);
	if (!waited)
		return false;
	work->result = -ECANCELED;
	quoit_link_append(&work->loop->works.ready, &work->link);
	return true;
}

int quoit_work_cancel(struct quoit_work *work)
{
	if (!work->loop)
		return -ENOENT;
	return cancel(work) ? 0 : -EALREADY;
}

/* --- the loop: being told -------------------------------------------------------------------- */

/* What has come back goes to the end of those that are ready, the oldest first. */
static void collect(struct quoit_works *works)
{
	struct quoit_link *const ready = &works->ready;
	struct quoit_link *before = ready; /* each goes in front of the one that came back later */
	struct quoit_work *work;

	if (!quoit_load(&works->back)) /* a hint; the exchange is what counts */
		return;
	/* back: pairs with give_back() */
	work = (void *)(uintptr_t)quoit_exchange(&works->back, 0);
	for (; work; work = work->older) {
		quoit_link_init(&work->link);
		quoit_link_append(before, &work->link);
		before = &work->link;
	}
}

/* Tell one. It is at rest before, and may be gone behind. */
static void tell(struct quoit_works *works, struct quoit_work *work)
{
	quoit_link_remove(&work->of_loop);
	work->loop = NULL;
	if (!quoit_link_is_in(&works->open))
		quoit_loop_remove_source(&works->source);
	work->done(work, work->result, work->ctx);
}

static size_t dispatch(struct quoit_source *source, size_t budget)
{
	struct quoit_works *works = quoit_container_of(source, struct quoit_works, source);
	struct quoit_link *last;
	struct quoit_link *link;
	bool ended = false;
	size_t told = 0;

	collect(works);
	last = works->ready.prev; /* what is cancelled meanwhile waits for the next turn */
	while (told < budget && !ended && (link = quoit_link_take(&works->ready))) {
		told++;
		ended = link == last;
		tell(works, by_link(link));
	}
	return told;
}

static bool has_news(struct quoit_source *source)
{
	struct quoit_works *works = quoit_container_of(source, struct quoit_works, source);

	/* A real load, behind the fence of the arming: notify.h. */
	return quoit_link_is_in(&works->ready) || quoit_load(&works->back) != 0;
}

/* Nobody knows when it comes: not worth a spin. */
static bool expects_news(const struct quoit_source *source)
{
	(void)source;
	return false;
}

static void flush(struct quoit_source *source)
{
	(void)source; /* submitting does not wait for the end of the turn */
}

/* --- the loop: beginning and end ------------------------------------------------------------- */

void quoit_works_init(struct quoit_loop *loop)
{
	struct quoit_works *works = &loop->works;

	works->source = (struct quoit_source){.dispatch = dispatch,
					      .has_news = has_news,
					      .expects_news = expects_news,
					      .flush = flush};
	quoit_link_init(&works->source.link);
	quoit_link_init(&works->open);
	quoit_link_init(&works->ready);
	pthread_mutex_init(&works->lock, NULL);
	works->back = 0;
}

void quoit_works_close(struct quoit_loop *loop)
{
	struct quoit_works *works = &loop->works;

	QUOIT_ASSERT(!quoit_works_are_open(loop));
	pthread_mutex_lock(&works->lock); /* the last one to come back may still be ringing */
	pthread_mutex_unlock(&works->lock);
	pthread_mutex_destroy(&works->lock);
}

void quoit_works_cancel(struct quoit_loop *loop)
{
	struct quoit_link *const open = &loop->works.open;

	for (struct quoit_link *at = open->next; at != open; at = at->next)
		(void)cancel(by_loop(at)); /* what runs already comes by itself */
}

unsigned quoit_works_open(const struct quoit_loop *loop, const char **name)
{
	const struct quoit_link *const open = &loop->works.open;
	unsigned n = 0;

	*name = "work";
	for (struct quoit_link *at = open->next; at != open; at = at->next)
		if (n++ == 0 && by_loop(at)->name)
			*name = by_loop(at)->name;
	return n;
}
