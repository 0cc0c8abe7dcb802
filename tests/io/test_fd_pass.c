/* SPDX-License-Identifier: MIT */
/*
 * test_fd_pass.c - descriptors and bytes go together, once and whole; what a peer sends that nobody
 * asked for is closed. B181, B182, D-46, D-48.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fds.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <quoit/io/fd_pass.h>
#include <quoit/numa/atomic.h>
#include <quoit/numa/clock.h>

static const int kinds[] = {SOCK_SEQPACKET, SOCK_STREAM};

#define KINDS 2

static const char text[8] = "content";

/* --- what arrives ---------------------------------------------------------------------------- */

static void any_number_of_descriptors_arrives_with_its_bytes(void **state)
{
	static const unsigned counts[] = {0, 1, 2, 3, 16, 252, 253};
	int sent[QUOIT_FDS_MAX], came[QUOIT_FDS_MAX], pair[2];

	(void)state;
	fds_make(sent, QUOIT_FDS_MAX);
	for (unsigned k = 0; k < KINDS; k++) {
		fds_pair(kinds[k], pair);
		for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			/* Exactly as much room as is needed, and more. */
			for (unsigned more = 0; more < 2; more++) {
				size_t n = more ? QUOIT_FDS_MAX : counts[i];
				char data[sizeof(text)] = "";

				assert_int_equal(quoit_fd_send(pair[0], sent, counts[i], text,
							       sizeof(text), FDS_ENDLESS, NULL),
						 0);
				assert_int_equal(quoit_fd_recv(pair[1], came, &n, data,
							       sizeof(data), FDS_ENDLESS, NULL),
						 0);
				assert_int_equal(n, counts[i]);
				assert_string_equal(data, text);
				fds_check(came, sent, counts[i]);
				fds_close(came, counts[i]);
			}
		}
		fds_close(pair, 2);
	}
	fds_close(sent, QUOIT_FDS_MAX);
}

static void messages_come_in_order_and_none_takes_from_the_next(void **state)
{
	int sent[3], came[3], pair[2];

	(void)state;
	fds_make(sent, 3);
	for (unsigned k = 0; k < KINDS; k++) {
		fds_pair(kinds[k], pair);
		for (char i = 0; i < 30; i++)
			assert_int_equal(
				quoit_fd_send(pair[0], sent, (size_t)i % 4, &i, 1, FDS_PAST, NULL),
				0);
		for (char i = 0; i < 30; i++) {
			size_t n = 3;
			char data;

			assert_int_equal(quoit_fd_recv(pair[1], came, &n, &data, 1, FDS_PAST, NULL),
					 0);
			assert_int_equal(data, i);
			assert_int_equal(n, i % 4);
			fds_check(came, sent, (unsigned)n);
			fds_close(came, (unsigned)n);
		}
		fds_close(pair, 2);
	}
	fds_close(sent, 3);
}

static void a_stream_may_cut_a_message_anywhere(void **state)
{
	int sent[9], came[8], pair[2];
	char data[sizeof(text)];
	size_t n = 8;

	(void)state;
	fds_make(sent, 9);
	fds_pair(SOCK_STREAM, pair);
	for (unsigned i = 0; i < sizeof(text);
	     i++) /* two with every other byte: 1 and 2, 3 and 4 */
		assert_int_equal(fds_send_raw(pair[0], text + i, 1, sent + i, 2 * (i % 2), 1), 1);
	assert_int_equal(quoit_fd_recv(pair[1], came, &n, data, sizeof(data), FDS_PAST, NULL), 0);
	assert_string_equal(data, text);
	assert_int_equal(n, 8);
	fds_check(came, sent + 1, 8);
	fds_close(came, 8);
	fds_close(pair, 2);
	fds_close(sent, 9);
}

static void two_control_messages_are_as_good_as_one(void **state)
{
	int sent[9], came[9], pair[2];

	(void)state;
	fds_make(sent, 9);
	for (unsigned k = 0; k < KINDS; k++) {
		fds_pair(kinds[k], pair);
		for (unsigned first = 0; first <= 9; first++) {
			size_t n = 9;
			char data;

			assert_int_equal(fds_send_raw(pair[0], text, 1, sent, 9, first), 1);
			assert_int_equal(quoit_fd_recv(pair[1], came, &n, &data, 1, FDS_PAST, NULL),
					 0);
			assert_int_equal(n, 9);
			fds_check(came, sent, 9);
			fds_close(came, 9);
		}
		fds_close(pair, 2);
	}
	fds_close(sent, 9);
}

static void flags_of_the_socket_do_not_matter_and_are_not_changed(void **state)
{
	int sent, came, pair[2];

	(void)state;
	fds_make(&sent, 1);
	for (unsigned k = 0; k < 2 * KINDS; k++) {
		const int flag = k < KINDS ? SOCK_NONBLOCK : 0;
		const int flags = O_RDWR | (flag ? O_NONBLOCK : 0);
		size_t n = 1;
		char data;

		fds_pair(kinds[k % KINDS] | flag, pair);
		assert_int_equal(quoit_fd_recv(pair[1], &came, &n, &data, 1, FDS_PAST, NULL),
				 -ETIMEDOUT);
		assert_int_equal(quoit_fd_send(pair[0], &sent, 1, text, 1, FDS_PAST, NULL), 0);
		assert_int_equal(quoit_fd_recv(pair[1], &came, &n, &data, 1, FDS_PAST, NULL), 0);
		assert_int_equal(n, 1);
		fds_close(&came, 1);
		assert_int_equal(fcntl(pair[0], F_GETFL), flags);
		assert_int_equal(fcntl(pair[1], F_GETFL), flags);
		fds_close(pair, 2);
	}
	fds_close(&sent, 1);
}

static void credentials_that_others_asked_for_are_in_nobodys_way(void **state)
{
	static const int options[] = {SO_PASSCRED, 76 /* SO_PASSPIDFD, Linux 6.5 */};
	const int on = 1;
	int sent[QUOIT_FDS_MAX], came[QUOIT_FDS_MAX], pair[2];

	(void)state;
	fds_make(sent, QUOIT_FDS_MAX);
	for (unsigned o = 0; o < 4; o++) {
		fds_pair(kinds[o % KINDS], pair);
		for (unsigned i = 0; i <= o / KINDS; i++)
			(void)setsockopt(pair[1], SOL_SOCKET, options[i], &on, sizeof(on));
		for (unsigned count = 0; count <= QUOIT_FDS_MAX; count += 11) {
			size_t n = count;
			char data;

			assert_int_equal(
				quoit_fd_send(pair[0], sent, count, text, 1, FDS_PAST, NULL), 0);
			assert_int_equal(quoit_fd_recv(pair[1], came, &n, &data, 1, FDS_PAST, NULL),
					 0);
			assert_int_equal(n, count);
			fds_check(came, sent, count);
			fds_close(came, count);
		}
		fds_close(pair, 2);
	}
	fds_close(sent, QUOIT_FDS_MAX);
}

/* --- signals, gone peers, full buffers ------------------------------------------------------- */

static uint32_t alarms;

static void on_alarm(int number)
{
	(void)number;
	quoit_add(&alarms, 1);
}

/* SIGALRM every millisecond, for this thread only; each interrupts what waits. */
static void ring_alarms(bool on)
{
	const struct itimerval time = {.it_value.tv_usec = on ? 1000 : 0,
				       .it_interval.tv_usec = on ? 1000 : 0};
	const struct sigaction action = {.sa_handler = on ? on_alarm : SIG_IGN};

	quoit_store(&alarms, 0);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &time, NULL), 0);
}

struct late {
	pthread_t thread;
	int sock;
	int fd;
	bool takes;
	int rc;
};

/* The other end: does its part when the one that waits has been interrupted often. */
static void *late_worker(void *ctx)
{
	struct late *late = ctx;

	while (quoit_load(&alarms) < 20)
		usleep(200);
	if (late->takes) {
		char data[4096];

		while ((late->rc = (int)recv(late->sock, data, sizeof(data), MSG_DONTWAIT)) > 0)
			;
	} else {
		late->rc = quoit_fd_send(late->sock, &late->fd, 1, text, sizeof(text), FDS_ENDLESS,
					 NULL);
	}
	return NULL;
}

static void start_late(struct late *late, int sock, int fd, bool takes)
{
	sigset_t alarm, before;

	*late = (struct late){.sock = sock, .fd = fd, .takes = takes};
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarm, &before), 0);
	assert_int_equal(pthread_create(&late->thread, NULL, late_worker, late), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

static void signals_interrupt_neither_end(void **state)
{
	struct late late;
	int sent, came, pair[2];
	char data[sizeof(text)];
	size_t n = 1;

	(void)state;
	fds_make(&sent, 1);
	for (unsigned k = 0; k < KINDS; k++) {
		fds_pair(kinds[k], pair);
		ring_alarms(true);
		start_late(&late, pair[0], sent, false);
		n = 1;
		assert_int_equal(
			quoit_fd_recv(pair[1], &came, &n, data, sizeof(data), FDS_ENDLESS, NULL),
			0);
		assert_int_equal(pthread_join(late.thread, NULL), 0);
		assert_int_equal(late.rc, 0);
		assert_int_equal(n, 1);
		fds_check(&came, &sent, 1);
		fds_close(&came, 1);
		while (send(pair[0], text, sizeof(text), MSG_DONTWAIT) > 0)
			;
		quoit_store(&alarms, 0);
		start_late(&late, pair[1], -1, true);
		assert_int_equal(
			quoit_fd_send(pair[0], &sent, 1, text, sizeof(text), FDS_ENDLESS, NULL), 0);
		assert_int_equal(pthread_join(late.thread, NULL), 0);
		ring_alarms(false);
		fds_close(pair, 2);
	}
	fds_close(&sent, 1);
}

static void a_peer_that_is_gone_is_an_error_and_no_signal(void **state)
{
	struct quoit_reason why = {0};
	int sent, pair[2];

	(void)state;
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR); /* it would end the process */
	fds_make(&sent, 1);
	for (unsigned k = 0; k < KINDS; k++) {
		fds_pair(kinds[k], pair);
		assert_int_equal(close(pair[1]), 0);
		assert_int_equal(quoit_fd_send(pair[0], &sent, 1, text, 1, FDS_ENDLESS, &why),
				 -EPIPE);
		assert_int_equal(why.error, -EPIPE);
		assert_int_equal(close(pair[0]), 0);
	}
	fds_close(&sent, 1);
}

#define LONG_BYTES ((size_t)1 << 20)

struct reader {
	int sock;
	unsigned char *data;
	int rc;
	int fd;
	size_t count;
};

static void *reader_worker(void *ctx)
{
	struct reader *reader = ctx;

	reader->count = 1;
	reader->rc = quoit_fd_recv(reader->sock, &reader->fd, &reader->count, reader->data,
				   LONG_BYTES, FDS_ENDLESS, NULL);
	return NULL;
}

static void a_message_that_the_kernel_takes_in_parts_is_sent_whole(void **state)
{
	unsigned char *sent = malloc(LONG_BYTES), *came = calloc(LONG_BYTES, 1);
	const int small = 4096;
	struct reader reader;
	pthread_t thread;
	int fd, pair[2];

	(void)state;
	for (size_t i = 0; i < LONG_BYTES; i++)
		sent[i] = (unsigned char)(i * 2654435761u >> 13);
	fds_make(&fd, 1);
	fds_pair(SOCK_STREAM, pair);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	reader = (struct reader){.sock = pair[1], .data = came};
	assert_int_equal(pthread_create(&thread, NULL, reader_worker, &reader), 0);
	assert_int_equal(quoit_fd_send(pair[0], &fd, 1, sent, LONG_BYTES, FDS_ENDLESS, NULL), 0);
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0); /* the reader waits for no more */
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(reader.rc, 0);
	assert_int_equal(reader.count, 1);
	assert_memory_equal(came, sent, LONG_BYTES);
	fds_check(&reader.fd, &fd, 1);
	fds_close(&reader.fd, 1);
	fds_close(pair, 2);
	/* And with nobody there: as much as fits, and then the time is over. */
	fds_pair(SOCK_STREAM, pair);
	assert_int_equal(quoit_fd_send(pair[0], &fd, 1, sent, LONG_BYTES, FDS_PAST, NULL),
			 -ETIMEDOUT);
	fds_close(pair, 2);
	fds_close(&fd, 1);
	free(sent);
	free(came);
}

/* --- without waiting ------------------------------------------------------------------------- */

static void a_parcel_is_read_as_it_comes(void **state)
{
	struct quoit_reason why = {0};
	struct quoit_parcel parcel;
	char data[sizeof(text)] = "";
	int sent, fds[2], pair[2];

	(void)state;
	fds_make(&sent, 1);
	fds_pair(SOCK_STREAM, pair);
	quoit_parcel_begin(&parcel, data, sizeof(data), fds, 2);
	assert_int_equal(quoit_parcel_read(&parcel, pair[1], &why), -EAGAIN);
	for (size_t i = 0; i < sizeof(text); i++) {
		const bool with = i == 2 || i == 5;

		assert_int_equal(parcel.got, i);
		assert_int_equal(fds_send_raw(pair[0], text + i, 1, &sent, with, with), 1);
		assert_int_equal(quoit_parcel_read(&parcel, pair[1], &why),
				 i + 1 < sizeof(text) ? -EAGAIN : 0);
	}
	assert_int_equal(why.error, 0);
	assert_int_equal(parcel.fd_count, 2);
	assert_string_equal(data, text);
	assert_int_equal(quoit_parcel_read(&parcel, pair[1], &why), 0); /* it is whole */
	quoit_parcel_drop(&parcel);
	assert_int_equal(parcel.fd_count, 0);
	quoit_parcel_drop(&parcel);

	quoit_parcel_begin(&parcel, data, sizeof(data), fds, 2);
	assert_int_equal(fds_send_raw(pair[0], text, 1, &sent, 1, 1), 1);
	assert_int_equal(quoit_parcel_read(&parcel, pair[1], NULL), -EAGAIN);
	assert_int_equal(fds_open(), fds_before + 4);
	assert_int_equal(close(pair[0]), 0);
	assert_int_equal(quoit_parcel_read(&parcel, pair[1], NULL), -ECONNRESET);
	assert_int_equal(fds_open(), fds_before + 2);
	assert_int_equal(quoit_parcel_read(&parcel, sent, NULL), -ENOTSOCK);
	fds_close(&pair[1], 1);
	fds_close(&sent, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)
	const struct CMUnitTest tests[] = {
		CASE(any_number_of_descriptors_arrives_with_its_bytes),
		CASE(messages_come_in_order_and_none_takes_from_the_next),
		CASE(a_stream_may_cut_a_message_anywhere),
		CASE(two_control_messages_are_as_good_as_one),
		CASE(flags_of_the_socket_do_not_matter_and_are_not_changed),
		CASE(credentials_that_others_asked_for_are_in_nobodys_way),
		CASE(signals_interrupt_neither_end),
		CASE(a_peer_that_is_gone_is_an_error_and_no_signal),
		CASE(a_message_that_the_kernel_takes_in_parts_is_sent_whole),
		CASE(a_parcel_is_read_as_it_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
