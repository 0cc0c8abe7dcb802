/* SPDX-License-Identifier: MIT */
/*
 * test_shring_between.c - what a peer does to a descriptor between two looks of ours, and what it
 * passes to hold us up: neither a page that is missing later, nor a call that does not come back.
 * Defects D-36 and D-37.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "fcntl_calls.h"
#include "shring_checks.h"

#define PAGE	  4096
#define BITS_L	  12 /* words, and a header: 9 pages */
#define SLOTS_END (9 * PAGE)

static unsigned asked;	   /* calls that the file system of a descriptor answers, or its seals */
static int shrinks;	   /* it is made short and sealed at our first look at seals; or 0 */
static int populate_error; /* which reading ahead gives, or 0 */
static long page_says;	   /* how large the pages of a file are said to be; or 0 */
static struct quoit_shring_header *renewed; /* when a role of it is taken; or NULL */
static long kind_says;			    /* what kind its file system is said to be; or 0 */
static bool has_no_pages;		    /* so says its file system */
static unsigned populated;		    /* mappings to write, */
static unsigned filled_before;		    /* and how many there were when a file was filled */

static unsigned huge_asked; /* times, for whatever huge pages there are */

static bool on_fcntl(int what)
{
	asked++;
	if (what == F_GET_SEALS && shrinks) {
		assert_int_equal(ftruncate(shrinks, PAGE), 0);
		assert_int_equal(__real_fcntl(shrinks, F_ADD_SEALS,
					      (long)(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
						     F_SEAL_FUTURE_WRITE)),
				 0);
		shrinks = 0;
	}
	if (what == F_OFD_SETLK && renewed) {
		renewed->id.generation++;
		renewed = NULL;
	}
	return true;
}

int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status)
{
	asked++;
	return __real_fstat(fd, status);
}

int __real_fstatfs(int fd, struct statfs *status);
int __wrap_fstatfs(int fd, struct statfs *status);
int __wrap_fstatfs(int fd, struct statfs *status)
{
	const int rc = __real_fstatfs(fd, status);

	asked++;
	if (kind_says)
		status->f_type = (__typeof__(status->f_type))kind_says;
	if (page_says || has_no_pages)
		status->f_bsize = page_says;
	return rc;
}

int __real_madvise(void *at, size_t bytes, int advice);
int __wrap_madvise(void *at, size_t bytes, int advice);
int __wrap_madvise(void *at, size_t bytes, int advice)
{
	if (advice == MADV_POPULATE_READ && populate_error) {
		errno = populate_error;
		if (errno == EINTR)
			populate_error = 0; /* a signal comes once */
		return -1;
	}
	huge_asked += advice == MADV_HUGEPAGE;
	populated += advice == MADV_POPULATE_WRITE && page_says && bytes >= (size_t)page_says;
	return __real_madvise(at, bytes, advice);
}

static struct quoit_shring *watched;   /* while its other side attaches; or NULL */
static enum quoit_shring_peer seen_as; /* what it must see of that by the time it is rung */
static unsigned writes, rung_too_early;

ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	if (watched) {
		writes++;
		rung_too_early += quoit_shring_peer_state(watched, 0) != seen_as;
	}
	return __real_write(fd, data, bytes);
}

static struct quoit_shring_options hardened(enum quoit_shring_role role)
{
	struct quoit_shring_options options = shring_of(role);

	options.bits = BITS_L;
	options.hardened = true;
	return options;
}

/* A part of a hardened ring, as a hostile peer would make one; nothing is sealed yet. */
static int forge(enum quoit_shring_part part, uint64_t pair, off_t bytes, bool fills)
{
	const struct quoit_shring_id id = {
		.magic = QUOIT_SHRING_MAGIC,
		.version = QUOIT_SHRING_VERSION,
		.bits = BITS_L,
		.capacity = 1 << BITS_L,
		.mask = (1 << BITS_L) - 1,
		.slot_bytes = 8,
		.header_size = QUOIT_SHRING_HEADER,
		.total_size = (uint64_t)bytes,
		.generation = 1,
		.slot_align = 8,
		.flags = QUOIT_SHRING_FLAG_HARDENED,
		.part = (uint32_t)part,
		.pair = pair,
	};
	const int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	if (fills)
		assert_int_equal(fallocate(fd, 0, 0, bytes), 0);
	assert_int_equal(pwrite(fd, &id, sizeof(id), 0), sizeof(id));
	return fd;
}

static void seal(int fd)
{
	assert_int_equal(fcntl(fd, F_ADD_SEALS,
			       F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE),
			 0);
}

static int attaches(int fd, struct words **q, struct quoit_reason *why)
{
	const struct quoit_shring_options options = hardened(QUOIT_SHRING_CONSUMER);
	int rc;

	*why = (struct quoit_reason){0};
	rc = words_attach(&fd, 1, &options, q, why);
	assert_int_equal(why->error, rc);
	return rc;
}

/* --- the size -------------------------------------------------------------------------------- */

/* The seal that keeps a size must be seen before the size is. */
static void a_size_from_before_the_seals_is_not_believed(void **state)
{
	const int fd = forge(QUOIT_SHRING_PRODUCER_PART, 7, SLOTS_END, true);
	struct quoit_reason why = {0};
	struct words *q = NULL;

	(void)state;
	shrinks = fd;
	assert_int_equal(attaches(fd, &q, &why), -EUCLEAN);
	assert_int_equal(shrinks, 0);
	assert_null(q);
	close(fd);
}

static void nor_when_the_other_part_is_joined(void **state)
{
	struct words *const c = shring_create(hardened(QUOIT_SHRING_CONSUMER));
	const int fd = forge(QUOIT_SHRING_PRODUCER_PART, c->ring.home.id.pair, SLOTS_END, true);

	(void)state;
	shrinks = fd;
	assert_int_equal(quoit_shring_join(&c->ring, fd, NULL), -EUCLEAN);
	assert_int_equal(shrinks, 0);
	close(fd);
	words_destroy(c);
}

static void pages_that_cannot_be_read_ahead_are_told(void **state)
{
	const int fd = forge(QUOIT_SHRING_PRODUCER_PART, 7, SLOTS_END, true);
	struct quoit_reason why = {0};
	struct words *q = NULL;

	(void)state;
	seal(fd);
	populate_error = EFAULT;
	assert_int_equal(attaches(fd, &q, &why), -EFAULT);
	populate_error = EINTR;
	assert_int_equal(attaches(fd, &q, &why), 0);
	assert_int_equal(populate_error, 0);
	words_destroy(q);
	populate_error = EINVAL; /* an older kernel */
	assert_int_equal(attaches(fd, &q, &why), 0);
	populate_error = 0;
	words_destroy(q);
	close(fd);
}

/* What it has not paid for, we would. */
static void a_part_that_was_never_filled_is_refused(void **state)
{
	const int fd = forge(QUOIT_SHRING_PRODUCER_PART, 7, SLOTS_END, false);
	struct quoit_reason why = {0};
	struct words *q = NULL;

	(void)state;
	seal(fd);
	assert_int_equal(attaches(fd, &q, &why), -EUCLEAN);
	assert_non_null(strstr(why.text, "holes"));
	close(fd);
}

/* A consumer's part is a page, however large the ring is: a file of 64 MiB is none. */
static void a_part_is_no_larger_than_it_can_be(void **state)
{
	struct words *const p = shring_create(hardened(QUOIT_SHRING_PRODUCER));
	const int fd = forge(QUOIT_SHRING_CONSUMER_PART, p->ring.home.id.pair, 64 << 20, false);

	(void)state;
	seal(fd);
	assert_int_equal(quoit_shring_join(&p->ring, fd, NULL), -EFBIG);
	close(fd);
	words_destroy(p);
}

/* --- held up --------------------------------------------------------------------------------- */

/* A file system of the peer's own may never answer, not even to the close of a duplicate. */
static void of_what_is_no_file_of_memory_only_the_seals_are_asked(void **state)
{
	struct words *const p = shring_create(hardened(QUOIT_SHRING_PRODUCER));
	const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	struct quoit_reason why = {0};
	struct words *q = NULL;

	(void)state;
	asked = 0;
	assert_int_equal(attaches(fd, &q, &why), -ENOTSUP);
	assert_int_equal(asked, 1);
	assert_int_equal(quoit_shring_join(&p->ring, fd, NULL), -ENOTSUP);
	assert_int_equal(asked, 2);
	close(fd);
	words_destroy(p);
}

/* Opening such a file would wait for /proc/sys/fs/lease-break-time, which is 45 s. */
static void a_lease_on_the_file_holds_nobody_up(void **state)
{
	const int fd = forge(QUOIT_SHRING_PRODUCER_PART, 7, SLOTS_END, true);
	struct quoit_reason why = {0};
	struct words *q = NULL;
	char path[40];
	int reads;
	uint64_t since_ns;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reads = open(path, O_RDONLY | O_CLOEXEC);
	seal(fd);
	close(fd); /* a lease to read needs a file that nobody has open to write */
	assert_true(reads >= 0);
	assert_ptr_not_equal(signal(SIGIO, SIG_IGN), SIG_ERR);
	if (fcntl(reads, F_SETLEASE, F_RDLCK)) {
		close(reads);
		skip();
	}
	since_ns = quoit_clock_now_ns();
	assert_int_equal(attaches(reads, &q, &why), -EAGAIN);
	assert_in_range(quoit_clock_now_ns() - since_ns, 0, UINT64_C(5000000000));
	assert_non_null(strstr(why.text, "lease"));
	assert_int_equal(fcntl(reads, F_SETLEASE, F_UNLCK), 0);
	close(reads);
}

/* --- huge pages ------------------------------------------------------------------------------ */

int __real_fallocate(int fd, int mode, off_t from, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t bytes)
{
	filled_before = populated;
	return __real_fallocate(fd, mode, from, bytes);
}

/* They come from where the policy of the mapping says, and a file of them has none of its own. */
static void huge_pages_are_filled_through_the_mapping_that_was_placed(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	unsigned by_mapping[2];

	(void)state;
	page_says = 2 << 20;
	for (int placed = 0; placed < 2; placed++) {
		options.node = placed ? 0 : QUOIT_NODE_AUTO;
		populated = 0;
		words_destroy(shring_create(options));
		assert_int_equal(filled_before, placed);
	}
	/* Of others the file has one, too: it is filled by itself, placed or not. */
	page_says = PAGE;
	for (int placed = 0; placed < 2; placed++) {
		options.node = placed ? 0 : QUOIT_NODE_AUTO;
		populated = 0;
		words_destroy(shring_create(options));
		by_mapping[placed] = filled_before;
	}
	assert_int_equal(by_mapping[1], by_mapping[0]);
	page_says = 0;
}

/* Where there is none for the file, the kernel may still find some for its mapping. */
static void huge_pages_that_are_missing_are_asked_for_once_more(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	struct words *q;

	(void)state;
	huge_asked = 0;
	words_destroy(shring_create(options));
	assert_int_equal(huge_asked, 0);
	options.huge_pages = true;
	q = shring_create(options);
	assert_int_equal(huge_asked, q->ring.degraded & QUOIT_SHRING_SMALL ? 1 : 0);
	words_destroy(q);
}

/* What a consumer is told that attaches to a sound ring. */
static int consumes(struct words *p)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_CONSUMER);
	const int fd = quoit_shring_fd(&p->ring);
	struct words *c = NULL;
	const int rc = words_attach(&fd, 1, &options, &c, NULL);

	words_destroy(c);
	return rc;
}

static void a_ring_that_is_begun_anew_before_its_role_is_taken_is_another(void **state)
{
	struct words *const p = shring_create(shring_of(QUOIT_SHRING_PRODUCER));

	(void)state;
	renewed = shring_shared(p);
	assert_int_equal(consumes(p), -ESTALE);
	assert_null(renewed);
	assert_int_equal(consumes(p), 0);
	words_destroy(p);
}

/* Should any other ever take seals: what its pages are like nobody knows. */
static void a_file_of_no_known_memory_is_refused(void **state)
{
	struct words *const p = shring_create(shring_of(QUOIT_SHRING_PRODUCER));

	(void)state;
	kind_says = EXT4_SUPER_MAGIC;
	assert_int_equal(consumes(p), -ENOTSUP);
	kind_says = HUGETLBFS_MAGIC;
	assert_int_equal(consumes(p), 0);
	kind_says = 0;
	words_destroy(p);
}

static void a_file_that_has_no_pages_is_refused(void **state)
{
	struct words *const p = shring_create(shring_of(QUOIT_SHRING_PRODUCER));

	(void)state;
	has_no_pages = true;
	assert_int_equal(consumes(p), -EUCLEAN);
	has_no_pages = false;
	words_destroy(p);
}

/* --- limits ---------------------------------------------------------------------------------- */

/* The kernel sends SIGXFSZ, which ends a process, where a call would only fail. */
static int beyond_the_limit(void *ctx)
{
	const struct rlimit page = {PAGE, PAGE};
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	struct quoit_reason why = {0};
	struct words *q = NULL;

	options.bits = BITS_L;
	if (setrlimit(RLIMIT_FSIZE, &page) || words_create(&options, &q, &why) != -EFBIG ||
	    !strstr(why.text, "ulimit"))
		return 1;
	options.hardened = true;
	if (words_attach((const int *)ctx, 1, &options, &q, &why) != -EFBIG)
		return 2;
	options.bits = BITS;
	options.hardened = false;
	return words_create(&options, &q, &why) ? 3 : 0; /* a page is within it */
}

static void a_file_beyond_the_limit_of_the_process_is_refused_and_does_not_end_it(void **state)
{
	struct words *const c = shring_create(hardened(QUOIT_SHRING_CONSUMER));
	int fd = quoit_shring_fd(&c->ring);

	(void)state;
	assert_int_equal(shring_joined(shring_child(beyond_the_limit, &fd)), 0);
	words_destroy(c);
}

/* --- threads --------------------------------------------------------------------------------- */

static void *attach_alone(void *arg)
{
	struct words *const p = (struct words *)arg;
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_CONSUMER);
	struct quoit_reason why = {0};
	struct words *c = NULL;
	int fds[QUOIT_SHRING_FDS];
	size_t n;

	/* From here on its descriptors are its own: the first thread's are others. */
	if (unshare(CLONE_FILES))
		return (void *)1;
	n = quoit_shring_fds(&p->ring, fds);
	for (size_t i = 0; i < n; i++) {
		const int here = fcntl(fds[i], F_DUPFD_CLOEXEC, 500);

		close(fds[i]);
		fds[i] = here;
	}
	if (words_attach(fds, n, &options, &c, &why))
		return strdup(why.text);
	words_destroy(c);
	return NULL;
}

static void a_thread_with_descriptors_of_its_own_can_attach(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
	struct words *p;
	pthread_t thread;
	void *text = NULL;

	(void)state;
	options.bells = true;
	p = shring_create(options);
	assert_int_equal(pthread_create(&thread, NULL, attach_alone, p), 0);
	assert_int_equal(pthread_join(thread, &text), 0);
	if (text)
		fail_msg("%s", text == (void *)1 ? "unshare" : (const char *)text);
	words_destroy(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

static struct quoit_shring *attached(struct quoit_shring *to)
{
	const struct quoit_shring_options producer = shring_of(QUOIT_SHRING_PRODUCER);
	int fds[QUOIT_SHRING_FDS];
	const size_t n = quoit_shring_fds(to, fds);
	struct quoit_shring *ring;

	assert_int_equal(quoit_shring_attach(fds, n, &producer, &ring, NULL), 0);
	return ring;
}

/* Whoever looks for a peer when it hears a bell would else find the last one dead, and end. */
static void a_successor_rings_no_bell_before_it_has_the_role(void **state)
{
	struct quoit_shring_options options = shring_of(QUOIT_SHRING_CONSUMER);
	struct quoit_shring *ring, *first, *second;

	(void)state;
	options.bells = true;
	assert_int_equal(quoit_shring_create(&options, &ring, NULL), 0);
	first = attached(ring);
	assert_int_equal(quoit_shring_peer_state(ring, 0), QUOIT_SHRING_ALIVE);
	quoit_shring_destroy(first);
	watched = ring;
	seen_as = QUOIT_SHRING_ALIVE;
	second = attached(ring);
	watched = NULL;
	assert_true(writes > 0); /* it tries them */
	assert_int_equal(rung_too_early, 0);
	watched = ring;
	seen_as = QUOIT_SHRING_DEAD;
	writes = 0;
	quoit_shring_destroy(second);
	watched = NULL;
	assert_int_equal(writes, 1);
	assert_int_equal(rung_too_early, 0); /* nor before it has given the role back */
	quoit_shring_destroy(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_successor_rings_no_bell_before_it_has_the_role),
		TEST(a_size_from_before_the_seals_is_not_believed),
		TEST(nor_when_the_other_part_is_joined),
		TEST(pages_that_cannot_be_read_ahead_are_told),
		TEST(a_part_that_was_never_filled_is_refused),
		TEST(a_part_is_no_larger_than_it_can_be),
		TEST(of_what_is_no_file_of_memory_only_the_seals_are_asked),
		TEST(a_lease_on_the_file_holds_nobody_up),
		TEST(huge_pages_are_filled_through_the_mapping_that_was_placed),
		TEST(huge_pages_that_are_missing_are_asked_for_once_more),
		TEST(a_file_beyond_the_limit_of_the_process_is_refused_and_does_not_end_it),
		TEST(a_thread_with_descriptors_of_its_own_can_attach),
		TEST(a_file_of_no_known_memory_is_refused),
		TEST(a_file_that_has_no_pages_is_refused),
		TEST(a_ring_that_is_begun_anew_before_its_role_is_taken_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
