/* SPDX-License-Identifier: MIT */
/*
 * test_shring_hardened.c - a ring of two files, each of which only one side can write to. Defects
 * D-37, D-38 and D-39 against a peer that does what it can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shring_checks.h"

static struct quoit_shring_options hardened(enum quoit_shring_role role)
{
	struct quoit_shring_options options = shring_of(role);

	options.hardened = options.waits = true;
	return options;
}

/* Created by either side. */
static struct shring_pair begin(enum quoit_shring_role creator)
{
	struct shring_pair pair;
	struct words *first, *second;

	if (creator == QUOIT_SHRING_PRODUCER)
		return shring_begin(hardened(creator));
	first = shring_create(hardened(QUOIT_SHRING_CONSUMER));
	second = shring_attach(first, hardened(QUOIT_SHRING_PRODUCER));
	assert_int_equal(quoit_shring_join(&first->ring, quoit_shring_fd(&second->ring), NULL), 0);
	pair.c = first;
	pair.p = second;
	return pair;
}

static void items_pass_whoever_created_it(void **state)
{
	(void)state;
	for (int role = QUOIT_SHRING_PRODUCER; role <= QUOIT_SHRING_CONSUMER; role++) {
		struct shring_pair pair = begin((enum quoit_shring_role)role);
		uint64_t items[CAPACITY], sent = 0, got = 0;

		for (size_t n = 1; n <= CAPACITY; n++) {
			for (size_t i = 0; i < n; i++)
				items[i] = sent++;
			assert_int_equal(words_send(pair.p, items, n), n);
			assert_int_equal(words_recv(pair.c, items, CAPACITY), n);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(items[i], got++);
		}
		assert_int_equal(words_send(pair.p, items, CAPACITY), CAPACITY);
		assert_int_equal(words_send(pair.p, items, 1), 0);
		quoit_shring_close(&pair.p->ring);
		assert_true(quoit_shring_is_closed(&pair.c->ring));
		shring_end(&pair);
	}
}

/* Defect D-39. */
static void there_is_no_looking_in_place(void **state)
{
	struct shring_pair pair = begin(QUOIT_SHRING_PRODUCER);
	const uint64_t item = 1;
	size_t n;

	(void)state;
	assert_int_equal(quoit_shring_in_place(&pair.p->ring), -EOPNOTSUPP);
	assert_int_equal(quoit_shring_in_place(&pair.c->ring), -EOPNOTSUPP);
	assert_null(words_reserve(pair.p, 1, &n));
	assert_true(words_send_one(pair.p, &item));
	assert_null(words_readable(pair.c, &n));
	shring_end(&pair);
}

/* Every way to write that a hostile peer has with the descriptor that he was given. */
static void cannot_be_written(int fd, size_t bytes)
{
	char path[64];
	int anew;
	void *map;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	anew = open(path, O_RDWR | O_CLOEXEC);
	assert_true(anew >= 0);
	assert_ptr_equal(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, anew, 0),
			 MAP_FAILED);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, anew, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map, bytes, PROT_READ | PROT_WRITE), -1);
	munmap(map, bytes);
	assert_int_equal(pwrite(anew, "x", 1, 0), -1);
	assert_int_equal(ftruncate(anew, 0), -1);
	assert_int_equal(fallocate(anew, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	assert_int_equal(fcntl(anew, F_ADD_SEALS, F_SEAL_WRITE), -1);
	close(anew);
}

static void neither_file_can_be_written_by_the_other_side(void **state)
{
	struct shring_pair pair = begin(QUOIT_SHRING_PRODUCER);

	(void)state;
	cannot_be_written(quoit_shring_fd(&pair.p->ring), pair.p->ring.home.own_bytes);
	cannot_be_written(quoit_shring_fd(&pair.c->ring), pair.c->ring.home.own_bytes);
	assert_false(fds_are_same(quoit_shring_fd(&pair.p->ring), quoit_shring_fd(&pair.c->ring)));
	shring_end(&pair);
}

static void until_it_is_joined_the_peer_has_done_nothing(void **state)
{
	struct words *const p = shring_create(hardened(QUOIT_SHRING_PRODUCER));
	const uint64_t items[CAPACITY] = {1};
	const struct quoit_wait how = shring_blocking(1000000);
	struct words *c;
	uint64_t out;

	(void)state;
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_ABSENT);
	assert_int_equal(words_send(p, items, CAPACITY), CAPACITY);
	assert_int_equal(quoit_shring_wait_space(&p->ring, 1, &how), -ETIMEDOUT);
	c = shring_attach(p, hardened(QUOIT_SHRING_CONSUMER));
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_ALIVE);
	assert_true(words_recv_one(c, &out));
	assert_int_equal(words_send(p, items, 1), 0);
	assert_int_equal(quoit_shring_join(&p->ring, quoit_shring_fd(&c->ring), NULL), 0);
	assert_int_equal(words_send(p, items, 1), 1);
	words_destroy(c);
	assert_int_equal(quoit_shring_peer_state(&p->ring, 0), QUOIT_SHRING_DEAD);
	words_destroy(p);
}

static int joins(struct words *q, int fd)
{
	struct quoit_reason why = {0};
	const int rc = quoit_shring_join(&q->ring, fd, &why);

	assert_int_equal(why.error, rc);
	return rc;
}

static void only_the_other_part_of_the_same_ring_is_joined(void **state)
{
	struct words *const p = shring_create(hardened(QUOIT_SHRING_PRODUCER));
	struct words *const c = shring_attach(p, hardened(QUOIT_SHRING_CONSUMER));
	struct words *const plain = shring_create(shring_of(QUOIT_SHRING_PRODUCER));
	struct shring_pair other = begin(QUOIT_SHRING_PRODUCER);

	(void)state;
	assert_int_equal(joins(p, -1), -EBADF);
	assert_int_equal(joins(p, quoit_shring_fd(&plain->ring)), -EPROTO);
	assert_int_equal(joins(p, quoit_shring_fd(&p->ring)), -EPROTO);
	assert_int_equal(joins(p, quoit_shring_fd(&other.c->ring)), -EPROTO);
	assert_int_equal(joins(plain, quoit_shring_fd(&c->ring)), -EINVAL);
	assert_int_equal(joins(c, quoit_shring_fd(&p->ring)), -EINVAL);
	assert_int_equal(joins(p, quoit_shring_fd(&c->ring)), 0);
	assert_int_equal(joins(p, quoit_shring_fd(&c->ring)), -EINVAL);
	shring_end(&other);
	words_destroy(plain);
	words_destroy(c);
	words_destroy(p);
}

/* A file that would be the consumer's part of `p`, but for what is wrong in `id`. */
static int joins_forged(struct words *p, struct quoit_shring_id id)
{
	const int forged = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	id.capacity = UINT64_C(1) << id.bits;
	id.mask = id.capacity - 1;
	id.part = QUOIT_SHRING_CONSUMER_PART;
	id.total_size = 4096;
	assert_int_equal(fallocate(forged, 0, 0, 4096), 0);
	assert_int_equal(pwrite(forged, &id, sizeof(id), 0), sizeof(id));
	assert_int_equal(fcntl(forged, F_ADD_SEALS,
			       F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL),
			 0);
	rc = joins(p, forged);
	close(forged);
	return rc;
}

#define JOINS(rc, field, value)                              \
	do {                                                 \
		struct quoit_shring_id id = p->ring.home.id; \
		id.field = value;                            \
		assert_int_equal(joins_forged(p, id), rc);   \
	} while (0)

static void a_part_of_another_shape_is_not_joined(void **state)
{
	struct words *const p = shring_create(hardened(QUOIT_SHRING_PRODUCER));

	(void)state;
	JOINS(-EPROTO, bits, BITS + 1);
	JOINS(-EPROTO, slot_bytes, 16);
	JOINS(-EPROTO, slot_align, 4);
	JOINS(-EPROTO, flags, QUOIT_SHRING_FLAG_HARDENED);
	JOINS(-EPROTO, generation, 2);
	JOINS(-EPROTO, pair, id.pair + 1);
	JOINS(0, creator_pid, 1);
	words_destroy(p);
}

/* The parts need not be of the same size, nor small. */
static void the_larger_part_is_joined_by_the_smaller_one(void **state)
{
	struct quoit_shring_options options = hardened(QUOIT_SHRING_CONSUMER);
	struct words *c, *p;

	(void)state;
	options.bits = 19; /* 4 MiB */
	c = shring_create(options);
	options.role = QUOIT_SHRING_PRODUCER;
	p = shring_attach(c, options);
	assert_int_equal(joins(c, quoit_shring_fd(&p->ring)), 0);
	words_destroy(p);
	words_destroy(c);
}

/* A part whose owner could still be another is none. */
static void a_part_that_others_could_write_to_is_refused(void **state)
{
	struct words *const p = shring_create(hardened(QUOIT_SHRING_PRODUCER));
	struct quoit_shring_id id = p->ring.home.id;
	const int forged = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	id.part = QUOIT_SHRING_CONSUMER_PART;
	id.total_size = 4096;
	assert_int_equal(ftruncate(forged, 4096), 0);
	assert_int_equal(pwrite(forged, &id, sizeof(id), 0), sizeof(id));
	assert_int_equal(fcntl(forged, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	assert_int_equal(joins(p, forged), -EUCLEAN);
	close(forged);
	words_destroy(p);
}

static void roles_are_exclusive_there_too(void **state)
{
	struct words *const p = shring_create(hardened(QUOIT_SHRING_PRODUCER));
	struct words *const c = shring_attach(p, hardened(QUOIT_SHRING_CONSUMER));
	const struct quoit_shring_options as_p = hardened(QUOIT_SHRING_PRODUCER);
	const struct quoit_shring_options as_c = hardened(QUOIT_SHRING_CONSUMER);
	const int fd = quoit_shring_fd(&p->ring);
	struct words *other = NULL;

	(void)state;
	assert_int_equal(words_attach(&fd, 1, &as_c, &other, NULL), -EBUSY);
	assert_int_equal(words_attach(&fd, 1, &as_p, &other, NULL), -EBUSY);
	assert_int_equal(quoit_shring_reset(&p->ring, NULL), -EOPNOTSUPP);
	words_destroy(c);
	words_destroy(p);
}

/* Its creator's part is no other's to go on with. */
static void nor_is_a_dead_creators_role_taken(void **state)
{
	(void)state;
	for (int role = QUOIT_SHRING_PRODUCER; role <= QUOIT_SHRING_CONSUMER; role++) {
		const struct quoit_shring_options options = hardened((enum quoit_shring_role)role);
		struct words *const q = shring_create(options);
		const int fd = fcntl(quoit_shring_fd(&q->ring), F_DUPFD_CLOEXEC, 3);
		struct words *other = NULL;

		words_destroy(q);
		assert_int_equal(words_attach(&fd, 1, &options, &other, NULL), -EBUSY);
		close(fd);
	}
}

/* The slots are in our part, which is as large as the peer says: as far as we let him. */
static void a_producer_makes_no_more_slots_than_it_allows(void **state)
{
	struct quoit_shring_options options = hardened(QUOIT_SHRING_CONSUMER);
	struct words *c, *p = NULL;
	int fd;

	(void)state;
	options.bits = 12;
	c = shring_create(options);
	fd = quoit_shring_fd(&c->ring);
	options.role = QUOIT_SHRING_PRODUCER;
	options.most_bytes = QUOIT_SHRING_HEADER + (sizeof(uint64_t) << 12) - 1;
	assert_int_equal(words_attach(&fd, 1, &options, &p, NULL), -EFBIG);
	options.most_bytes++;
	assert_int_equal(words_attach(&fd, 1, &options, &p, NULL), 0);
	words_destroy(p);
	words_destroy(c);
}

static void nonsense_poisons_it_as_any_other(void **state)
{
	struct shring_pair pair = begin(QUOIT_SHRING_PRODUCER);
	uint64_t out;

	(void)state;
	shring_shared(pair.p)->tail = 1000;
	assert_int_equal(words_recv(pair.c, &out, 1), 0);
	assert_int_equal(quoit_shring_status(&pair.c->ring), -EUCLEAN);
	shring_shared(pair.c)->head = 1000;
	assert_true(quoit_shring_has_room(&pair.p->ring, 1));
	assert_int_equal(quoit_shring_status(&pair.p->ring), -EUCLEAN);
	shring_end(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(items_pass_whoever_created_it),
		TEST(there_is_no_looking_in_place),
		TEST(neither_file_can_be_written_by_the_other_side),
		TEST(until_it_is_joined_the_peer_has_done_nothing),
		TEST(only_the_other_part_of_the_same_ring_is_joined),
		TEST(a_part_of_another_shape_is_not_joined),
		TEST(the_larger_part_is_joined_by_the_smaller_one),
		TEST(a_part_that_others_could_write_to_is_refused),
		TEST(roles_are_exclusive_there_too),
		TEST(nor_is_a_dead_creators_role_taken),
		TEST(a_producer_makes_no_more_slots_than_it_allows),
		TEST(nonsense_poisons_it_as_any_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
