/* SPDX-License-Identifier: MIT */
/*
 * shring_checks.h - what the tests of rings between processes share: options, both sides of a ring
 * in one process, which the locks of its roles do not mind, and children that are one side.
 *
 * Include it after cmocka.
 */
#ifndef QUOIT_TESTS_RINGS_SHRING_CHECKS_H
#define QUOIT_TESTS_RINGS_SHRING_CHECKS_H

#include <quoit/numa/sys_shared_internal.h>

#include <sys/wait.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed_shring.h>
#include <support/fds.h>

#define BITS	 3
#define CAPACITY 8

QUOIT_SHRING(words, uint64_t);

/* One side, of words, with room for CAPACITY. */
static inline struct quoit_shring_options shring_of(enum quoit_shring_role role)
{
	return (struct quoit_shring_options){
		.size = sizeof(struct quoit_shring_options),
		.role = role,
		.bits = BITS,
		.slot_bytes = sizeof(uint64_t),
		.slot_align = sizeof(uint64_t),
		.node = QUOIT_NODE_AUTO,
	};
}

/* Both sides of one ring. */
struct shring_pair {
	struct words *p;
	struct words *c;
};

static inline struct words *shring_attach(struct words *to, struct quoit_shring_options options)
{
	struct quoit_reason why = {0};
	struct words *q = NULL;
	int fds[QUOIT_SHRING_FDS];
	const size_t n = quoit_shring_fds(&to->ring, fds);

	if (words_attach(fds, n, &options, &q, &why))
		fail_msg("%s", why.text);
	return q;
}

static inline struct words *shring_create(struct quoit_shring_options options)
{
	struct quoit_reason why = {0};
	struct words *q = NULL;

	if (words_create(&options, &q, &why))
		fail_msg("%s", why.text);
	return q;
}

/* `options` are the producer's; its role is filled in, and the consumer asks for what it has. */
static inline struct shring_pair shring_begin(struct quoit_shring_options options)
{
	struct quoit_shring_options other = shring_of(QUOIT_SHRING_CONSUMER);
	struct shring_pair pair;

	options.role = QUOIT_SHRING_PRODUCER;
	other.bits = options.bits;
	other.trusted = options.trusted;
	other.hardened = options.hardened;
	pair.p = shring_create(options);
	pair.c = shring_attach(pair.p, other);
	if (options.hardened)
		assert_int_equal(
			quoit_shring_join(&pair.p->ring, quoit_shring_fd(&pair.c->ring), NULL), 0);
	return pair;
}

static inline void shring_end(struct shring_pair *pair)
{
	words_destroy(pair->c);
	words_destroy(pair->p);
}

/* The shared words, as a hostile peer sees them. */
static inline struct quoit_shring_header *shring_shared(struct words *q)
{
	return (struct quoit_shring_header *)q->ring.home.own_map;
}

static inline struct quoit_wait shring_blocking(int64_t timeout_ns)
{
	return (struct quoit_wait){.kind = QUOIT_WAIT_BLOCK,
				   .deadline_ns = quoit_deadline_ns(timeout_ns)};
}

/* Run `side` in a child; its answer is the exit status, 0 for good. */
static inline pid_t shring_child(int (*side)(void *ctx), void *ctx)
{
	const pid_t child = fork();

	if (!child)
		_exit(side(ctx));
	assert_true(child > 0);
	return child;
}

static inline int shring_joined(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#endif
