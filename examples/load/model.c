/* SPDX-License-Identifier: MIT */
/*
 * model.c - keys, and values made from connection, key and version.
 */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The finalizer of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom generators"). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

int model_init(struct model *m, uint64_t run, unsigned connection, size_t key_count)
{
	*m = (struct model){.key_count = key_count, .random = mix(run ^ mix(connection))};
	m->prefix_bytes =
		(size_t)snprintf(m->prefix, sizeof(m->prefix),
				 "load:%08x:%u:", (unsigned)(run & 0xffffffff), connection);
	m->keys = calloc(key_count, sizeof(*m->keys));
	return m->keys ? 0 : -ENOMEM;
}

void model_fini(struct model *m)
{
	free(m->keys);
	m->keys = NULL;
}

uint64_t model_random(struct model *m)
{
	m->random += UINT64_C(0x9e3779b97f4a7c15);
	return mix(m->random);
}

void model_set(struct model *m, size_t key)
{
	m->keys[key] = (struct model_key){.version = ++m->versions, .state = MODEL_SET};
}

void model_append(struct model *m, size_t key)
{
	struct model_key *const k = &m->keys[key];

	if (k->state == MODEL_ABSENT)
		*k = (struct model_key){.version = ++m->versions, .state = MODEL_PIECES};
	k->appends++;
}

int64_t model_increment(struct model *m, size_t key)
{
	struct model_key *const k = &m->keys[key];

	if (k->state == MODEL_ABSENT)
		*k = (struct model_key){.state = MODEL_COUNTER};
	return (int64_t)++k->version;
}

bool model_delete(struct model *m, size_t key)
{
	const bool existed = model_exists(m, key);

	m->keys[key] = (struct model_key){.state = MODEL_ABSENT};
	return existed;
}

/* Mostly a few bytes, sometimes hundreds, rarely thousands. */
static size_t filler_bytes(uint64_t random)
{
	if (random % 256 == 0)
		return random / 256 % 4000;
	return random / 256 % (random % 8 == 0 ? 512 : 64);
}

static void put_filler(struct bytes *out, uint64_t seed, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		const uint64_t word = mix(seed + i);

		bytes_put(out, &word, len - i < 8 ? len - i : 8);
	}
}

void model_put_name(const struct model *m, size_t key, struct bytes *out)
{
	bytes_put(out, m->prefix, m->prefix_bytes);
	bytes_put_number(out, (int64_t)key);
}

static void put_set(const struct model *m, size_t key, struct bytes *out)
{
	const uint64_t version = m->keys[key].version;
	const uint64_t random = mix(version ^ mix(key));

	model_put_name(m, key, out);
	bytes_put_text(out, " v");
	bytes_put_number(out, (int64_t)version);
	bytes_put_text(out, " ");
	put_filler(out, random, filler_bytes(random));
}

static void put_piece(const struct model *m, size_t key, unsigned piece, struct bytes *out)
{
	const uint64_t random = mix(m->keys[key].version ^ mix(key) ^ (uint64_t)piece << 48);

	bytes_put_text(out, "+");
	bytes_put_number(out, (int64_t)m->keys[key].version);
	bytes_put_text(out, ".");
	bytes_put_number(out, piece);
	put_filler(out, random, random % 64);
}

void model_put_value(const struct model *m, size_t key, struct bytes *out)
{
	const struct model_key *const k = &m->keys[key];

	if (k->state == MODEL_COUNTER)
		bytes_put_number(out, (int64_t)k->version);
	if (k->state == MODEL_SET)
		put_set(m, key, out);
	for (unsigned i = 0; i < k->appends; i++)
		put_piece(m, key, i, out);
}

void model_put_last_piece(const struct model *m, size_t key, struct bytes *out)
{
	put_piece(m, key, m->keys[key].appends - 1U, out);
}
