/* SPDX-License-Identifier: MIT */
/* shard.c - requests executed on the keys of one core, and their parts gathered. */
#include "shard.h"
#include "hash.h"
#include "number.h"

#include <string.h>

static void answer(struct kv_reply *reply, enum kv_kind kind)
{
	reply->kind = (uint8_t)kind;
}

static void answer_integer(struct kv_reply *reply, int64_t integer)
{
	reply->kind = KV_INTEGER;
	reply->integer = integer;
}

static void answer_error(struct kv_reply *reply, enum kv_error error)
{
	reply->kind = KV_ERROR;
	reply->error = (uint16_t)error;
}

/* False if the value could not be copied; the reply says so then. */
static bool answer_value(struct kv_reply *reply, const struct table_entry *entry, bool borrow)
{
	if (entry == NULL) {
		reply->kind = KV_NIL;
		return true;
	}
	reply->kind = KV_BULK;
	reply->place = KV_BORROWED;
	reply->len = entry->value_len;
	reply->bytes = table_value(entry);
	return borrow || kv_reply_own(reply);
}

static struct table_entry *find(struct shard *shard, const struct kv_request *request)
{
	return table_find(&shard->table, request->key, request->key_len, request->hash,
			  shard->now_ns);
}

static int store(struct shard *shard, const struct kv_request *request, const char *value,
		 size_t value_len, uint64_t deadline_ns)
{
	return table_set(&shard->table, request->key, request->key_len, request->hash, value,
			 value_len, deadline_ns, shard->now_ns);
}

static void execute_set(struct shard *shard, const struct kv_request *request,
			struct kv_reply *reply)
{
	const uint8_t conditions = request->flags & (KV_IF_ABSENT | KV_IF_PRESENT | KV_OLD_VALUE);
	bool stores = true;

	if (conditions != 0) {
		const struct table_entry *const old = find(shard, request);

		/* The old value is overwritten below, so it is never lent. */
		if ((conditions & KV_OLD_VALUE) && !answer_value(reply, old, false))
			return;
		stores = !(conditions & (old != NULL ? KV_IF_ABSENT : KV_IF_PRESENT));
	}
	if (stores &&
	    store(shard, request, request->value, request->value_len, request->deadline_ns) != 0) {
		if (conditions & KV_OLD_VALUE)
			kv_reply_release(reply);
		answer_error(reply, KV_OUT_OF_MEMORY);
	} else if (!(conditions & KV_OLD_VALUE)) {
		answer(reply, stores ? KV_OK : KV_NIL);
	}
}

static void execute_add(struct shard *shard, const struct kv_request *request,
			struct kv_reply *reply)
{
	struct table_entry *const entry = find(shard, request);
	char text[NUMBER_MAX_LEN];
	int64_t number = 0;

	if (entry != NULL && !number_parse(table_value(entry), entry->value_len, &number)) {
		answer_error(reply, KV_NOT_AN_INTEGER);
		return;
	}
	if (__builtin_add_overflow(number, request->amount, &number)) {
		answer_error(reply, KV_OVERFLOW);
		return;
	}
	const size_t len = number_format(number, text);

	if ((entry == NULL || !table_overwrite(entry, text, len)) &&
	    store(shard, request, text, len, TABLE_KEEP_DEADLINE) != 0)
		answer_error(reply, KV_OUT_OF_MEMORY);
	else
		answer_integer(reply, number);
}

static void execute_append(struct shard *shard, const struct kv_request *request,
			   struct kv_reply *reply)
{
	const struct table_entry *const entry = find(shard, request);
	const size_t len = entry == NULL ? 0 : entry->value_len;

	if (len + request->value_len > shard->bulk_bytes) {
		answer_error(reply, KV_STRING_TOO_LONG);
		return;
	}
	const int64_t grown =
		table_append(&shard->table, request->key, request->key_len, request->hash,
			     request->value, request->value_len, shard->now_ns);

	if (grown < 0)
		answer_error(reply, KV_OUT_OF_MEMORY);
	else
		answer_integer(reply, grown);
}

/* One key of a MGET. Returns how many bytes it adds to the reply, or -1 if memory is out. */
static int64_t execute_mget(struct shard *shard, const struct kv_request *request,
			    struct kv_item *item, int64_t bytes_before)
{
	const struct table_entry *const entry =
		table_find(&shard->table, item->key, item->key_len, item->hash, shard->now_ns);
	const int64_t bytes = entry != NULL ? entry->value_len : 0;

	if (bytes_before + bytes > (int64_t)KV_MGET_BYTES)
		return bytes; /* the answer is an error: not copied */
	return answer_value(&item->reply, entry, request->flags & KV_BORROW) ? bytes : -1;
}

/* One key of many. Returns what it adds to the sum, or -1 if memory is out. */
static int execute_item(struct shard *shard, const struct kv_request *request, struct kv_item *item)
{
	struct table *const table = &shard->table;
	const uint64_t now_ns = shard->now_ns;

	switch (request->op) {
	case KV_MSET:
		return table_set(table, item->key, item->key_len, item->hash, item->value,
				 item->value_len, TABLE_NO_DEADLINE, now_ns) == 0
			       ? 0
			       : -1;
	case KV_MDEL:
		return table_delete(table, item->key, item->key_len, item->hash, now_ns);
	default:
		return table_find(table, item->key, item->key_len, item->hash, now_ns) != NULL;
	}
}

static void execute_items(struct shard *shard, const struct kv_request *request,
			  struct kv_reply *reply)
{
	int64_t sum = 0;
	bool out_of_memory = false;

	for (uint32_t at = request->first_item; at != KV_NO_ITEM; at = request->items[at].next) {
		struct kv_item *const item = &request->items[at];
		const int64_t rc = request->op == KV_MGET ? execute_mget(shard, request, item, sum)
							  : execute_item(shard, request, item);

		if (rc < 0)
			out_of_memory = true;
		else
			sum += rc;
	}
	if (out_of_memory)
		answer_error(reply, KV_OUT_OF_MEMORY);
	else if (request->op == KV_MGET && sum > (int64_t)KV_MGET_BYTES)
		answer_error(reply, KV_REPLY_TOO_LONG);
	else
		answer_integer(reply, sum);
}

/* Into the asker's memory if it offers enough: no allocation on one core, freed on another. */
static void execute_get(struct shard *shard, const struct kv_request *request,
			struct kv_reply *reply)
{
	const struct table_entry *const entry = find(shard, request);

	if (entry == NULL || request->room == NULL || entry->value_len > request->value_len) {
		(void)answer_value(reply, entry, request->flags & KV_BORROW);
		return;
	}
	memcpy(request->room, table_value(entry), entry->value_len);
	reply->kind = KV_BULK;
	reply->place = KV_BORROWED;
	reply->len = entry->value_len;
	reply->bytes = request->room;
}

void shard_execute(struct shard *shard, const struct kv_request *request, struct kv_reply *reply)
{
	struct table *const table = &shard->table;

	switch ((enum kv_op)request->op) {
	case KV_GET:
		execute_get(shard, request, reply);
		break;
	case KV_SET:
		execute_set(shard, request, reply);
		break;
	case KV_DEL:
		answer_integer(reply, table_delete(table, request->key, request->key_len,
						   request->hash, shard->now_ns));
		break;
	case KV_EXISTS:
		answer_integer(reply, find(shard, request) != NULL);
		break;
	case KV_ADD:
		execute_add(shard, request, reply);
		break;
	case KV_STRLEN: {
		const struct table_entry *const entry = find(shard, request);

		answer_integer(reply, entry == NULL ? 0 : entry->value_len);
		break;
	}
	case KV_APPEND:
		execute_append(shard, request, reply);
		break;
	case KV_MGET:
	case KV_MSET:
	case KV_MDEL:
	case KV_MEXISTS:
		execute_items(shard, request, reply);
		break;
	case KV_DBSIZE:
		answer_integer(reply, (int64_t)table->count);
		break;
	case KV_FLUSH:
		table_flush(table);
		answer(reply, KV_OK);
		break;
	}
}

unsigned items_scatter(struct kv_item *items, uint32_t count, unsigned cores, uint32_t *first)
{
	unsigned owners = 0;

	for (unsigned core = 0; core < cores; core++)
		first[core] = KV_NO_ITEM;
	/* From the last to the first, so that each chain comes out in order. */
	for (uint32_t at = count; at-- > 0;) {
		const unsigned owner = hash_owner(items[at].hash, cores);

		owners += first[owner] == KV_NO_ITEM;
		items[at].next = first[owner];
		first[owner] = at;
	}
	return owners;
}

size_t items_bytes(const struct kv_item *items, uint32_t count, enum kv_op op)
{
	size_t bytes = 0;

	for (uint32_t at = 0; at < count; at++)
		bytes += items[at].key_len + (op == KV_MSET ? items[at].value_len : 0);
	return bytes;
}

static const char *move(char **to, const char *from, size_t len)
{
	char *const at = *to;

	memcpy(at, from, len);
	*to += len;
	return at;
}

void items_move(struct kv_item *items, uint32_t count, enum kv_op op, char *to)
{
	for (uint32_t at = 0; at < count; at++) {
		items[at].key = move(&to, items[at].key, items[at].key_len);
		if (op == KV_MSET)
			items[at].value = move(&to, items[at].value, items[at].value_len);
	}
}

static bool has_value(const struct kv_request *request)
{
	return request->op == KV_SET || request->op == KV_APPEND;
}

size_t request_bytes(const struct kv_request *request)
{
	return request->key_len + (has_value(request) ? (size_t)request->value_len : 0);
}

void request_move(struct kv_request *request, char *to)
{
	request->key = move(&to, request->key, request->key_len);
	if (has_value(request))
		request->value = move(&to, request->value, request->value_len);
}

void gather_add(struct kv_gather *gather, const struct kv_reply *part)
{
	if (part->kind == KV_ERROR)
		gather->error = (uint8_t)part->error;
	else if (part->kind == KV_INTEGER)
		gather->sum += part->integer;
}

void gather_finish(const struct kv_gather *gather, struct kv_reply *reply)
{
	if (gather->error != KV_NO_ERROR) {
		answer_error(reply, gather->error);
		return;
	}
	switch (gather->op) {
	case KV_MGET:
		reply->kind = KV_ARRAY;
		reply->len = gather->count;
		reply->items = gather->items;
		break;
	case KV_MSET:
	case KV_FLUSH:
		answer(reply, KV_OK);
		break;
	default:
		answer_integer(reply, gather->sum);
		break;
	}
}

void gather_release(struct kv_gather *gather)
{
	if (gather->op != KV_MGET)
		return;
	for (uint32_t at = 0; at < gather->count; at++)
		kv_reply_release(&gather->items[at].reply);
}
