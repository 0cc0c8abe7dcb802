/* SPDX-License-Identifier: MIT */
/*
 * test_uring_map.c - where the queues of a ring lie: in memory of ours or the kernel's, on the node
 * that was asked for, or known not to.
 *
 * Linked with --wrap=syscall and --wrap=mmap: a test may have the kernel refuse our memory or its
 * placement, and have pages seem to lie elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/io/uring_internal.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>

#include "support/skip.h"

#define ENTRIES 1024
#define NOPS	5000 /* more than either queue has */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
void *__real_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset);

static struct {
	unsigned refuse; /* flags that io_uring_setup does not know */
	int map;	 /* errno that memory of ours fails with, or 0 */
	int map_kernels; /* the same for a mapping of the ring */
	int bind;	 /* errno that mbind fails with, or 0 */
	int look;	 /* errno that move_pages fails with, or 0 */
	int hide;	 /* errno that it says of each page, or 0 */
	int elsewhere;	 /* added to the node that it says */
	size_t grown;	 /* bytes that the kernel's heads take beyond what they do */
	unsigned setups;
} fault;

static struct quoit_uring uring;
static bool is_open;
static int home;
static struct quoit_op_owner owner;
static unsigned completed;

static long refuse(int error)
{
	errno = error;
	return -1;
}

static long wrap_setup(const long *a)
{
	struct io_uring_params *params = (void *)a[1];
	const unsigned flags = params->flags;
	long rc;

	fault.setups++;
	if (flags & fault.refuse)
		return refuse(EINVAL);
	rc = __real_syscall(SYS_io_uring_setup, a[0], a[1]);
	if (flags & IORING_SETUP_NO_MMAP)
		params->cq_off.cqes += (unsigned)fault.grown;
	return rc;
}

static long wrap_move_pages(const long *a)
{
	int *const status = (void *)a[4];
	long rc;

	if (fault.look)
		return refuse(fault.look);
	rc = __real_syscall(SYS_move_pages, a[0], a[1], a[2], a[3], a[4], a[5]);
	for (long i = 0; i < a[1]; i++)
		status[i] = fault.hide ? -fault.hide : status[i] + fault.elsewhere;
	return rc;
}

/* It takes all six arguments, as the real one does, however many there are. */
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	switch (number) {
	case SYS_io_uring_setup:
		return wrap_setup(a);
	case SYS_mbind:
		if (fault.bind)
			return refuse(fault.bind);
		break;
	case SYS_move_pages:
		return wrap_move_pages(a);
	}
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *__wrap_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	const int error = fd < 0 ? fault.map : fault.map_kernels;

	if (!error)
		return __real_mmap(hint, bytes, protection, flags, fd, offset);
	errno = error;
	return MAP_FAILED;
}

static void complete(struct quoit_op_owner *of, int res, uint32_t flags, bool last)
{
	(void)of;
	(void)res;
	(void)flags;
	(void)last;
	completed++;
}

/* --- fixture --------------------------------------------------------------------------------- */

static int find_home(void **state)
{
	struct quoit_topology t;
	int rc;

	(void)state;
	if (quoit_topology_load(&t, NULL, NULL) < 0)
		return -1;
	home = t.numa ? quoit_topology_memory_node(&t, t.cpus[0].node) : -1;
	rc = quoit_thread_pin(t.cpus[0].cpu); /* what the kernel maps is near the thread */
	quoit_topology_fini(&t);
	return rc;
}

static int forget(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	memset(&owner, 0, sizeof(owner));
	owner.generation = 1;
	completed = 0;
	is_open = false;
	return 0;
}

static int close_ring(void **state)
{
	(void)state;
	if (is_open)
		quoit_uring_close(&uring);
	is_open = false;
	return 0;
}

static int open_on(int node)
{
	struct quoit_reason why = {0};
	const int rc = quoit_uring_open(&uring, ENTRIES, node, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	is_open = rc == 0;
	if (is_open)
		quoit_uring_class(&uring, QUOIT_OP_RECV, &owner, 0, complete);
	return rc;
}

static void open_at_home(void)
{
	if (home < 0)
		skip_because("this kernel knows no nodes");
	assert_int_equal(open_on(home), 0);
}

/* In memory of ours, or there is nothing to see here. */
static void open_with_ours(void)
{
	open_at_home();
	if (!uring.queues.base)
		skip_because("this kernel takes no memory for io_uring's queues");
}

/* Each completion comes, through both queues several times over. */
static void use(void)
{
	for (unsigned i = 0; i < NOPS; i++) {
		struct io_uring_sqe *sqe = quoit_uring_sqe(&uring);

		assert_non_null(sqe);
		io_uring_prep_nop(sqe);
		quoit_uring_tag(sqe, QUOIT_OP_RECV, &owner);
		if (i % 700 == 699)
			(void)quoit_uring_reap(&uring, NOPS);
	}
	assert_int_equal(quoit_uring_submit(&uring), 0);
	while (quoit_uring_reap(&uring, NOPS))
		;
	assert_int_equal(completed, NOPS);
	assert_int_equal(owner.pending, 0);
	assert_int_equal(uring.counts.dropped_resyncs, 0);
}

static void each_page_is_at_home(const void *base, size_t bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t at = 0; at < bytes; at += page) {
		void *address = (char *)base + at;
		int node = -1;

		assert_int_equal(__real_syscall(SYS_move_pages, 0L, 1L, &address, NULL, &node, 0L),
				 0);
		assert_int_equal(node, home);
	}
}

static void all_queues_are_at_home(void)
{
	const struct io_uring_sq *sq = &uring.ring->sq;

	each_page_is_at_home(sq->ring_ptr, sq->ring_sz);
	each_page_is_at_home(sq->sqes, sq->ring_entries * sizeof(struct io_uring_sqe));
}

static unsigned mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned n = 0;
	int c;

	assert_non_null(maps);
	while ((c = fgetc(maps)) != EOF)
		n += c == '\n';
	fclose(maps);
	return n;
}

/* --- where they lie -------------------------------------------------------------------------- */

static void the_queues_lie_in_a_region_on_the_node(void **state)
{
	const struct io_uring_sq *sq;

	(void)state;
	open_with_ours();
	sq = &uring.ring->sq;
	assert_ptr_equal(sq->ring_ptr, uring.queues.base);
	assert_true((char *)(sq->sqes + sq->ring_entries) <=
		    (char *)uring.queues.base + uring.queues.bytes);
	assert_true((char *)sq->ring_ptr + sq->ring_sz <= (char *)sq->sqes);
	assert_int_equal(uring.degraded, 0);
	assert_int_equal(uring.queues.pages_checked, uring.queues.bytes / 4096);
	use();
	all_queues_are_at_home();
}

static void without_a_node_they_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(open_on(-1), 0);
	assert_null(uring.queues.base);
	assert_int_equal(uring.degraded, 0);
	assert_false(uring.ring->flags & IORING_SETUP_NO_MMAP);
	use();
}

static void a_kernel_that_takes_none_of_ours_uses_its_own_near_the_thread(void **state)
{
	(void)state;
	fault.refuse = IORING_SETUP_NO_MMAP;
	open_at_home();
	assert_true(fault.setups >= 2); /* an older one refuses more */
	assert_null(uring.queues.base);
	assert_int_equal(uring.degraded, 0);
	use();
	all_queues_are_at_home();
}

static void one_that_knows_nothing_newer_does_too(void **state)
{
	(void)state;
	fault.refuse = IORING_SETUP_NO_MMAP | IORING_SETUP_NO_SQARRAY;
	open_at_home();
	assert_int_equal(fault.setups, 3);
	assert_null(uring.queues.base);
	use();
}

static void one_whose_heads_do_not_fit_does_too(void **state)
{
	(void)state;
	open_with_ours();
	close_ring(NULL);
	fault.grown = 1 << 20;
	open_at_home();
	assert_int_equal(fault.setups, 3);
	assert_null(uring.queues.base);
	use();
}

static void where_there_is_no_memory_there_is_no_ring(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	fault.map = ENOMEM;
	assert_int_equal(quoit_uring_open(&uring, ENTRIES, quoit_max(home, 0), &why), -ENOMEM);
	assert_int_equal(why.error, -ENOMEM);
	assert_int_equal(fault.setups, 0);
}

/* --- what falls short ------------------------------------------------------------------------ */

static void a_refused_policy_is_told(void **state)
{
	(void)state;
	fault.bind = EPERM;
	open_with_ours();
	assert_int_equal(uring.degraded, QUOIT_REGION_UNBOUND); /* and yet at home: first touch */
	use();
}

static void pages_elsewhere_are_told_whose_ever_they_are(void **state)
{
	(void)state;
	fault.elsewhere = 1;
	for (unsigned i = 0; i < 2; i++) {
		fault.refuse = i ? IORING_SETUP_NO_MMAP : 0;
		open_at_home();
		assert_int_equal(uring.degraded, QUOIT_REGION_ELSEWHERE);
		use();
		close_ring(NULL);
		forget(NULL);
		fault.elsewhere = 1;
	}
}

static void a_place_that_is_not_known_is_told(void **state)
{
	(void)state;
	fault.look = EPERM;
	for (unsigned i = 0; i < 2; i++) {
		fault.refuse = i ? IORING_SETUP_NO_MMAP : 0;
		open_at_home();
		assert_int_equal(uring.degraded, QUOIT_REGION_UNVERIFIED);
		close_ring(NULL);
	}
	fault.look = 0;
	fault.hide = EFAULT; /* of a mapping that is the kernel's, some do not tell */
	open_at_home();
	assert_int_equal(uring.degraded, QUOIT_REGION_UNVERIFIED);
}

/* --- the end --------------------------------------------------------------------------------- */

static void closing_leaves_no_mapping(void **state)
{
	unsigned before;

	(void)state;
	open_at_home(); /* what the first one maps besides, such as stdio's buffers */
	close_ring(NULL);
	(void)mappings();
	before = mappings();
	for (unsigned i = 0; i < 8; i++) {
		fault.refuse = i & 1 ? IORING_SETUP_NO_MMAP : 0;
		open_at_home();
		close_ring(NULL);
	}
	assert_int_equal(mappings(), before);
}

static void a_mapping_that_fails_is_told_and_leaves_nothing(void **state)
{
	unsigned before;

	(void)state;
	open_at_home();
	close_ring(NULL);
	(void)mappings();
	before = mappings();
	fault.refuse = IORING_SETUP_NO_MMAP;
	fault.map_kernels = ENOMEM;
	assert_int_equal(open_on(home), -ENOMEM);
	assert_int_equal(mappings(), before);
}

/* The kernel has pinned the pages: what it still ends then meets nobody else's memory. */
static void a_ring_may_go_while_an_operation_is_out(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (unsigned i = 0; i < 8; i++) {
		struct io_uring_sqe *sqe;
		char *other;

		open_with_ours();
		sqe = quoit_uring_sqe(&uring);
		io_uring_prep_poll_add(sqe, fds[0], POLLIN);
		quoit_uring_tag(sqe, QUOIT_OP_RECV, &owner);
		assert_int_equal(quoit_uring_submit(&uring), 0);
		const size_t bytes = uring.queues.bytes;
		void *const at = uring.queues.base;

		close_ring(NULL);
		other = __real_mmap(at, bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		assert_ptr_not_equal(other, MAP_FAILED);
		usleep(1000);
		for (size_t b = 0; b < bytes; b++)
			assert_int_equal(other[b], 0);
		munmap(other, bytes);
		owner.pending = 0;
	}
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, close_ring)
	const struct CMUnitTest tests[] = {
		CASE(the_queues_lie_in_a_region_on_the_node),
		CASE(without_a_node_they_are_the_kernels),
		CASE(a_kernel_that_takes_none_of_ours_uses_its_own_near_the_thread),
		CASE(one_that_knows_nothing_newer_does_too),
		CASE(one_whose_heads_do_not_fit_does_too),
		CASE(where_there_is_no_memory_there_is_no_ring),
		CASE(a_refused_policy_is_told),
		CASE(pages_elsewhere_are_told_whose_ever_they_are),
		CASE(a_place_that_is_not_known_is_told),
		CASE(closing_leaves_no_mapping),
		CASE(a_mapping_that_fails_is_told_and_leaves_nothing),
		CASE(a_ring_may_go_while_an_operation_is_out),
	};

	return cmocka_run_group_tests(tests, find_home, NULL);
}
