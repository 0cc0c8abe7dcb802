/* SPDX-License-Identifier: MIT */
/*
 * test_shring_attach.c - attaching to what somebody else has made: whatever the descriptor is and
 * whatever stands in it, it is either a ring that can be or refused with a reason, and nothing is
 * left open. Feature B162; defects D-36 and D-37.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shring_checks.h"

#define PAGE  4096
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int attaches(const int *fds, size_t n, struct quoit_shring_options options)
{
	struct quoit_reason why = {0};
	struct words *q = NULL;
	const int rc = words_attach(fds, n, &options, &q, &why);

	if (rc) {
		assert_null(q);
		assert_int_equal(why.error, rc);
		assert_int_not_equal(strlen(why.text), 0);
	} else {
		const uint64_t item = 1;

		assert_int_equal(words_send(q, &item, 1), 1);
		words_destroy(q);
	}
	return rc;
}

static int attaches_fd(int fd)
{
	return attaches(&fd, 1, shring_of(QUOIT_SHRING_PRODUCER));
}

/* A file as a hostile peer would make one. */
static int forge(const struct quoit_shring_id *id, size_t bytes, int seals)
{
	const int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(pwrite(fd, id, sizeof(*id), 0), sizeof(*id));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static struct quoit_shring_id sound(void)
{
	return (struct quoit_shring_id){
		.magic = QUOIT_SHRING_MAGIC,
		.version = QUOIT_SHRING_VERSION,
		.bits = BITS,
		.capacity = CAPACITY,
		.mask = CAPACITY - 1,
		.slot_bytes = 8,
		.header_size = QUOIT_SHRING_HEADER,
		.total_size = PAGE,
		.generation = 1,
		.slot_align = 8,
	};
}

static int attaches_forged(const struct quoit_shring_id *id, size_t bytes, int seals)
{
	const int fd = forge(id, bytes, seals);
	const int rc = attaches_fd(fd);

	close(fd);
	return rc;
}

#define FORGED(rc, field, value)                                         \
	do {                                                             \
		struct quoit_shring_id id = sound();                     \
		id.field = value;                                        \
		assert_int_equal(attaches_forged(&id, PAGE, SEALS), rc); \
	} while (0)

static void a_file_that_is_a_ring_is_one_whoever_made_it(void **state)
{
	const struct quoit_shring_id id = sound();

	(void)state;
	assert_int_equal(attaches_forged(&id, PAGE, SEALS), 0);
}

/* Defect D-36. */
static void whatever_the_header_says_is_checked(void **state)
{
	(void)state;
	FORGED(-EPROTO, magic, UINT64_C(0x0044524853474E52)); /* of version 1 */
	FORGED(-EPROTO, magic, 0);
	FORGED(-EPROTONOSUPPORT, version, 1);
	FORGED(-EPROTONOSUPPORT, version, 3);
	FORGED(-EPROTONOSUPPORT, flags, 8);
	FORGED(-EPROTONOSUPPORT, flags, UINT32_MAX);
	FORGED(-EPROTONOSUPPORT, zero, 1);
	FORGED(-EUCLEAN, flags, QUOIT_SHRING_FLAG_HARDENED); /* and whole */
	FORGED(-EUCLEAN, part, 1);
	FORGED(-EUCLEAN, part, 3);
	FORGED(-EUCLEAN, bits, 0);
	FORGED(-EUCLEAN, bits, 4);
	FORGED(-EUCLEAN, bits, 32);
	FORGED(-EUCLEAN, bits, 67);
	FORGED(-EUCLEAN, capacity, 7);
	FORGED(-EUCLEAN, capacity, 16);
	FORGED(-EUCLEAN, capacity, 0);
	FORGED(-EUCLEAN, capacity, UINT64_MAX);
	FORGED(-EUCLEAN, mask, 15);
	FORGED(-EUCLEAN, mask, UINT64_MAX);
	FORGED(-EUCLEAN, header_size, 0);
	FORGED(-EUCLEAN, header_size, 1024);
	FORGED(-EUCLEAN, total_size, 0);
	FORGED(-EUCLEAN, total_size, 2 * PAGE);
	FORGED(-EUCLEAN, total_size, UINT64_MAX);
	FORGED(-EUCLEAN, slot_bytes, 0);
	FORGED(-EUCLEAN, slot_bytes, 512); /* 8 of them do not fit */
	FORGED(-EUCLEAN, slot_bytes, 12);
	FORGED(-EUCLEAN, slot_bytes, UINT32_MAX & ~7u);
	FORGED(-EUCLEAN, slot_align, 0);
	FORGED(-EUCLEAN, slot_align, 3);
	FORGED(-EUCLEAN, slot_align, 1024);
	FORGED(-EPROTO, slot_bytes, 16);
	FORGED(-EPROTO, slot_align, 4);
	FORGED(0, slot_align, 8);
	FORGED(0, creator_pid, UINT32_MAX);
	FORGED(0, generation, 77);
	FORGED(0, pair, 77);
}

static void shapes_that_agree_with_themselves_must_agree_with_the_file(void **state)
{
	struct quoit_shring_id id = sound();
	int fd;

	(void)state;
	id.total_size = 2 * PAGE; /* a page more than its slots need */
	assert_int_equal(attaches_forged(&id, 2 * PAGE, SEALS), -EUCLEAN);
	id.total_size = PAGE;
	assert_int_equal(attaches_forged(&id, 2 * PAGE, SEALS), -EUCLEAN);
	id = sound();
	id.bits = 31; /* and the largest items: beyond 2^63 together with others */
	id.capacity = UINT64_C(1) << 31;
	id.mask = id.capacity - 1;
	id.slot_bytes = UINT32_MAX & ~7u;
	assert_int_equal(attaches_forged(&id, PAGE, SEALS), -EUCLEAN);

	fd = forge(&id, PAGE + 100, SEALS);
	assert_int_equal(attaches_fd(fd), -EUCLEAN);
	close(fd);
	id = sound();
	id.total_size = PAGE + 100;
	assert_int_equal(attaches_forged(&id, PAGE + 100, SEALS), -EUCLEAN);

	/* No more and no less: the items are others than ours, which is looked at after that. */
	id = sound();
	id.slot_bytes = (PAGE - QUOIT_SHRING_HEADER) / CAPACITY;
	assert_int_equal(attaches_forged(&id, PAGE, SEALS), -EPROTO);
	id.total_size = 2 * PAGE;
	assert_int_equal(attaches_forged(&id, 2 * PAGE, SEALS), -EUCLEAN);
	id.slot_bytes += 8;
	assert_int_equal(attaches_forged(&id, 2 * PAGE, SEALS), -EPROTO);
}

/* A ring of `bits`, all of whose numbers fit to each other; its file is empty, and takes nothing.
 */
static int attaches_shape(uint32_t bits, uint32_t slot_bytes, uint32_t slot_align)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	struct quoit_shring_id id = sound();
	int fd, rc;

	id.bits = bits;
	id.capacity = UINT64_C(1) << bits;
	id.mask = id.capacity - 1;
	id.slot_bytes = slot_bytes;
	id.slot_align = slot_align;
	id.total_size = (QUOIT_SHRING_HEADER + id.capacity * slot_bytes + PAGE - 1) / PAGE * PAGE;
	options.bits = 0;
	options.most_bytes = SIZE_MAX;
	fd = forge(&id, id.total_size, SEALS);
	rc = attaches(&fd, 1, options);
	close(fd);
	return rc;
}

/* Items of one byte are others than ours, which is looked at after the shape. */
static void shapes_have_limits(void **state)
{
	(void)state;
	assert_int_equal(attaches_shape(1, 8, 8), 0);
	assert_int_equal(attaches_shape(0, 8, 8), -EUCLEAN);
	assert_int_equal(attaches_shape(QUOIT_SHRING_BITS_MAX, 1, 1), -EPROTO);
	assert_int_equal(attaches_shape(QUOIT_SHRING_BITS_MAX + 1, 1, 1), -EUCLEAN);
	assert_int_equal(attaches_shape(3, 1024, QUOIT_SHRING_ALIGN_MAX), -EPROTO);
	assert_int_equal(attaches_shape(3, 1024, 2 * QUOIT_SHRING_ALIGN_MAX), -EUCLEAN);
	assert_int_equal(attaches_shape(3, 12, 4), -EPROTO);
	assert_int_equal(attaches_shape(3, 12, 3), -EUCLEAN);
}

static void what_the_options_ask_for_must_be_there(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	const struct quoit_shring_id id = sound();
	const int fd = forge(&id, PAGE, SEALS);

	(void)state;
	options.bits = 4;
	assert_int_equal(attaches(&fd, 1, options), -EPROTO);
	options.bits = 0;
	assert_int_equal(attaches(&fd, 1, options), 0);
	options.generation = 2;
	assert_int_equal(attaches(&fd, 1, options), -ESTALE);
	options.generation = 1;
	assert_int_equal(attaches(&fd, 1, options), 0);
	options.hardened = true;
	assert_int_equal(attaches(&fd, 1, options), -EPROTO);
	options.hardened = false;
	options.most_bytes = PAGE - 1;
	assert_int_equal(attaches(&fd, 1, options), -EFBIG);
	options.most_bytes = PAGE;
	assert_int_equal(attaches(&fd, 1, options), 0);
	options.role = (enum quoit_shring_role)0;
	assert_int_equal(attaches(&fd, 1, options), -EINVAL);
	close(fd);
}

/* 5 GiB of nothing: no byte of it is touched before it is refused. */
static void a_file_larger_than_was_thought_of_is_refused(void **state)
{
	struct quoit_shring_id id = sound();

	(void)state;
	id.bits = 20;
	id.capacity = 1 << 20;
	id.mask = id.capacity - 1;
	id.slot_bytes = 5 * 1024;
	id.total_size = UINT64_C(5) * 1024 * 1024 * 1024 + PAGE;
	assert_int_equal(attaches_forged(&id, id.total_size, SEALS), -EFBIG);
}

/* Defect D-37. */
static void a_file_that_could_be_taken_away_is_refused(void **state)
{
	const struct quoit_shring_id id = sound();

	(void)state;
	assert_int_equal(attaches_forged(&id, PAGE, 0), -EUCLEAN);
	assert_int_equal(attaches_forged(&id, PAGE, F_SEAL_GROW | F_SEAL_SEAL), -EUCLEAN);
	assert_int_equal(attaches_forged(&id, PAGE, F_SEAL_SHRINK | F_SEAL_SEAL), -EUCLEAN);
	assert_int_equal(attaches_forged(&id, PAGE, F_SEAL_SHRINK | F_SEAL_GROW), -EUCLEAN);
	/* Sealed against ourselves. */
	assert_int_equal(attaches_forged(&id, PAGE, SEALS | F_SEAL_WRITE), -EPERM);
	assert_int_equal(attaches_forged(&id, PAGE, SEALS | F_SEAL_FUTURE_WRITE), -EPERM);
}

static int on_disk(void)
{
	char path[] = P_tmpdir "/quoit-shring-XXXXXX";
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	return fd;
}

static int of_socket(void)
{
	int pair[2];

	fds_pair(SOCK_STREAM, pair);
	close(pair[1]);
	return pair[0];
}

static int of_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	return ends[0];
}

static void what_is_no_file_of_memory_is_refused(void **state)
{
	int kinds[] = {
		open("/dev/zero", O_RDWR | O_CLOEXEC),
		open("/", O_RDONLY | O_CLOEXEC),
		of_pipe(),
		of_socket(),
		eventfd(0, 0),
		on_disk(),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const int rc = attaches_fd(kinds[i]);

		/* A file on a tmpfs of files has no seals, and says so. */
		assert_true(rc == -ENOTSUP || (i == 5 && rc == -EUCLEAN));
		close(kinds[i]);
	}
	assert_int_equal(attaches_fd(-1), -EBADF);
	assert_int_equal(attaches_fd(100000), -EBADF);
}

static void a_file_that_cannot_hold_a_header_is_refused(void **state)
{
	const int fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	assert_int_equal(attaches_fd(fd), -EUCLEAN);
	close(fd);
}

static void positions_that_cannot_be_are_found_when_a_role_is_taken(void **state)
{
	struct quoit_shring_header header = {.id = sound()};
	const int fd = forge(&header.id, PAGE, SEALS);

	(void)state;
	header.tail = 9;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(attaches_fd(fd), -EUCLEAN);
	header.tail = 0;
	header.head = 1;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(attaches_fd(fd), -EUCLEAN);
	header.tail = 3;
	header.head = UINT64_MAX - 2; /* 6 before it */
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(attaches_fd(fd), 0);
	close(fd);
}

static void what_was_closed_can_only_be_drained(void **state)
{
	struct quoit_shring_options consumer = shring_of(QUOIT_SHRING_CONSUMER);
	struct shring_pair pair = shring_begin(shring_of(QUOIT_SHRING_PRODUCER));
	const uint64_t item = 4;
	uint64_t out = 0;
	const int fd = fcntl(quoit_shring_fd(&pair.p->ring), F_DUPFD_CLOEXEC, 3);
	struct words *c = NULL;

	(void)state;
	assert_true(words_send_one(pair.p, &item));
	quoit_shring_close(&pair.p->ring);
	shring_end(&pair);
	assert_int_equal(attaches_fd(fd), -ESHUTDOWN);
	assert_int_equal(words_attach(&fd, 1, &consumer, &c, NULL), 0);
	assert_true(words_recv_one(c, &out));
	assert_int_equal(out, 4);
	quoit_shring_close(&c->ring);
	words_destroy(c);
	assert_int_equal(words_attach(&fd, 1, &consumer, &c, NULL), -ESHUTDOWN);
	close(fd);
}

/* --- bells ----------------------------------------------------------------------------------- */

static void bells_must_be_eventfds_that_do_not_block(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	struct words *p;
	int fds[4], wrong[4];

	(void)state;
	options.bells = true;
	p = shring_create(options);
	assert_int_equal(quoit_shring_fds(&p->ring, fds), 3);
	assert_int_equal(quoit_shring_pidfd(&p->ring), -1); /* they are two, and no more */
	options.role = QUOIT_SHRING_CONSUMER;
	memcpy(wrong, fds, sizeof(wrong));
	assert_int_equal(attaches(NULL, 0, options), -EBADMSG);
	assert_int_equal(attaches(fds, 0, options), -EBADMSG);
	assert_int_equal(attaches(fds, 1, options), -EBADMSG);
	assert_int_equal(attaches(fds, 2, options), -EBADMSG);
	wrong[3] = fds[2];
	assert_int_equal(attaches(wrong, 4, options), -EBADMSG);
	wrong[2] = of_pipe();
	assert_int_equal(attaches(wrong, 3, options), -EBADMSG);
	assert_int_equal(fcntl(wrong[2], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(attaches(wrong, 3, options), -EBADMSG);
	close(wrong[2]);
	wrong[2] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(attaches(wrong, 3, options), -EBADMSG);
	close(wrong[2]);
	wrong[2] = -1;
	assert_int_equal(attaches(wrong, 3, options), -EBADMSG);
	words_destroy(p);
}

static int attaches_with_bell(struct words *p, int bell)
{
	const struct quoit_shring_options options = shring_of(QUOIT_SHRING_CONSUMER);
	struct words *c = NULL;
	int fds[QUOIT_SHRING_FDS], rc;

	assert_int_equal(quoit_shring_fds(&p->ring, fds), 3);
	fds[1] = bell;
	rc = words_attach(fds, 3, &options, &c, NULL);
	words_destroy(c);
	return rc;
}

/* One write to it would wake us for ever. */
static void bells_that_one_read_does_not_empty_are_refused(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	const uint64_t counts[] = {0, 1, 2, UINT64_MAX - 1};
	struct words *p;

	(void)state;
	options.bells = true;
	p = shring_create(options);
	for (size_t i = 0; i < 4; i++) {
		const int down = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
		const int plain = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		struct pollfd rung = {.fd = plain, .events = POLLIN};

		assert_int_equal(write(down, &counts[i], 8), 8);
		assert_int_equal(attaches_with_bell(p, down), -EBADMSG);
		assert_int_equal(attaches_with_bell(p, plain), 0);
		assert_int_equal(poll(&rung, 1, 0), 0);
		assert_int_equal(write(plain, &counts[i], 8), 8);
		assert_int_equal(attaches_with_bell(p, plain), 0);
		assert_int_equal(poll(&rung, 1, 0), counts[i] != 0); /* as it was */
		close(plain);
		close(down);
	}
	words_destroy(p);
}

static void a_ring_without_bells_takes_none(void **state)
{
	struct words *const p = shring_create(shring_of(QUOIT_SHRING_CONSUMER));
	const int fds[2] = {quoit_shring_fd(&p->ring), eventfd(0, EFD_NONBLOCK)};
	const unsigned before = fds_open();
	struct words *const q = shring_attach(p, shring_of(QUOIT_SHRING_PRODUCER));

	(void)state;
	assert_int_equal(fds_open(), before + 2); /* the file, and its role */
	words_destroy(q);
	assert_int_equal(attaches(fds, 2, shring_of(QUOIT_SHRING_PRODUCER)), -EBADMSG);
	assert_int_equal(attaches(fds, 1, shring_of(QUOIT_SHRING_PRODUCER)), 0);
	close(fds[1]);
	words_destroy(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_is_a_ring_is_one_whoever_made_it),
		TEST(whatever_the_header_says_is_checked),
		TEST(shapes_that_agree_with_themselves_must_agree_with_the_file),
		TEST(shapes_have_limits),
		TEST(what_the_options_ask_for_must_be_there),
		TEST(a_file_larger_than_was_thought_of_is_refused),
		TEST(a_file_that_could_be_taken_away_is_refused),
		TEST(what_is_no_file_of_memory_is_refused),
		TEST(a_file_that_cannot_hold_a_header_is_refused),
		TEST(positions_that_cannot_be_are_found_when_a_role_is_taken),
		TEST(what_was_closed_can_only_be_drained),
		TEST(bells_must_be_eventfds_that_do_not_block),
		TEST(bells_that_one_read_does_not_empty_are_refused),
		TEST(a_ring_without_bells_takes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
