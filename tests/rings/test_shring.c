/* SPDX-License-Identifier: MIT */
/*
 * test_shring.c - a ring between processes, both sides in this one: what goes in comes out, where
 * it lies, and how it begins and ends. Features B161, B163 to B170 and B172 to B176; defects D-39,
 * D-43, D-44 and D-45.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "shring_checks.h"

#define PRODUCER shring_of(QUOIT_SHRING_PRODUCER)

/* --- B165 to B169 ---------------------------------------------------------------------------- */

static void what_is_sent_is_received_in_order_around_the_wrap(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	uint64_t sent = 0, got = 0, items[CAPACITY];

	(void)state;
	for (size_t n = 1; n <= CAPACITY; n++)
		for (size_t lap = 0; lap < 2 * CAPACITY; lap++) {
			for (size_t i = 0; i < n; i++)
				items[i] = sent++;
			assert_int_equal(words_send(pair.p, items, n), n);
			assert_int_equal(words_recv(pair.c, items, CAPACITY), n);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(items[i], got++);
		}
	shring_end(&pair);
}

static void a_send_takes_what_fits_and_all_or_none_takes_all(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t items[CAPACITY + 1] = {0};
	uint64_t item;

	(void)state;
	assert_false(words_send_all(pair.p, items, CAPACITY + 1));
	assert_int_equal(words_send(pair.p, items, CAPACITY + 1), CAPACITY);
	assert_int_equal(words_send(pair.p, items, 1), 0);
	assert_false(words_send_one(pair.p, items));
	assert_true(words_recv_one(pair.c, &item));
	assert_false(words_send_all(pair.p, items, 2));
	assert_true(words_send_all(pair.p, items, 1));
	assert_int_equal(words_send(pair.p, items, 0), 0);
	assert_true(words_recv_one(pair.c, &item));
	quoit_shring_close(&pair.c->ring);
	assert_false(words_send_all(pair.p, items, 1));
	shring_end(&pair);
}

static void reserve_grants_up_to_the_wrap_if_all_is_free(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	uint64_t items[CAPACITY], *slots;
	size_t n = 0;

	(void)state;
	assert_null(words_reserve(pair.p, 0, &n));
	assert_null(words_reserve(pair.p, CAPACITY + 1, &n));
	assert_int_equal(words_send(pair.p, items, 5), 0 + 5);
	assert_null(words_reserve(pair.p, 4, &n));
	assert_int_equal(words_recv(pair.c, items, 4), 4);
	slots = (uint64_t *)quoit_shring_reserve(&pair.p->ring, 6, &n); /* words_reserve() too */
	assert_non_null(slots);
	assert_int_equal(n, 3);
	slots[0] = 77;
	words_commit(pair.p, 1);
	assert_int_equal(quoit_shring_length(&pair.p->ring), 2);
	assert_int_equal(words_recv(pair.c, items, CAPACITY), 1); /* what it knew of */
	assert_int_equal(words_recv(pair.c, items, CAPACITY), 1);
	assert_int_equal(items[0], 77);
	shring_end(&pair);
}

/* A position that cannot be would be found out: whoever knows of enough does not look. */
static void who_knows_of_enough_does_not_look_at_the_other_side(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t items[CAPACITY] = {0};
	size_t granted = 0;

	(void)state;
	assert_int_equal(words_send(pair.p, items, 3), 3);
	shring_shared(pair.p)->head = 77;
	assert_non_null(words_reserve(pair.p, CAPACITY - 3, &granted));
	assert_int_equal(quoit_shring_status(&pair.p->ring), 0);
	assert_null(words_reserve(pair.p, CAPACITY - 2, &granted));
	assert_int_equal(quoit_shring_status(&pair.p->ring), -EUCLEAN);
	shring_end(&pair);
}

static void nothing_is_seen_before_it_is_committed_and_published(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	uint64_t item = 0, *slots;
	size_t n;

	(void)state;
	slots = words_reserve(pair.p, 2, &n);
	slots[0] = 1;
	slots[1] = 2;
	assert_false(words_recv_one(pair.c, &item));
	quoit_shring_commit_later(&pair.p->ring, 2);
	assert_false(words_recv_one(pair.c, &item));
	assert_true(quoit_shring_is_empty(&pair.p->ring));
	quoit_shring_publish(&pair.p->ring);
	quoit_shring_notify(&pair.p->ring); /* nobody can sleep on it */
	assert_true(words_recv_one(pair.c, &item));
	quoit_shring_flush(&pair.p->ring);
	assert_int_equal(quoit_shring_length(&pair.c->ring), 1);
	shring_end(&pair);
}

static void a_trusted_peer_is_read_in_place(void **state)
{
	struct quoit_shring_options options = PRODUCER;
	struct shring_pair pair;
	const uint64_t items[5] = {1, 2, 3, 4, 5}, *seen;
	size_t n = 0;

	(void)state;
	options.trusted = true;
	pair = shring_begin(options);
	assert_null(words_readable(pair.c, &n));
	assert_int_equal(words_send(pair.p, items, 5), 5);
	seen = words_readable(pair.c, &n);
	assert_int_equal(n, 5);
	assert_memory_equal(seen, items, sizeof(items));
	words_advance(pair.c, 5);
	assert_int_equal(words_send(pair.p, items, 5), 5);
	seen = quoit_shring_readable(&pair.c->ring, &n);
	assert_int_equal(n, 3);
	quoit_shring_advance(&pair.c->ring, n);
	assert_int_equal(words_readable(pair.c, &n)[1], 5);
	shring_end(&pair);
}

/* Defect D-39. */
static void who_is_not_trusted_is_only_copied_from(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t item = 7;
	uint64_t copy = 0;
	size_t n;

	(void)state;
	assert_int_equal(quoit_shring_in_place(&pair.p->ring), 0);
	assert_int_equal(quoit_shring_in_place(&pair.c->ring), -EOPNOTSUPP);
	assert_true(words_send_one(pair.p, &item));
	assert_null(words_readable(pair.c, &n));
	assert_int_equal(words_recv(pair.c, &copy, 1), 1);
	*(volatile uint64_t *)(void *)pair.p->ring.slots = 8; /* too late */
	assert_int_equal(copy, 7);
	shring_end(&pair);
}

static void items_may_be_of_any_size_and_alignment(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 8, 12, 24, 64, 200, 4096, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct quoit_shring_options options = PRODUCER;
		struct quoit_shring *p = NULL, *c = NULL;
		unsigned char in[3 * 5000], out[3 * 5000];
		int fd;

		options.slot_bytes = sizes[i];
		options.slot_align = sizes[i] & -sizes[i];
		if (options.slot_align > QUOIT_SHRING_ALIGN_MAX)
			options.slot_align = QUOIT_SHRING_ALIGN_MAX;
		assert_int_equal(quoit_shring_create(&options, &p, NULL), 0);
		assert_int_equal((uintptr_t)p->slots % options.slot_align, 0);
		options.role = QUOIT_SHRING_CONSUMER;
		fd = quoit_shring_fd(p);
		assert_int_equal(quoit_shring_attach(&fd, 1, &options, &c, NULL), 0);
		for (size_t k = 0; k < sizeof(in); k++)
			in[k] = (unsigned char)(k * 7 + i);
		for (int lap = 0; lap < 5; lap++) {
			memset(out, 0, sizeof(out));
			assert_int_equal(quoit_shring_send(p, in, 3), 3);
			assert_int_equal(quoit_shring_recv(c, out, 3), 3);
			assert_memory_equal(in, out, 3 * sizes[i]);
		}
		quoit_shring_destroy(c);
		quoit_shring_destroy(p);
	}
}

static void a_long_send_goes_in_parts_and_comes_out_whole(void **state)
{
	struct quoit_shring_options options = PRODUCER;
	static uint64_t in[1 << 12], out[1 << 12];
	struct shring_pair pair;

	(void)state;
	options.bits = 12;
	pair = shring_begin(options);
	for (uint64_t lap = 0; lap < 5; lap++) {
		const size_t n = (1 << 12) - 1000;

		for (size_t i = 0; i < n; i++)
			in[i] = lap << 32 | i;
		assert_int_equal(words_send(pair.p, in, n), n);
		assert_int_equal(words_recv(pair.c, out, n), n);
		assert_memory_equal(in, out, n * sizeof(in[0]));
	}
	shring_end(&pair);
}

/* --- B172 to B176 ---------------------------------------------------------------------------- */

static void the_header_says_what_the_ring_is(void **state)
{
	struct words *const q = shring_create(PRODUCER);
	const struct quoit_shring_header *const h = shring_shared(q);

	(void)state;
	assert_true(h->id.magic == QUOIT_SHRING_MAGIC);
	assert_memory_equal(&h->id.magic, "QUOSRNG2", 8);
	assert_int_equal(h->id.version, QUOIT_SHRING_VERSION);
	assert_int_equal(h->id.bits, BITS);
	assert_int_equal(h->id.capacity, CAPACITY);
	assert_int_equal(h->id.mask, CAPACITY - 1);
	assert_int_equal(h->id.slot_bytes, 8);
	assert_int_equal(h->id.header_size, 512);
	assert_int_equal(h->id.total_size, 4096);
	assert_int_equal(h->id.creator_pid, getpid());
	assert_int_equal(h->id.generation, 1);
	assert_int_equal(h->producer_owner, getpid());
	assert_int_equal(quoit_shring_capacity(&q->ring), CAPACITY);
	words_destroy(q);
}

/* Where each side writes: B173 to B175. */
static void each_side_writes_its_own_section_and_no_other(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	struct quoit_shring_header before, *const h = shring_shared(pair.p);
	const uint64_t items[3] = {1, 2, 3};
	uint64_t out[3];

	(void)state;
	before = *h;
	assert_int_equal(words_send(pair.p, items, 3), 3);
	before.tail = 3;
	assert_memory_equal(h, &before, sizeof(before));
	quoit_shring_beat(&pair.p->ring);
	before.producer_beat = 1;
	assert_memory_equal(h, &before, sizeof(before));
	assert_int_equal(words_recv(pair.c, out, 2), 2);
	before.head = 2;
	assert_memory_equal(h, &before, sizeof(before));
	quoit_shring_beat(&pair.c->ring);
	before.consumer_beat = 2; /* the first was when it attached */
	assert_memory_equal(h, &before, sizeof(before));
	quoit_shring_close(&pair.c->ring);
	before.consumer_closed = 1;
	before.space_seq = 1;
	assert_memory_equal(h, &before, sizeof(before));
	shring_end(&pair);
}

/* --- B161: options --------------------------------------------------------------------------- */

static int creates(struct quoit_shring_options options)
{
	struct quoit_reason why = {0};
	struct quoit_shring *ring = NULL;
	const int rc = quoit_shring_create(&options, &ring, &why);

	if (rc) {
		assert_null(ring);
		assert_int_equal(why.error, rc);
		assert_int_not_equal(strlen(why.text), 0);
	}
	quoit_shring_destroy(ring);
	return rc;
}

#define CREATES(rc, field, value)                         \
	do {                                              \
		struct quoit_shring_options o = PRODUCER; \
		o.field = value;                          \
		assert_int_equal(creates(o), rc);         \
	} while (0)

/* Defect D-44. */
static void what_cannot_be_is_not_created(void **state)
{
	struct quoit_shring_options huge = PRODUCER;

	(void)state;
	CREATES(0, bits, 1);
	CREATES(-EINVAL, bits, 0);
	CREATES(-EINVAL, bits, 32);
	CREATES(-EINVAL, bits, 63);
	CREATES(-EINVAL, bits, 64);
	CREATES(-EINVAL, role, (enum quoit_shring_role)0);
	CREATES(-EINVAL, role, (enum quoit_shring_role)3);
	CREATES(-EINVAL, slot_bytes, 0);
	CREATES(-EINVAL, slot_bytes, SIZE_MAX & ~(size_t)7);
	CREATES(-EINVAL, slot_bytes, 12); /* aligned to 8 */
	CREATES(-EINVAL, slot_align, 3);
	CREATES(-EINVAL, slot_align, 1024);
	CREATES(-EINVAL, size, 0);
	CREATES(-EINVAL, node, QUOIT_NODES_MAX);
	CREATES(-EINVAL, node, -3);
	huge.bits = 31;
	huge.slot_bytes = UINT32_MAX & ~7u;
	assert_int_equal(creates(huge), -EOVERFLOW);
	huge = PRODUCER;
	huge.hardened = huge.trusted = true;
	assert_int_equal(creates(huge), -EINVAL);
}

/* Says why it refuses options that would be refused for something else as well. */
static void refuses(struct quoit_shring_options options, const char *says)
{
	struct quoit_reason why = {0};
	struct quoit_shring *ring = NULL;

	assert_int_equal(quoit_shring_create(&options, &ring, &why), -EINVAL);
	if (!strstr(why.text, says))
		fail_msg("%s: '%s' is not in it", why.text, says);
}

#define REFUSES(says, field, value, bytes)                \
	do {                                              \
		struct quoit_shring_options o = PRODUCER; \
		o.slot_bytes = bytes;                     \
		o.field = value;                          \
		refuses(o, says);                         \
	} while (0)

static void what_is_refused_is_named(void **state)
{
	struct quoit_shring_options any = PRODUCER;

	(void)state;
	REFUSES("options.size is 0:", size, 0, 8);
	REFUSES("options.size is", size, offsetof(struct quoit_shring_options, bits) - 1, 8);
	REFUSES("items of 0 bytes", size, offsetof(struct quoit_shring_options, bits), 8);
	REFUSES("alignment of 1024", slot_align, 1024, 1024);
	REFUSES("alignment of 3", slot_align, 3, 12);
	REFUSES("items of 4294967296 bytes", slot_align, 1, UINT32_MAX + UINT64_C(1));
	any.bits = 1;
	any.slot_align = 1;
	any.slot_bytes = UINT32_MAX; /* can be, but for the limit of this test */
	assert_int_equal(creates(any), -EFBIG);
	any.slot_align = 0; /* any */
	any.slot_bytes = 7;
	assert_int_equal(creates(any), 0);
}

static void options_of_another_size_are_understood(void **state)
{
	struct {
		struct quoit_shring_options o;
		uint64_t more;
	} newer = {PRODUCER, 0};
	struct quoit_shring_options older = PRODUCER;
	struct quoit_shring *ring = NULL;

	(void)state;
	newer.o.size = sizeof(newer);
	assert_int_equal(quoit_shring_create(&newer.o, &ring, NULL), 0);
	quoit_shring_destroy(ring);
	newer.more = 1;
	assert_int_equal(quoit_shring_create(&newer.o, &ring, NULL), -EINVAL);
	older.size = offsetof(struct quoit_shring_options, waits);
	older.bells = true; /* beyond its size */
	assert_int_equal(quoit_shring_create(&older, &ring, NULL), 0);
	assert_int_equal(quoit_shring_bell(ring), -1);
	quoit_shring_destroy(ring);
}

static void placement_that_falls_short_is_told_or_refused(void **state)
{
	struct quoit_shring_options o = PRODUCER;
	struct quoit_reason why = {0};
	struct words *q = NULL;
	int rc;

	(void)state;
	o.node = 0;
	o.lock = true;
	o.huge_pages = true;
	assert_int_equal(words_create(&o, &q, &why), 0);
	assert_int_equal(q->ring.degraded != 0, why.error != 0);
	o.require = true;
	rc = q->ring.degraded ? why.error : 0;
	words_destroy(q);
	o.bits = 4;
	q = NULL;
	assert_int_equal(words_create(&o, &q, &why) != 0, rc != 0);
	words_destroy(q);
	o.node = QUOIT_NODE_INTERLEAVE;
	o.require = false;
	assert_int_equal(words_create(&o, &q, &why), 0);
	words_destroy(q);
	o.node = 1000;
	assert_int_equal(words_create(&o, &q, &why), 0);
	assert_true(q->ring.degraded & QUOIT_SHRING_UNBOUND);
	assert_non_null(strstr(why.text, "not bound to node 1000; the node has no memory"));
	words_destroy(q);
}

/* --- what the memory is: D-37, D-43, D-45 ---------------------------------------------------- */

static void the_file_is_sealed_before_anybody_gets_it(void **state)
{
	struct words *const q = shring_create(PRODUCER);
	const int fd = quoit_shring_fd(&q->ring);

	(void)state;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	words_destroy(q);
}

/* How many pages of this mapping, and not of the file, are there: their first touch waits not. */
static size_t pages_in(const struct quoit_shring *ring)
{
	const off_t at = (off_t)((uintptr_t)ring->home.own_map / 4096 * sizeof(uint64_t));
	const size_t bytes = ring->home.own_bytes / 4096 * sizeof(uint64_t);
	const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t pages[64] = {0};
	size_t n = 0;

	assert_true(bytes <= sizeof(pages));
	assert_int_equal(pread(pagemap, pages, bytes, at), bytes);
	for (size_t i = 0; i < 64; i++)
		n += pages[i] >> 63;
	close(pagemap);
	return n;
}

/* Defect D-45: for both. */
static void no_side_waits_for_a_page_at_its_first_touch(void **state)
{
	struct quoit_shring_options options = PRODUCER;
	struct stat status;
	struct shring_pair pair;

	(void)state;
	options.bits = 14; /* 128 KiB and a header */
	pair = shring_begin(options);
	assert_int_equal(fstat(quoit_shring_fd(&pair.p->ring), &status), 0);
	assert_int_equal(status.st_blocks * 512, pair.p->ring.home.own_bytes);
	assert_int_equal(pages_in(&pair.p->ring), 33);
	assert_int_equal(pages_in(&pair.c->ring), 33);
	shring_end(&pair);
}

/* Defect D-43: the fixture counts descriptors. */
static void the_ring_owns_duplicates_and_closes_them(void **state)
{
	struct quoit_shring_options options = PRODUCER;
	const uint64_t item = 5;
	struct words *p, *c = NULL;
	uint64_t out = 0;
	int fds[QUOIT_SHRING_FDS], mine[QUOIT_SHRING_FDS];

	(void)state;
	options.bells = true;
	p = shring_create(options);
	assert_int_equal(quoit_shring_fds(&p->ring, fds), 3);
	for (int i = 0; i < 3; i++)
		mine[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	options.role = QUOIT_SHRING_CONSUMER;
	assert_int_equal(words_attach(mine, 3, &options, &c, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(close(mine[i]), 0); /* the caller's, at once */
	assert_true(fcntl(quoit_shring_fd(&c->ring), F_GETFD) >= 0);
	assert_true(words_send_one(p, &item));
	words_destroy(p); /* the file lives with its last side: B179 */
	assert_true(words_recv_one(c, &out));
	assert_int_equal(out, 5);
	words_destroy(c);
	words_destroy(NULL);
}

/* --- B170 ------------------------------------------------------------------------------------ */

static void a_closed_ring_takes_nothing_and_is_read_to_its_end(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	uint64_t item = 3;
	size_t n;

	(void)state;
	assert_true(words_send_one(pair.p, &item));
	assert_false(quoit_shring_is_closed(&pair.p->ring));
	assert_false(quoit_shring_is_closed(&pair.c->ring));
	quoit_shring_close(&pair.p->ring);
	assert_true(quoit_shring_is_closed(&pair.p->ring));
	assert_true(quoit_shring_is_closed(&pair.c->ring));
	assert_false(words_send_one(pair.p, &item));
	assert_null(words_reserve(pair.p, 1, &n));
	assert_true(words_recv_one(pair.c, &item));
	assert_false(words_recv_one(pair.c, &item));
	assert_int_equal(quoit_shring_status(&pair.c->ring), 0);
	shring_end(&pair);
}

static void a_consumer_that_closes_stops_its_producer(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t item = 3;

	(void)state;
	quoit_shring_close(&pair.c->ring);
	assert_true(quoit_shring_is_closed(&pair.p->ring));
	assert_int_equal(words_send(pair.p, &item, 1), 0);
	shring_end(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

/* Where a limit of ours is gone, the kernel's stops what would take all memory of the machine. */
static int limit_files(void **state)
{
	const struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};

	(void)state;
	return setrlimit(RLIMIT_FSIZE, &limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_sent_is_received_in_order_around_the_wrap),
		TEST(a_send_takes_what_fits_and_all_or_none_takes_all),
		TEST(reserve_grants_up_to_the_wrap_if_all_is_free),
		TEST(who_knows_of_enough_does_not_look_at_the_other_side),
		TEST(nothing_is_seen_before_it_is_committed_and_published),
		TEST(a_trusted_peer_is_read_in_place),
		TEST(who_is_not_trusted_is_only_copied_from),
		TEST(items_may_be_of_any_size_and_alignment),
		TEST(a_long_send_goes_in_parts_and_comes_out_whole),
		TEST(the_header_says_what_the_ring_is),
		TEST(each_side_writes_its_own_section_and_no_other),
		TEST(what_cannot_be_is_not_created),
		TEST(what_is_refused_is_named),
		TEST(options_of_another_size_are_understood),
		TEST(placement_that_falls_short_is_told_or_refused),
		TEST(the_file_is_sealed_before_anybody_gets_it),
		TEST(no_side_waits_for_a_page_at_its_first_touch),
		TEST(the_ring_owns_duplicates_and_closes_them),
		TEST(a_closed_ring_takes_nothing_and_is_read_to_its_end),
		TEST(a_consumer_that_closes_stops_its_producer),
	};

	return cmocka_run_group_tests(tests, limit_files, NULL);
}
