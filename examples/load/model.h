/* SPDX-License-Identifier: MIT */
/*
 * model.h - what one connection has stored, so that every reply is known before it comes.
 *
 * A connection owns its keys: their names begin with the run's and its own number, and no other
 * connection touches them. A value is never stored here. It is a function of connection, key and
 * version, and no version is used twice, so a value that is stale or belongs to someone else cannot
 * look right. Three keys of four hold text of all byte values, the fourth a counter.
 */
#ifndef LOAD_MODEL_H
#define LOAD_MODEL_H

#include "bytes.h"

enum {
	KEY_BYTES_MAX = 48,
	VALUE_BYTES_MAX = 5120,
	APPENDS_MAX = 8, /* to one value; then only a new one is set */
};

enum model_state {
	MODEL_ABSENT,
	MODEL_SET,    /* a value of its version, and what was appended */
	MODEL_PIECES, /* only appended to, never set */
	MODEL_COUNTER,
};

struct model_key {
	uint64_t version; /* of a counter: its number */
	uint8_t state, appends;
};

struct model {
	struct model_key *keys;
	size_t key_count;
	uint64_t versions; /* given out so far */
	uint64_t random;
	char prefix[KEY_BYTES_MAX];
	size_t prefix_bytes;
};

/* `run` tells this run's keys from those of others; the same values always do the same. */
int model_init(struct model *m, uint64_t run, unsigned connection, size_t key_count);
void model_fini(struct model *m);

static inline bool model_is_counter(size_t key)
{
	return key % 4 == 3;
}

static inline bool model_exists(const struct model *m, size_t key)
{
	return m->keys[key].state != MODEL_ABSENT;
}

/* The next of a fixed sequence of pseudo-random numbers. */
uint64_t model_random(struct model *m);

/* What the commands do to a key. model_increment() gives the new number. */
void model_set(struct model *m, size_t key);
void model_append(struct model *m, size_t key);
int64_t model_increment(struct model *m, size_t key);
bool model_delete(struct model *m, size_t key);

/* Put the key's name, its value as it must be now, or what model_append() appended last. */
void model_put_name(const struct model *m, size_t key, struct bytes *out);
void model_put_value(const struct model *m, size_t key, struct bytes *out);
void model_put_last_piece(const struct model *m, size_t key, struct bytes *out);

#endif
