/* SPDX-License-Identifier: MIT */
/*
 * table.c - chains under an array that grows bucket by bucket.
 *
 * With n buckets live and mask the next power of two less one, a hash belongs to bucket hash & mask
 * or, where that is not live yet, to the same without the top bit. Splitting bucket n makes it live
 * and takes its entries from the one that had them so far. The upper part of the array needs no
 * clearing: a bucket is written when it comes to life.
 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES  64
#define BUCKETS_MIN ((size_t)16)
#define HEAP_MIN    ((size_t)16)
/* A write that finds memory out removes this many due keys, then tries again. */
#define RECLAIM_BUDGET ((size_t)64)

/*
 * What the allocator takes for n bytes: 8 more, in steps of 16, 32 at least (glibc; pages beyond
 * 128 KiB, which is not counted). What a step leaves over becomes room for the value to grow.
 */
static size_t chunk_bytes(size_t n)
{
	const size_t chunk = (n + 8 + 15) & ~(size_t)15;

	return chunk < 32 ? 32 : chunk;
}

static size_t entry_bytes(const struct table_entry *entry)
{
	return chunk_bytes(sizeof *entry + entry->key_len + entry->value_room);
}

static bool has_room(const struct table *table, size_t bytes)
{
	return bytes <= table->limit_bytes && table->used_bytes <= table->limit_bytes - bytes;
}

/*
 * Realloc *array from old to new elements, counted. The array is as it was if that fails.
 */
static int resize_array(struct table *table, void **array, size_t element, size_t old, size_t new)
{
	const size_t before = old == 0 ? 0 : chunk_bytes(old * element);
	const size_t after = chunk_bytes(new *element);

	/* Both exist for a moment while the one is copied to the other. */
	if (new > old && !has_room(table, after))
		return -ENOMEM;
	void *const moved = realloc(*array, new *element);

	if (moved == NULL)
		return -ENOMEM;
	*array = moved;
	table->used_bytes += after - before;
	return 0;
}

static size_t mask_of(const struct table *table)
{
	return ((size_t)2 << (63 - __builtin_clzll(table->live - 1))) - 1;
}

static struct table_entry **bucket_of(const struct table *table, uint64_t hash)
{
	const size_t mask = mask_of(table);
	size_t at = hash & mask;

	if (at >= table->live)
		at &= mask >> 1;
	return &table->buckets[at];
}

static int resize_buckets(struct table *table, size_t capacity)
{
	void *buckets = table->buckets;
	const int rc = resize_array(table, &buckets, sizeof(void *), table->capacity, capacity);

	if (rc == 0) {
		table->buckets = buckets;
		table->capacity = capacity;
	}
	return rc;
}

/* One more bucket. Where memory does not allow it chains get longer, nothing else. */
static void split_bucket(struct table *table)
{
	if (table->live == table->capacity && resize_buckets(table, table->capacity * 2) != 0)
		return;
	const size_t fresh = table->live++;
	const size_t mask = mask_of(table);
	struct table_entry **stay = &table->buckets[fresh & (mask >> 1)];
	struct table_entry **move = &table->buckets[fresh];

	for (struct table_entry *entry = *stay, *next; entry != NULL; entry = next) {
		struct table_entry ***const to = (entry->hash & mask) == fresh ? &move : &stay;

		next = entry->next;
		**to = entry;
		*to = &entry->next;
	}
	*stay = NULL;
	*move = NULL;
}

/* One bucket less. */
static void join_bucket(struct table *table)
{
	const size_t last = table->live - 1;
	struct table_entry **end = &table->buckets[last & (mask_of(table) >> 1)];

	while (*end != NULL)
		end = &(*end)->next;
	*end = table->buckets[last];
	table->live = last;
	if (table->live <= table->capacity / 4)
		(void)resize_buckets(table, table->capacity / 2);
}

static void heap_place(struct table *table, size_t at, struct table_deadline deadline)
{
	table->heap[at] = deadline;
	deadline.entry->heap_at = (uint32_t)at + 1;
}

/* Let a deadline sink or rise from the hole at `at` to where it belongs. */
static void heap_settle(struct table *table, size_t at, struct table_deadline deadline)
{
	for (size_t up; at > 0 && table->heap[up = (at - 1) / 2].at_ns > deadline.at_ns; at = up)
		heap_place(table, at, table->heap[up]);
	for (size_t down; (down = 2 * at + 1) < table->heap_count; at = down) {
		if (down + 1 < table->heap_count &&
		    table->heap[down + 1].at_ns < table->heap[down].at_ns)
			down++;
		if (table->heap[down].at_ns >= deadline.at_ns)
			break;
		heap_place(table, at, table->heap[down]);
	}
	heap_place(table, at, deadline);
}

static int resize_heap(struct table *table, size_t capacity)
{
	void *heap = table->heap;
	const int rc =
		resize_array(table, &heap, sizeof *table->heap, table->heap_capacity, capacity);

	if (rc == 0) {
		table->heap = heap;
		table->heap_capacity = capacity;
	}
	return rc;
}

static void heap_remove(struct table *table, struct table_entry *entry)
{
	const size_t at = entry->heap_at - 1;
	const struct table_deadline last = table->heap[--table->heap_count];

	entry->heap_at = 0;
	if (last.entry != entry)
		heap_settle(table, at, last);
	if (table->heap_capacity > HEAP_MIN && table->heap_count <= table->heap_capacity / 4)
		(void)resize_heap(table, table->heap_capacity / 2);
}

static int heap_reserve(struct table *table)
{
	if (table->heap_count < table->heap_capacity)
		return 0;
	if (table->heap_capacity >= UINT32_MAX / 2)
		return -ENOMEM;
	return resize_heap(table, table->heap_capacity == 0 ? HEAP_MIN : table->heap_capacity * 2);
}

/* heap_reserve() came before if the entry gets its first deadline. */
static void set_deadline(struct table *table, struct table_entry *entry, uint64_t deadline_ns)
{
	const struct table_deadline deadline = {.at_ns = deadline_ns, .entry = entry};

	if (deadline_ns == TABLE_KEEP_DEADLINE)
		return;
	if (deadline_ns == TABLE_NO_DEADLINE) {
		if (entry->heap_at != 0)
			heap_remove(table, entry);
	} else if (entry->heap_at != 0) {
		heap_settle(table, entry->heap_at - 1, deadline);
	} else {
		heap_settle(table, table->heap_count++, deadline);
	}
}

static void remove_entry(struct table *table, struct table_entry **link)
{
	struct table_entry *const entry = *link;

	if (entry->heap_at != 0)
		heap_remove(table, entry);
	*link = entry->next;
	table->used_bytes -= entry_bytes(entry);
	table->count--;
	free(entry);
	/* Two at a time: with one the array would still be long when the last key is gone. */
	for (int i = 0; i < 2 && table->live > BUCKETS_MIN && table->count < table->live / 2; i++)
		join_bucket(table);
}

static bool is_key(const struct table_entry *entry, const char *key, size_t key_len, uint64_t hash)
{
	return entry->hash == hash && entry->key_len == key_len &&
	       memcmp(entry->bytes, key, key_len) == 0;
}

/* The link to a key's entry, or the end of its chain. Removes the entry if its time is over. */
static struct table_entry **find_link(struct table *table, const char *key, size_t key_len,
				      uint64_t hash, uint64_t now_ns)
{
	struct table_entry **link = bucket_of(table, hash);

	while (*link != NULL && !is_key(*link, key, key_len, hash))
		link = &(*link)->next;
	if (*link == NULL || (*link)->heap_at == 0 ||
	    table->heap[(*link)->heap_at - 1].at_ns > now_ns)
		return link;
	table->expired++;
	remove_entry(table, link);
	/* Buckets may have been joined: walk again to an end that is one. */
	for (link = bucket_of(table, hash); *link != NULL; link = &(*link)->next)
		;
	return link;
}

int table_init(struct table *table, size_t limit_bytes)
{
	struct table fresh = {.limit_bytes = limit_bytes, .live = BUCKETS_MIN};
	const int rc = resize_buckets(&fresh, BUCKETS_MIN);

	if (rc != 0)
		return rc;
	memset(fresh.buckets, 0, BUCKETS_MIN * sizeof(void *));
	*table = fresh;
	return 0;
}

static void free_entries(struct table *table)
{
	for (size_t i = 0; i < table->live; i++) {
		for (struct table_entry *entry = table->buckets[i], *next; entry != NULL;
		     entry = next) {
			next = entry->next;
			free(entry);
		}
	}
}

void table_fini(struct table *table)
{
	free_entries(table);
	free(table->heap);
	free(table->buckets);
	*table = (struct table){0};
}

struct table_entry *table_find(struct table *table, const char *key, size_t key_len, uint64_t hash,
			       uint64_t now_ns)
{
	return *find_link(table, key, key_len, hash, now_ns);
}

void table_prefetch_bucket(const struct table *table, uint64_t hash)
{
	__builtin_prefetch(bucket_of(table, hash));
}

void table_prefetch_entry(const struct table *table, uint64_t hash)
{
	__builtin_prefetch(*bucket_of(table, hash));
}

void table_prefetch_rest(const struct table *table, uint64_t hash)
{
	const struct table_entry *const entry = *bucket_of(table, hash);

	if (entry == NULL)
		return;
	if (entry->hash == hash)
		__builtin_prefetch((const char *)entry + LINE_BYTES);
	else
		__builtin_prefetch(entry->next);
}

/*
 * Make the entry at *link (NULL for a new one) hold room for value_room bytes, counted. Its place
 * in the chain and in the heap follow it. A new entry has its key, and is linked in.
 */
static int give_room(struct table *table, struct table_entry **link, const char *key,
		     size_t key_len, uint64_t hash, size_t value_room)
{
	struct table_entry *const old = *link;
	const size_t before = old == NULL ? 0 : entry_bytes(old);
	const size_t after = chunk_bytes(sizeof *old + key_len + value_room);

	if (after > UINT32_MAX || (after > before && !has_room(table, after - before)))
		return -ENOMEM;
	struct table_entry *const entry = realloc(old, after - 8);

	if (entry == NULL)
		return -ENOMEM;
	table->used_bytes += after - before;
	entry->value_room = (uint32_t)(after - 8 - sizeof *entry - key_len);
	*link = entry;
	if (old == NULL) {
		entry->next = NULL;
		entry->hash = hash;
		entry->key_len = (uint32_t)key_len;
		entry->value_len = 0;
		entry->heap_at = 0;
		memcpy(entry->bytes, key, key_len);
		table->count++;
	} else if (entry->heap_at != 0) {
		table->heap[entry->heap_at - 1].entry = entry;
	}
	return 0;
}

/* Much smaller values give their memory back; a little less room is kept for the next time. */
static bool fits(const struct table_entry *entry, size_t value_len)
{
	return value_len <= entry->value_room &&
	       (entry->value_room <= 64 || value_len >= entry->value_room / 4);
}

static int set_once(struct table *table, const char *key, size_t key_len, uint64_t hash,
		    const char *value, size_t value_len, uint64_t deadline_ns, uint64_t now_ns)
{
	struct table_entry **const link = find_link(table, key, key_len, hash, now_ns);
	const bool is_new = *link == NULL;

	if (is_new && deadline_ns == TABLE_KEEP_DEADLINE)
		deadline_ns = TABLE_NO_DEADLINE;
	if (deadline_ns < TABLE_KEEP_DEADLINE && (is_new || (*link)->heap_at == 0) &&
	    heap_reserve(table) != 0)
		return -ENOMEM;
	if (is_new || !fits(*link, value_len)) {
		const int rc = give_room(table, link, key, key_len, hash, value_len);

		if (rc != 0)
			return rc;
	}
	struct table_entry *const entry = *link;

	memcpy(entry->bytes + key_len, value, value_len);
	entry->value_len = (uint32_t)value_len;
	set_deadline(table, entry, deadline_ns);
	if (is_new && table->count > table->live)
		split_bucket(table);
	return 0;
}

int table_set(struct table *table, const char *key, size_t key_len, uint64_t hash,
	      const char *value, size_t value_len, uint64_t deadline_ns, uint64_t now_ns)
{
	int rc;

	do
		rc = set_once(table, key, key_len, hash, value, value_len, deadline_ns, now_ns);
	while (rc != 0 && table_expire(table, now_ns, RECLAIM_BUDGET) > 0);
	return rc;
}

static int64_t append_once(struct table *table, const char *key, size_t key_len, uint64_t hash,
			   const char *more, size_t more_len, uint64_t now_ns)
{
	struct table_entry **const link = find_link(table, key, key_len, hash, now_ns);
	const bool is_new = *link == NULL;
	const size_t old_len = is_new ? 0 : (*link)->value_len;
	const size_t len = old_len + more_len;

	if (is_new || len > (*link)->value_room) {
		const size_t roomy = is_new ? len : len + len / 2;

		if (give_room(table, link, key, key_len, hash, roomy) != 0 &&
		    give_room(table, link, key, key_len, hash, len) != 0)
			return -ENOMEM;
	}
	memcpy((*link)->bytes + key_len + old_len, more, more_len);
	(*link)->value_len = (uint32_t)len;
	if (is_new && table->count > table->live)
		split_bucket(table);
	return (int64_t)len;
}

int64_t table_append(struct table *table, const char *key, size_t key_len, uint64_t hash,
		     const char *more, size_t more_len, uint64_t now_ns)
{
	int64_t rc;

	do
		rc = append_once(table, key, key_len, hash, more, more_len, now_ns);
	while (rc < 0 && table_expire(table, now_ns, RECLAIM_BUDGET) > 0);
	return rc;
}

bool table_overwrite(struct table_entry *entry, const char *value, size_t value_len)
{
	if (value_len > entry->value_room)
		return false;
	memcpy(entry->bytes + entry->key_len, value, value_len);
	entry->value_len = (uint32_t)value_len;
	return true;
}

bool table_delete(struct table *table, const char *key, size_t key_len, uint64_t hash,
		  uint64_t now_ns)
{
	struct table_entry **const link = find_link(table, key, key_len, hash, now_ns);

	if (*link == NULL)
		return false;
	remove_entry(table, link);
	return true;
}

size_t table_expire(struct table *table, uint64_t now_ns, size_t budget)
{
	size_t removed = 0;

	for (; removed < budget && table_next_deadline(table) <= now_ns; removed++) {
		struct table_entry *const entry = table->heap[0].entry;
		struct table_entry **link = bucket_of(table, entry->hash);

		while (*link != entry)
			link = &(*link)->next;
		remove_entry(table, link);
		table->expired++;
	}
	return removed;
}

void table_flush(struct table *table)
{
	free_entries(table);
	free(table->heap);
	table->heap = NULL;
	table->heap_count = 0;
	table->heap_capacity = 0;
	table->count = 0;
	table->live = BUCKETS_MIN;

	/* A smaller array always fits; if it cannot be had, the large one serves on. */
	struct table_entry **const small = realloc(table->buckets, BUCKETS_MIN * sizeof(void *));

	if (small != NULL) {
		table->buckets = small;
		table->capacity = BUCKETS_MIN;
	}
	memset(table->buckets, 0, BUCKETS_MIN * sizeof(void *));
	table->used_bytes = chunk_bytes(table->capacity * sizeof(void *));
}
