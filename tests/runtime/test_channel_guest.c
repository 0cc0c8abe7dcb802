/* SPDX-License-Identifier: MIT */
/*
 * test_channel_guest.c - rings in a loop that others drive: on an application's io_uring, and
 * inside an epoll set (M4, M10, D-01, D-08). Such a loop is armed from one call to the next, and
 * its bell is all that ends the wait of its host.
 *
 * Each item is sent when the one before has been handled, so that the host sleeps, or is about to,
 * whenever one comes. A wake-up that gets lost is told by the producer, who then ends the wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <pthread.h>

#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/runtime/channel.h>

#include "runtime/loop_kinds.h"
#include "support/random.h"

QUOIT_SPSC(line, uint64_t);
QUOIT_MPSC(post, uint64_t);
QUOIT_SPMC(deal, uint64_t);
QUOIT_MPMC(pool, uint64_t);

#define ITEMS	   1500
#define MOVE_EVERY 100 /* items, then the channel leaves the loop and comes back */
#define SLOTS	   16
#define LOST_NS	   (5000 * 1000 * 1000ull)

enum ring {
	SPSC,
	MPSC,
	SPMC,
	MPMC,
	RINGS
};

static struct {
	enum ring ring;
	bool own_bell;
	struct driven host;
	int epoll;
	struct quoit_channel channel;
	struct line spsc;
	struct post mpsc;
	struct deal spmc;
	struct deal_consumer spmc_seat;
	struct pool mpmc;
	struct pool_consumer mpmc_seat;
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(SLOTS)];
	uint64_t slots[SLOTS];
	struct quoit_group group;
	uint64_t handled; /* published: the producer waits for it */
	uint64_t wrong;
	unsigned ended, gone, moves;
	bool lost; /* a wake-up: the producer's */
} s;

/* --- the producer ---------------------------------------------------------------------------- */

/* Tells whether the item was handled: else the host sleeps beside it. */
static bool is_handled(uint64_t count)
{
	uint64_t looks = 0, until = 0;

	while (quoit_load_acquire(&s.handled) < count) {
		quoit_yield();
		if (++looks % 1024)
			continue;
		if (!until)
			until = quoit_clock_now_ns() + LOST_NS;
		if (quoit_clock_now_ns() > until)
			return false;
	}
	return true;
}

struct end {
	struct post_producer mpsc;
	struct pool_producer mpmc;
};

static bool send_one(struct end *end, const uint64_t *item)
{
	switch (s.ring) {
	case SPSC:
		return line_send_one(&s.spsc, item);
	case MPSC:
		return post_send_one(&end->mpsc, item);
	case SPMC:
		return deal_send_one(&s.spmc, item);
	default:
		return pool_send_one(&end->mpmc, item);
	}
}

static int finish(struct end *end)
{
	int rc = 0;

	if (s.ring == SPSC) {
		quoit_spsc_finish(&s.spsc.ring);
	} else if (s.ring == MPSC) {
		quoit_mpsc_close(s.mpsc.channel);
		rc = post_deregister(&end->mpsc);
	} else if (s.ring == SPMC) {
		quoit_spmc_finish(&s.spmc.ring);
	} else {
		pool_deregister_producer(&end->mpmc);
		quoit_mpmc_close(s.mpmc.ring);
	}
	return rc;
}

static void *send_worker(void *ctx)
{
	struct random dice = {.state = *(uint64_t *)ctx};
	struct end end;

	if ((s.ring == MPSC && post_register(&s.mpsc, &end.mpsc)) ||
	    (s.ring == MPMC && pool_register_producer(&s.mpmc, &end.mpmc)))
		return "no producer";
	for (uint64_t i = 0; i < ITEMS; i++) {
		for (uint64_t n = random_below(&dice, 4) ? random_below(&dice, 64) : 4096; n; n--)
			quoit_relax();
		if (!send_one(&end, &i))
			return "the ring is full";
		if (is_handled(i + 1))
			continue;
		s.lost = true;
		break;
	}
	if (finish(&end))
		return "still registered";
	if (s.lost)
		quoit_loop_wake(s.host.loop);
	return NULL;
}

/* --- the loop -------------------------------------------------------------------------------- */

static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	const uint64_t *item = items;
	const uint64_t before = quoit_load(&s.handled); /* ours */

	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		s.wrong += item[i] != before + i;
	if ((before + n) % MOVE_EVERY == 0)
		s.wrong += quoit_channel_detach(channel) != -EINPROGRESS;
	quoit_store_release(&s.handled, before + n); /* pairs with is_handled() */
}

static void end(struct quoit_channel *channel, void *ctx)
{
	(void)channel;
	(void)ctx;
	s.ended++;
}

static void gone(struct quoit_channel *channel, void *ctx)
{
	(void)channel;
	(void)ctx;
	s.gone++;
}

static void attach(void)
{
	const struct quoit_channel_options options = {
		.own_bell = s.own_bell, .ended = end, .detached = gone};
	struct quoit_loop *const loop = s.host.loop;
	int rc;

	switch (s.ring) {
	case SPSC:
		rc = quoit_channel_attach_spsc_of(loop, &s.channel, &s.spsc, &options, handle,
						  NULL);
		break;
	case MPSC:
		rc = quoit_channel_attach_mpsc_of(loop, &s.channel, &s.mpsc, &options, handle,
						  NULL);
		break;
	case SPMC:
		rc = quoit_channel_attach_spmc_of(loop, &s.channel, &s.spmc_seat, &options, handle,
						  NULL);
		break;
	default:
		rc = quoit_channel_attach_mpmc_of(loop, &s.channel, &s.mpmc_seat, &options, handle,
						  NULL);
		break;
	}
	assert_int_equal(rc, 0);
}

static void open_ring(void)
{
	const struct quoit_mpsc_options mpsc = {.capacity_slots = SLOTS, .producers_most = 1};
	const struct quoit_spmc_options spmc = {.capacity_slots = SLOTS, .consumers_most = 1};
	const struct quoit_mpmc_options mpmc = {.capacity_slots = SLOTS,
						.producers_most = 1,
						.consumers_most = 1,
						.node = QUOIT_MPMC_ANYWHERE};

	if (s.ring == SPSC) {
		assert_int_equal(line_init(&s.spsc, s.slots, SLOTS), 0);
		quoit_spsc_attach(&s.spsc.ring, &quoit_notify_nobody);
	} else if (s.ring == MPSC) {
		assert_int_equal(post_create(&s.mpsc, &mpsc), 0);
		assert_int_equal(quoit_mpsc_attach(s.mpsc.channel, &quoit_notify_nobody), 0);
	} else if (s.ring == SPMC) {
		assert_int_equal(deal_init(&s.spmc, s.slots, s.blocks, &spmc), 0);
		assert_int_equal(quoit_spmc_attach_group(&s.spmc.ring, &s.group), 0);
		assert_int_equal(deal_register_consumer(&s.spmc, &s.spmc_seat), 0);
	} else {
		assert_int_equal(pool_create(&s.mpmc, &mpmc), 0);
		assert_int_equal(quoit_mpmc_attach_group(s.mpmc.ring, &s.group), 0);
		assert_int_equal(pool_register_consumer(&s.mpmc, &s.mpmc_seat), 0);
	}
}

static void close_ring(void)
{
	if (s.ring == MPSC) {
		assert_int_equal(quoit_mpsc_destroy(s.mpsc.channel), 0);
	} else if (s.ring == SPMC) {
		deal_deregister_consumer(&s.spmc_seat);
	} else if (s.ring == MPMC) {
		pool_deregister_consumer(&s.mpmc_seat);
		quoit_mpmc_destroy(s.mpmc.ring);
	}
}

static void open_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};

	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(s.epoll >= 0);
	assert_int_equal(epoll_ctl(s.epoll, EPOLL_CTL_ADD, quoit_loop_fd(s.host.loop), &event), 0);
}

/* What the host does, until the ring has ended. Nothing but the loop's bell ends its waits. */
static void host_until_the_end(void)
{
	for (;;) {
		struct epoll_event event;

		drive(&s.host);
		if (s.ended)
			return;
		if (s.gone > s.moves) {
			s.moves++;
			attach(); /* from outside: so the loop runs before the next wait */
		} else if (s.host.kind == KIND_INSIDE) {
			(void)epoll_wait(s.epoll, &event, 1, -1);
		} else {
			drive_wait(&s.host);
		}
	}
}

static void run(enum kind kind, enum ring ring, bool own_bell)
{
	uint64_t seed = random_seed() + ring;
	struct quoit_channel_stats stats;
	pthread_t thread;
	void *told;

	memset(&s, 0, sizeof(s));
	s.ring = ring;
	s.own_bell = own_bell;
	drive_open(&s.host, kind, NULL);
	if (kind == KIND_INSIDE)
		open_epoll();
	open_ring();
	attach();
	assert_int_equal(pthread_create(&thread, NULL, send_worker, &seed), 0);
	host_until_the_end();
	assert_int_equal(pthread_join(thread, &told), 0);
	if (told)
		fail_msg("%s", (const char *)told);
	assert_false(s.lost);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(s.handled, ITEMS);
	assert_int_equal(s.ended, 1);
	assert_int_equal(s.moves, ITEMS / MOVE_EVERY);
	quoit_channel_read_stats(&s.channel, &stats);
	assert_true(own_bell || !stats.bells);
	close_ring();
	drive_close(&s.host);
	if (kind == KIND_INSIDE)
		close(s.epoll);
}

static void run_all(enum kind kind)
{
	for (unsigned ring = 0; ring < RINGS; ring++)
		for (unsigned own_bell = 0; own_bell < 2; own_bell++)
			run(kind, (enum ring)ring, own_bell);
}

static void a_guest_on_an_io_uring_sleeps_beside_no_item(void **state)
{
	(void)state;
	run_all(KIND_GUEST);
}

static void a_loop_inside_epoll_sleeps_beside_no_item(void **state)
{
	(void)state;
	run_all(KIND_INSIDE);
}

static void nor_does_a_loop_of_its_own(void **state)
{
	(void)state;
	run_all(KIND_OWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_on_an_io_uring_sleeps_beside_no_item),
		cmocka_unit_test(a_loop_inside_epoll_sleeps_beside_no_item),
		cmocka_unit_test(nor_does_a_loop_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
