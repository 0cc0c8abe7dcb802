/* SPDX-License-Identifier: MIT */
/*
 * kill_check.c - a ring is made, a victim killed on it, and what is left looked at.
 *
 * The survivor must find what was committed, whole and in order, and no more than was sent; learn
 * of the death without being told; and see a successor take the role, who goes on where the dead
 * one had got to. What a dead consumer has freed it must have had.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/numa/clock.h>

#include <shared/kill.h>

#define HANG_NS INT64_C(5000000000) /* whoever waits so long waits for ever */

struct scene {
	const struct kill_case *c;
	struct kill_count *count;
	struct kill_talk *talk;
	struct letters *survivor; /* NULL where the victim is alone */
	int fds[QUOIT_SHRING_FDS];
	size_t fd_count;
	pid_t victim;
	bool over; /* the victim's call had returned */

	uint64_t head, tail; /* before the call */
	pthread_t sleeper;
	int woken; /* what its sleep gave */
};

static void complain(const struct scene *s, uint64_t *figure, const char *what)
{
	if (!(*figure)++)
		printf("note: %s: %s\n", s->c->name, what);
	(void)fflush(stdout);
}

#define TORN(s, what) complain(s, &(s)->count->torn, what)
#define HUNG(s, what) complain(s, &(s)->count->hung, what)
#define LOST(s, what) complain(s, &(s)->count->lost, what)

__attribute__((noreturn)) static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

struct quoit_shring_options kill_options(const struct kill_case *c, enum quoit_shring_role role)
{
	const struct quoit_shring_options o = {
		.size = sizeof(o),
		.role = role,
		.bits = KILL_BITS,
		.node = QUOIT_NODE_AUTO,
		.waits = c->waits,
		.bells = c->bells,
		.trusted = true,
	};

	return o;
}

static enum quoit_shring_role other(enum quoit_shring_role role)
{
	return role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_CONSUMER : QUOIT_SHRING_PRODUCER;
}

static int attach_to(const struct scene *s, enum quoit_shring_role role, uint32_t generation,
		     struct letters **q, struct quoit_reason *why)
{
	struct quoit_shring_options o = kill_options(s->c, role);

	o.generation = generation;
	return letters_attach(s->fds, s->fd_count, &o, q, why);
}

static int attach(const struct scene *s, enum quoit_shring_role role, struct letters **q,
		  struct quoit_reason *why)
{
	return attach_to(s, role, 0, q, why);
}

/* --- before ---------------------------------------------------------------------------------- */

static void exchange(struct letters *out, struct letters *in, unsigned lap, unsigned fill)
{
	struct letter letters[KILL_CAPACITY];

	letters_fill(letters, lap, 0);
	if (letters_send(out, letters, lap) != lap || letters_recv(in, letters, lap) != lap)
		give_up("kill: a new ring does not carry letters");
	letters_fill(letters, fill, lap);
	if (letters_send(out, letters, fill) != fill)
		give_up("kill: a new ring cannot be filled");
}

static void set_up(struct scene *s)
{
	const struct kill_case *const c = s->c;
	const struct quoit_shring_options o = kill_options(c, other(c->victim));
	struct letters *one, *two;
	struct quoit_reason why = {0};
	int fds[QUOIT_SHRING_FDS];

	if (letters_create(&o, &one, &why))
		give_up(why.text);
	s->fd_count = quoit_shring_fds(&one->ring, fds);
	for (size_t i = 0; i < s->fd_count; i++)
		s->fds[i] = dup(fds[i]);
	if (attach(s, c->victim, &two, &why))
		give_up(why.text);
	if (c->victim == QUOIT_SHRING_PRODUCER)
		exchange(two, one, c->lap, c->fill);
	else
		exchange(one, two, c->lap, c->fill);
	letters_destroy(two);
	s->head = c->lap;
	s->tail = c->lap + c->fill;
	s->survivor = one;
	if (!c->resets)
		return;
	letters_destroy(one);
	s->survivor = NULL;
}

__attribute__((noreturn)) static void be_the_victim(const struct scene *s)
{
	struct letters *q = NULL;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	if (!s->c->attaches && attach(s, s->c->victim, &q, NULL))
		_exit(1);
	letters_fill(s->talk->out, KILL_CAPACITY, s->tail);
	kill_stop();
	if (s->c->attaches)
		(void)attach(s, s->c->victim, &q, NULL);
	else
		s->c->call(q, s->talk);
	s->talk->done = 1;
	kill_stop();
	_exit(0);
}

static void start_victim(struct scene *s)
{
	(void)fflush(stdout);
	s->victim = fork();
	if (s->victim < 0)
		give_up("kill: fork");
	if (!s->victim)
		be_the_victim(s);
	if (!kill_wait_stop(s->victim))
		give_up("kill: the victim did not begin");
	if (s->survivor && s->c->bells) {
		const int pidfd = (int)syscall(SYS_pidfd_open, s->victim, 0);

		if (pidfd < 0 || quoit_shring_set_peer(&s->survivor->ring, pidfd))
			give_up("kill: pidfd_open");
		close(pidfd);
	}
}

/* --- the survivor's sleep -------------------------------------------------------------------- */

static int wait_long(struct letters *q, size_t want)
{
	const bool sleeps = q->ring.peer_waiters != NULL;
	const struct quoit_wait how =
		quoit_wait_for(sleeps ? QUOIT_WAIT_PHASED : QUOIT_WAIT_SPIN, HANG_NS);

	return q->ring.role == QUOIT_SHRING_CONSUMER
		       ? quoit_shring_wait_data(&q->ring, &how)
		       : quoit_shring_wait_space(&q->ring, want, &how);
}

static void *sleeper_worker(void *arg)
{
	struct scene *const s = arg;

	s->woken = wait_long(s->survivor, 1);
	return NULL;
}

static void go_to_sleep(struct scene *s)
{
	const uint64_t late_ns = quoit_deadline_ns(HANG_NS);

	if (pthread_create(&s->sleeper, NULL, sleeper_worker, s))
		give_up("kill: pthread_create");
	while (!(quoit_load(s->survivor->ring.waiters) & QUOIT_SHRING_ASLEEP))
		if (quoit_clock_now_ns() > late_ns)
			give_up("kill: the survivor does not fall asleep");
	usleep(50); /* from its announcement into the kernel, mostly */
}

static void wake_up(struct scene *s)
{
	(void)pthread_join(s->sleeper, NULL);
	if (s->woken && s->woken != -EOWNERDEAD && s->woken != -ESHUTDOWN)
		HUNG(s, "the sleeper was not woken, and did not see the death");
}

/* --- after ----------------------------------------------------------------------------------- */

/* Nothing is left, or nothing can be sent: the death must end a wait. */
static void expect_death(struct scene *s, size_t want)
{
	const int rc = wait_long(s->survivor, want);

	if (rc == -EUCLEAN || rc == -ESTALE)
		TORN(s, s->survivor->ring.why.text);
	else if (rc != -EOWNERDEAD && rc != -ESHUTDOWN)
		HUNG(s, "a wait does not end with the peer's death");
}

/* How many letters the survivor gets, from number `from` on. */
static uint64_t read_all(struct scene *s, struct letters *q, uint64_t from)
{
	struct letter letters[2 * KILL_CAPACITY];
	uint64_t got = 0;
	size_t n;

	while ((n = letters_recv(q, letters, 2 * KILL_CAPACITY)) != 0) {
		if (letters_right(letters, n, from + got) != n)
			TORN(s, "a letter is not whole, or not the next");
		got += n;
	}
	return got;
}

/* The producer is dead. Gives the number of the next letter. */
static uint64_t look_as_consumer(struct scene *s)
{
	const uint64_t next = s->head + read_all(s, s->survivor, s->head);

	if (next < s->tail || (s->over && next != s->tail + s->talk->moved))
		LOST(s, "a letter was committed and did not come");
	if (next > s->tail + s->c->most)
		TORN(s, "a letter came that nobody sent");
	expect_death(s, 0);
	return next;
}

/* The consumer is dead. Gives the number of the letter to be read next. */
static uint64_t look_as_producer(struct scene *s)
{
	const uint64_t next = quoit_load_acquire(s->survivor->ring.peer_index);
	const uint64_t freed = next - s->head;

	if (freed > s->c->most || (s->over && freed != s->talk->moved)) {
		LOST(s, "slots were freed that nobody has read");
		return next;
	}
	if (letters_right(s->talk->got, freed, s->head) != freed)
		LOST(s, "a slot was freed before its letter had been copied");
	if (s->tail - next)
		expect_death(s, KILL_CAPACITY);
	else if (wait_long(s->survivor, KILL_CAPACITY) == -ETIMEDOUT)
		HUNG(s, "slots that were freed cannot be had");
	return next;
}

/* Whoever comes next in the role, in a ring that may have been closed and so begun anew. */
static struct letters *succeed(struct scene *s, uint64_t *tail, uint64_t *next)
{
	struct letters *successor = NULL;
	struct quoit_reason why = {0};
	int rc = attach(s, s->c->victim, &successor, &why);

	if (rc == -ESHUTDOWN) {
		rc = quoit_shring_reset(&s->survivor->ring, &why);
		*tail = *next = s->survivor->ring.mine;
		if (!rc)
			rc = attach(s, s->c->victim, &successor, &why);
	}
	if (rc) {
		HUNG(s, why.text);
		return NULL;
	}
	return successor;
}

/* Letters from `next` to `tail` are in the ring: all of them come, and then as many new ones. */
static void go_on(struct scene *s, struct letters *out, struct letters *in, uint64_t next,
		  uint64_t tail)
{
	struct letter letters[KILL_CAPACITY];

	if (out->ring.mine != tail || in->ring.mine != next)
		LOST(s, "a successor does not go on where the dead one was");
	if (read_all(s, in, next) != tail - next)
		LOST(s, "a letter is gone for whoever comes next");
	letters_fill(letters, KILL_CAPACITY, tail);
	if (letters_send(out, letters, KILL_CAPACITY) != KILL_CAPACITY ||
	    read_all(s, in, tail) != KILL_CAPACITY)
		LOST(s, "a letter of whoever comes next is gone");
	if (quoit_shring_status(&out->ring) || quoit_shring_status(&in->ring))
		TORN(s, "the ring is poisoned");
}

/* Whoever was promised what there was before gets all of it, or hears that it is gone. */
static void look_at_the_old_generation(struct scene *s)
{
	struct letters *old = NULL;
	struct quoit_reason why = {0};
	const int rc = attach_to(s, QUOIT_SHRING_CONSUMER, 1, &old, &why);

	if (rc && rc != -ESTALE)
		HUNG(s, why.text);
	if (!rc && (old->ring.mine != s->head || quoit_shring_length(&old->ring) != s->c->fill))
		LOST(s, "an old generation has lost its letters");
	letters_destroy(old);
}

/* Nobody is left. What was there is there, or nothing: no half of it, and no refusal. */
static void look_at_reset(struct scene *s)
{
	struct letters *in = NULL, *out = NULL;
	struct quoit_reason why = {0};
	uint64_t next;

	look_at_the_old_generation(s);
	if (attach(s, QUOIT_SHRING_CONSUMER, &in, &why) ||
	    attach(s, QUOIT_SHRING_PRODUCER, &out, &why)) {
		HUNG(s, why.text);
	} else {
		next = in->ring.mine;
		if (out->ring.mine != next && (next != s->head || out->ring.mine != s->tail))
			TORN(s, "the ring is neither as it was nor begun anew");
		go_on(s, out, in, next, out->ring.mine);
	}
	letters_destroy(in);
	letters_destroy(out);
}

static void look(struct scene *s)
{
	const bool produced = s->c->victim == QUOIT_SHRING_PRODUCER;
	struct letters *successor, *thief = NULL;
	uint64_t tail = s->tail, next;

	if (s->c->resets) {
		look_at_reset(s);
		return;
	}
	next = produced ? look_as_consumer(s) : look_as_producer(s);
	if (produced)
		tail = next;
	if (s->c->keeps && attach(s, s->c->victim, &thief, NULL))
		give_up("kill: the planted thief fails");
	successor = succeed(s, &tail, &next);
	if (successor && produced)
		go_on(s, successor, s->survivor, next, tail);
	else if (successor)
		go_on(s, s->survivor, successor, next, tail);
	letters_destroy(successor);
	letters_destroy(thief);
}

static struct kill_talk *talk_open(void)
{
	struct kill_talk *const talk = mmap(NULL, sizeof(*talk), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (talk == MAP_FAILED)
		give_up("kill: mmap");
	return talk;
}

void kill_once(const struct kill_case *c, const struct kill_point *point, struct kill_path *path,
	       struct kill_count *count)
{
	struct scene s = {.c = c, .count = count, .talk = talk_open()};

	set_up(&s);
	start_victim(&s);
	if (c->asleep)
		go_to_sleep(&s);
	if (point) {
		s.over = !kill_at(s.victim, s.talk, point);
		count->kills++;
		count->late += s.over;
	} else {
		s.over = kill_measure(s.victim, s.talk, path);
		kill_end(s.victim);
		if (!s.over)
			HUNG(&s, "the call does not end");
	}
	if (c->asleep)
		wake_up(&s);
	look(&s);
	letters_destroy(s.survivor);
	for (size_t i = 0; i < s.fd_count; i++)
		close(s.fds[i]);
	munmap(s.talk, sizeof(*s.talk));
}
