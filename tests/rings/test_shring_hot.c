/* SPDX-License-Identifier: MIT */
/*
 * test_shring_hot.c - what is done for each item asks the kernel for nothing, and reads no clock:
 * not even where each side may sleep, as long as neither does. Defect D-35.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fcntl_calls.h"
#include "shring_checks.h"

static unsigned asked; /* of the kernel, and of the clock */

#define COUNTED(result, name, parameters, arguments) \
	result __real_##name parameters;             \
	result __wrap_##name parameters;             \
	result __wrap_##name parameters              \
	{                                            \
		asked++;                             \
		return __real_##name arguments;      \
	}

COUNTED(int, clock_gettime, (clockid_t clock, struct timespec *now), (clock, now))
COUNTED(ssize_t, write, (int fd, const void *data, size_t bytes), (fd, data, bytes))
COUNTED(uint64_t, quoit_clock_now_ns, (void), ())
COUNTED(pid_t, getpid, (void), ())
COUNTED(ssize_t, preadv2, (int fd, const struct iovec *to, int n, off_t at, int flags),
	(fd, to, n, at, flags))
COUNTED(int, ppoll,
	(struct pollfd * fds, nfds_t n, const struct timespec *left, const sigset_t *mask),
	(fds, n, left, mask))

static bool on_fcntl(int what)
{
	(void)what;
	asked++;
	return true;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list more;

	va_start(more, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(more, long);
	va_end(more);
	asked++;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void neither_a_commit_nor_an_advance_asks_for_the_time_or_the_kernel(void **state)
{
	(void)state;
	for (int hardened = 0; hardened < 2; hardened++) {
		struct quoit_shring_options options = shring_of(QUOIT_SHRING_PRODUCER);
		uint64_t items[CAPACITY] = {0}, *slots;
		struct shring_pair pair;
		size_t n;

		options.waits = options.bells = true;
		options.hardened = hardened;
		pair = shring_begin(options);
		asked = 0;
		for (int i = 0; i < 1000; i++) {
			assert_true(words_send_one(pair.p, items));
			assert_int_equal(words_send(pair.p, items, 3), 3);
			assert_int_equal(words_recv(pair.c, items, 4), 4);
			assert_true(quoit_shring_is_empty(&pair.c->ring));
			assert_false(quoit_shring_is_closed(&pair.c->ring));
			quoit_shring_beat(&pair.p->ring);
			slots = hardened ? NULL : words_reserve(pair.p, 1, &n);
			if (slots) {
				*slots = 1;
				words_commit(pair.p, 1);
				assert_true(words_recv_one(pair.c, items));
			}
		}
		assert_int_equal(asked, 0);
		quoit_shring_arm(&pair.c->ring);
		assert_true(words_send_one(pair.p, items));
		assert_int_equal(asked, 2); /* the bell's flags and the bell: these count here */
		quoit_shring_hush(&pair.c->ring);
		assert_int_equal(asked, 3);
		shring_end(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neither_a_commit_nor_an_advance_asks_for_the_time_or_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
