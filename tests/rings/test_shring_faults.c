/* SPDX-License-Identifier: MIT */
/*
 * test_shring_faults.c - each system call of a creation, an attachment and a join fails once: its
 * error comes out with a reason, or what it was for can be done without, and nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "fcntl_calls.h"
#include "shring_checks.h"

#define FAULT EIO /* which no call here gives by itself, and nobody looks for */

static struct {
	bool armed;
	unsigned calls;
	unsigned fails_at;
	int with;
	const char *name; /* of the call that failed, or NULL */
	long what;
	long made;     /* files, which are ours */
	size_t mapped; /* bytes, since it was armed first */
} faults;

static bool fails(const char *name, long what)
{
	if (!faults.armed || ++faults.calls != faults.fails_at)
		return false;
	faults.name = name;
	faults.what = what;
	errno = faults.with;
	return true;
}

/* A call that gives an int, wrapped by the linker. */
#define WRAP(name, what, parameters, arguments)                                   \
	int __real_##name parameters;                                             \
	int __wrap_##name parameters;                                             \
	int __wrap_##name parameters                                              \
	{                                                                         \
		return fails(#name, (long)(what)) ? -1 : __real_##name arguments; \
	}

WRAP(memfd_create, faults.made += faults.armed, (const char *name, unsigned flags), (name, flags))
WRAP(ftruncate, 0, (int fd, off_t length), (fd, length))
WRAP(fallocate, 0, (int fd, int mode, off_t at, off_t bytes), (fd, mode, at, bytes))
WRAP(fstat, 0, (int fd, struct stat *status), (fd, status))
WRAP(fstatfs, faults.made, (int fd, struct statfs *status), (fd, status))
WRAP(madvise, advice, (void *at, size_t bytes, int advice), (at, bytes, advice))
WRAP(eventfd, 0, (unsigned initial, int flags), (initial, flags))

static bool on_fcntl(int what)
{
	return !fails("fcntl", what);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	return fails("open", 0) ? -1 : __real_open(path, flags, 0600);
}

ssize_t __real_pread(int fd, void *data, size_t bytes, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t bytes, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t bytes, off_t at)
{
	return fails("pread", 0) ? -1 : __real_pread(fd, data, bytes, at);
}

ssize_t __real_readlink(const char *path, char *text, size_t capacity);
ssize_t __wrap_readlink(const char *path, char *text, size_t capacity);
ssize_t __wrap_readlink(const char *path, char *text, size_t capacity)
{
	return fails("readlink", 0) ? -1 : __real_readlink(path, text, capacity);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	va_list more;
	long with[6];

	va_start(more, number);
	for (size_t i = 0; i < 6; i++)
		with[i] = va_arg(more, long); /* more than most have: the kernel looks at its own */
	va_end(more);
	return fails("syscall", number) ? -1
					: __real_syscall(number, with[0], with[1], with[2], with[3],
							 with[4], with[5]);
}

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	void *const map = fails("mmap", 0) ? MAP_FAILED
					   : __real_mmap(at, bytes, protection, flags, fd, offset);

	if (map != MAP_FAILED && !(flags & MAP_FIXED))
		faults.mapped += bytes;
	return map;
}

int __real_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes)
{
	faults.mapped -= bytes;
	return __real_munmap(at, bytes);
}

/* --- what comes out -------------------------------------------------------------------------- */

static bool is_of(const char *name, long what)
{
	return strcmp(faults.name, name) == 0 && faults.what == what;
}

/* What the call that failed is for: 0 if it can be done without. */
static int expected(void)
{
	if (is_of("fcntl", F_OFD_SETLK) && (faults.with == EAGAIN || faults.with == EACCES))
		return -EBUSY; /* POSIX has either */
	if (is_of("madvise", MADV_WIPEONFORK) || is_of("madvise", MADV_DONTFORK) ||
	    is_of("syscall", SYS_getrandom))
		return 0;
	if (is_of("memfd_create", 1)) /* before Linux 6.3 the first flags are none */
		return faults.with == EINVAL   ? 0
		       : faults.with == ENOSYS ? -EOPNOTSUPP
					       : -faults.with;
	if (is_of("fcntl", F_ADD_SEALS))
		return -EOPNOTSUPP;
	if (is_of("fcntl", F_GET_SEALS) || is_of("fstatfs", 0))
		return -ENOTSUP;
	if (is_of("fcntl", F_GETFL) || is_of("readlink", 0))
		return -EBADMSG;
	return -faults.with;
}

/* What is tried, from options, on what the other side has made; the other side where it joins. */
struct scene {
	struct quoit_shring_options options;
	bool attaches;
	bool joins;
};

static int create_faulty(const struct scene *scene, struct words **q, struct quoit_reason *why)
{
	int rc;

	faults.armed = true;
	rc = words_create(&scene->options, q, why);
	faults.armed = false;
	return rc;
}

static int attach_faulty(const struct scene *scene, struct words *other, struct words **q,
			 struct quoit_reason *why)
{
	int fds[QUOIT_SHRING_FDS];
	const size_t n = quoit_shring_fds(&other->ring, fds);
	int rc;

	faults.armed = !scene->joins;
	rc = words_attach(fds, n, &scene->options, q, why);
	faults.armed = false;
	if (rc || !scene->options.hardened)
		return rc;
	faults.armed = scene->joins;
	rc = quoit_shring_join(&other->ring, quoit_shring_fd(&(*q)->ring), why);
	faults.armed = false;
	return rc;
}

static void passes_an_item(struct words *a, struct words *b)
{
	struct words *const p = a->ring.role == QUOIT_SHRING_PRODUCER ? a : b;
	struct words *const c = p == a ? b : a;
	const uint64_t item = 7;
	uint64_t out = 0;

	assert_true(words_send_one(p, &item));
	assert_true(words_recv_one(c, &out));
	assert_int_equal(out, item);
}

static void check_outcome(int rc, const struct quoit_reason *why)
{
	const int wanted = faults.name ? expected() : 0;

	if (rc != wanted)
		fail_msg("%s (%ld) failed, and gave %d instead of %d: %s", faults.name, faults.what,
			 rc, wanted, why->text);
	assert_int_equal(why->error, rc);
	assert_int_equal(why->text[0] != 0, rc != 0);
}

/* Once, with one call that fails. */
static void play(const struct scene *scene)
{
	struct quoit_shring_options options = scene->options;
	struct words *other = NULL, *q = NULL;
	struct quoit_reason why = {0};
	int rc;

	if (!scene->attaches) {
		rc = create_faulty(scene, &q, &why);
		check_outcome(rc, &why);
		words_destroy(q);
		return;
	}
	options.role = options.role == QUOIT_SHRING_PRODUCER ? QUOIT_SHRING_CONSUMER
							     : QUOIT_SHRING_PRODUCER;
	other = shring_create(options);
	rc = attach_faulty(scene, other, &q, &why);
	check_outcome(rc, &why);
	if (!rc)
		passes_an_item(other, q);
	else
		assert_int_equal(q != NULL, scene->joins);
	words_destroy(q);
	words_destroy(other);
}

static void plays(struct scene scene)
{
	const unsigned fds = fds_open();

	faults.with = FAULT;
	for (faults.fails_at = 1;; faults.fails_at++) {
		faults.calls = 0;
		faults.mapped = 0;
		faults.made = 0;
		faults.name = NULL;
		play(&scene);
		assert_int_equal(fds_open(), fds);
		assert_int_equal(faults.mapped, 0);
		if (!faults.name)
			break;
	}
	print_message("%u calls failed in turn\n", faults.fails_at - 1);
	assert_true(faults.fails_at > 5);
}

static void with_any_call_of_a_creation(void **state)
{
	struct scene scene = {.options = shring_of(QUOIT_SHRING_PRODUCER)};

	(void)state;
	scene.options.bells = true;
	plays(scene);
	scene.options.bells = false;
	scene.options.hardened = true;
	plays(scene);
}

static void with_any_call_of_an_attachment(void **state)
{
	struct scene scene = {.attaches = true};

	(void)state;
	for (int role = QUOIT_SHRING_PRODUCER; role <= QUOIT_SHRING_CONSUMER; role++) {
		scene.options = shring_of((enum quoit_shring_role)role);
		scene.options.bells = true;
		plays(scene);
		scene.options.hardened = true;
		plays(scene);
	}
}

static void with_any_call_of_a_join(void **state)
{
	struct scene scene = {.attaches = true, .joins = true};

	(void)state;
	for (int role = QUOIT_SHRING_PRODUCER; role <= QUOIT_SHRING_CONSUMER; role++) {
		scene.options = shring_of((enum quoit_shring_role)role);
		scene.options.hardened = true;
		plays(scene);
	}
}

/* A creation in which this call fails; all before it do not. */
static int create_with(const struct scene *scene, const char *name, long what, int with,
		       struct quoit_reason *why)
{
	for (faults.fails_at = 1; faults.fails_at < 100; faults.fails_at++) {
		struct words *q = NULL;
		int rc;

		faults.calls = 0;
		faults.made = 0;
		faults.with = with;
		faults.name = "";
		*why = (struct quoit_reason){0};
		rc = create_faulty(scene, &q, why);
		assert_int_equal(q != NULL, rc == 0);
		words_destroy(q);
		if (is_of(name, what))
			return rc;
	}
	fail_msg("%s (%ld) is not called", name, what);
	return 0;
}

/* What can be foreseen says what helps, and what is meant. */
static void what_can_be_foreseen_says_what_helps(void **state)
{
	static const struct {
		const char *name;
		long what;
		int with;
		int node;
		const char *says;
	} rows[] = {
		{"memfd_create", 1, EINVAL, QUOIT_NODE_AUTO, ""},
		{"memfd_create", 1, ENOSYS, QUOIT_NODE_AUTO, "no file of memory"},
		{"open", 0, ENOENT, QUOIT_NODE_AUTO, "mount it"},
		{"open", 0, EAGAIN, QUOIT_NODE_AUTO, "has a lease"},
		{"open", 0, EACCES, QUOIT_NODE_AUTO, "fchmod"},
		{"open", 0, EIO, QUOIT_NODE_AUTO, "opened anew"},
		{"fcntl", F_OFD_SETLK, EAGAIN, QUOIT_NODE_AUTO, "wait for its end"},
		{"fcntl", F_OFD_SETLK, EACCES, QUOIT_NODE_AUTO, "wait for its end"},
		{"fcntl", F_OFD_SETLK, ENOLCK, QUOIT_NODE_AUTO, "cannot be locked"},
		{"syscall", SYS_mbind, EPERM, 0, "not bound to node 0; allow mbind"},
		{"syscall", SYS_mbind, EINVAL, 0, "not bound to node 0; the node has no memory"},
		{"syscall", SYS_mbind, EPERM, QUOIT_NODE_INTERLEAVE, "not interleaved"},
	};
	struct scene scene = {.options = shring_of(QUOIT_SHRING_PRODUCER)};

	(void)state;
	scene.options.require = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct quoit_reason why = {0};
		int rc;

		scene.options.node = rows[i].node;
		rc = create_with(&scene, rows[i].name, rows[i].what, rows[i].with, &why);
		assert_int_equal(rc, expected());
		if (!strstr(why.text, rows[i].says))
			fail_msg("%s: '%s' is not in it", why.text, rows[i].says);
	}
}

static void a_role_that_cannot_be_asked_for_is_no_peer_that_lives(void **state)
{
	const int with[] = {EAGAIN, EACCES, ENOLCK};
	struct words *const q = shring_create(shring_of(QUOIT_SHRING_PRODUCER));

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		faults.calls = 0;
		faults.fails_at = 1;
		faults.with = with[i];
		faults.armed = true;
		assert_int_equal(quoit_shring_reset(&q->ring, NULL),
				 with[i] == ENOLCK ? -ENOLCK : -EBUSY);
		faults.armed = false;
		assert_true(is_of("fcntl", F_OFD_SETLK));
	}
	words_destroy(q);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(with_any_call_of_a_creation),
		TEST(with_any_call_of_an_attachment),
		TEST(with_any_call_of_a_join),
		TEST(what_can_be_foreseen_says_what_helps),
		TEST(a_role_that_cannot_be_asked_for_is_no_peer_that_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
