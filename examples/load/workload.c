/* SPDX-License-Identifier: MIT */
/*
 * workload.c - a mix of commands, written as RESP arrays, and what redis answers to each.
 */
#include "workload.h"

/* A command: how often, among 100, and what writes request and reply. */
struct verb {
	unsigned share;
	void (*next)(struct workload *w, struct bytes *request, struct bytes *reply);
};

int workload_init(struct workload *w, uint64_t run, unsigned connection, size_t key_count)
{
	*w = (struct workload){.sweeping = false};

	int rc = model_init(&w->model, run, connection, key_count);

	if (rc == 0)
		rc = bytes_init(&w->one_value, VALUE_BYTES_MAX);
	if (rc != 0)
		workload_fini(w);
	return rc;
}

void workload_fini(struct workload *w)
{
	model_fini(&w->model);
	bytes_fini(&w->one_value);
}

static void put_header(struct bytes *out, char type, int64_t n)
{
	bytes_put(out, &type, 1);
	bytes_put_number(out, n);
	bytes_put(out, "\r\n", 2);
}

static void put_bulk(struct bytes *out, const char *data, size_t len)
{
	put_header(out, '$', (int64_t)len);
	bytes_put(out, data, len);
	bytes_put(out, "\r\n", 2);
}

static void put_command(struct bytes *out, const char *name, size_t arguments)
{
	put_header(out, '*', (int64_t)arguments + 1);
	put_bulk(out, name, strlen(name));
}

/* What the function puts, as a bulk string. */
static void put_made(struct workload *w, struct bytes *out, size_t key,
		     void (*put)(const struct model *, size_t, struct bytes *))
{
	bytes_drop(&w->one_value, bytes_held(&w->one_value));
	put(&w->model, key, &w->one_value);
	put_bulk(out, bytes_front(&w->one_value), bytes_held(&w->one_value));
}

static void put_key(struct workload *w, struct bytes *out, size_t key)
{
	put_made(w, out, key, model_put_name);
}

static void put_value_or_nil(struct workload *w, struct bytes *out, size_t key)
{
	if (model_exists(&w->model, key))
		put_made(w, out, key, model_put_value);
	else
		bytes_put_text(out, "$-1\r\n");
}

static size_t any_key(struct workload *w)
{
	return (size_t)(model_random(&w->model) % w->model.key_count);
}

/* Key 0 is a text, so there always is one. */
static size_t text_key(struct workload *w)
{
	const size_t key = any_key(w);

	return model_is_counter(key) ? key - 1 : key;
}

static size_t several(struct workload *w)
{
	return 2 + (size_t)(model_random(&w->model) % (WORKLOAD_KEYS_MAX - 1));
}

static void next_ping(struct workload *w, struct bytes *request, struct bytes *reply)
{
	(void)w;
	put_command(request, "PING", 0);
	bytes_put_text(reply, "+PONG\r\n");
}

static void next_get(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t key = any_key(w);

	put_command(request, "GET", 1);
	put_key(w, request, key);
	put_value_or_nil(w, reply, key);
}

static void next_set(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t key = text_key(w);

	model_set(&w->model, key);
	put_command(request, "SET", 2);
	put_key(w, request, key);
	put_made(w, request, key, model_put_value);
	bytes_put_text(reply, "+OK\r\n");
}

static void next_mget(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t keys = several(w);

	put_command(request, "MGET", keys);
	put_header(reply, '*', (int64_t)keys);
	for (size_t i = 0; i < keys; i++) {
		const size_t key = any_key(w);

		put_key(w, request, key);
		put_value_or_nil(w, reply, key);
	}
}

/* The same key may come twice: the last value stays. */
static void next_mset(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t keys = several(w);

	put_command(request, "MSET", 2 * keys);
	for (size_t i = 0; i < keys; i++) {
		const size_t key = text_key(w);

		model_set(&w->model, key);
		put_key(w, request, key);
		put_made(w, request, key, model_put_value);
	}
	bytes_put_text(reply, "+OK\r\n");
}

/* A text is no number: INCR must refuse it, and leave it alone. */
static void next_incr(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t key = any_key(w) | 3;
	const size_t counter = key < w->model.key_count ? key : 3;
	const size_t text = counter - 1;
	const bool refused = model_random(&w->model) % 16 == 0 && model_exists(&w->model, text);

	put_command(request, "INCR", 1);
	put_key(w, request, refused ? text : counter);
	if (refused)
		bytes_put_text(reply, "-ERR value is not an integer or out of range\r\n");
	else
		put_header(reply, ':', model_increment(&w->model, counter));
}

static void put_length(struct workload *w, struct bytes *out, size_t key)
{
	bytes_drop(&w->one_value, bytes_held(&w->one_value));
	model_put_value(&w->model, key, &w->one_value);
	put_header(out, ':', (int64_t)bytes_held(&w->one_value));
}

static void next_strlen(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t key = any_key(w);

	put_command(request, "STRLEN", 1);
	put_key(w, request, key);
	put_length(w, reply, key);
}

static void next_append(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t key = text_key(w);

	if (w->model.keys[key].appends >= APPENDS_MAX) {
		next_set(w, request, reply);
		return;
	}
	model_append(&w->model, key);
	put_command(request, "APPEND", 2);
	put_key(w, request, key);
	put_made(w, request, key, model_put_last_piece);
	put_length(w, reply, key);
}

/* A key that is named twice exists twice. */
static void next_exists(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t keys = several(w);
	int64_t existing = 0;

	put_command(request, "EXISTS", keys);
	for (size_t i = 0; i < keys; i++) {
		const size_t key = any_key(w);

		put_key(w, request, key);
		existing += model_exists(&w->model, key);
	}
	put_header(reply, ':', existing);
}

static void delete_key(struct workload *w, struct bytes *request, size_t key, int64_t *deleted)
{
	put_key(w, request, key);
	*deleted += model_delete(&w->model, key);
}

static void next_del(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t keys = several(w);
	int64_t deleted = 0;

	put_command(request, "DEL", keys);
	for (size_t i = 0; i < keys; i++)
		delete_key(w, request, any_key(w), &deleted);
	put_header(reply, ':', deleted);
}

static const struct verb verbs[] = {
	{39, next_get},	  {25, next_set},   {10, next_incr},  {6, next_mget}, {4, next_mset},
	{5, next_append}, {4, next_strlen}, {4, next_exists}, {2, next_del},  {1, next_ping},
};

void workload_sweep(struct workload *w)
{
	w->sweeping = true;
}

static bool next_sweep(struct workload *w, struct bytes *request, struct bytes *reply)
{
	const size_t left = w->model.key_count - w->swept;
	const size_t keys = left < WORKLOAD_KEYS_MAX ? left : WORKLOAD_KEYS_MAX;
	int64_t deleted = 0;

	if (!keys)
		return false;
	put_command(request, "DEL", keys);
	for (size_t i = 0; i < keys; i++)
		delete_key(w, request, w->swept++, &deleted);
	put_header(reply, ':', deleted);
	return true;
}

bool workload_next(struct workload *w, struct bytes *request, struct bytes *reply)
{
	if (w->sweeping)
		return next_sweep(w, request, reply);

	unsigned chosen = (unsigned)(model_random(&w->model) % 100);
	const struct verb *v = verbs;

	for (; chosen >= v->share; v++)
		chosen -= v->share;
	v->next(w, request, reply);
	return true;
}
