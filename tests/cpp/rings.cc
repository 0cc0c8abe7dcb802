/* SPDX-License-Identifier: MIT */
/*
 * rings.cc - every typed ring and pool from C++17: what goes in comes out, each way.
 *
 * rings.sh builds it with each C++ compiler there is, warnings being errors, and runs it. What the
 * functions do is tested in C; here they must compile, link and be callable with lambdas, const
 * objects and a type that has member functions.
 */
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/fixed_pool.h>
#include <quoit/rings/notifier.h>
#include <quoit/rings/shared_pool.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/rings/typed_shring.h>
#include <quoit/rings/u64.h>

namespace
{

struct order {
	std::uint64_t number;
	double price;

	bool is(std::uint64_t n) const
	{
		return number == n && price == static_cast<double>(n) / 2;
	}
};

order make(std::uint64_t n)
{
	return order{n, static_cast<double>(n) / 2};
}

QUOIT_SPSC(orders, order);
QUOIT_MPSC(posts, order);
QUOIT_SPMC(tasks, order);
QUOIT_MPMC(jobs, order);
QUOIT_RING_U64(words, 8);
QUOIT_FIXED_POOL(seats, order, 3);
QUOIT_POOL_U64(numbers, 65);
QUOIT_SHARED_POOL(desks, order, 3);
QUOIT_SHARED_POOL_U64(tickets, 5);
QUOIT_SHRING(parcels, order);

constexpr std::size_t capacity = 64;

int failures;
bool good;

/* Within a part every check must hold; the part is told as one line. */
void check(bool holds, int line)
{
	if (!holds)
		std::printf("rings.cc:%d does not hold\n", line);
	good = good && holds;
}

#define CHECK(condition) check((condition), __LINE__)

void part(const char *name, void (*run)())
{
	good = true;
	run();
	std::printf("%s - %s\n", good ? "ok" : "not ok", name);
	failures += !good;
}

/* What handlers are given as their context. */
struct sum {
	std::uint64_t next;
	bool right;
};

void add(const order *items, std::size_t n, sum *total)
{
	for (std::size_t i = 0; i < n; i++)
		total->right = total->right && items[i].is(total->next++);
}

/* --- one producer, one consumer -------------------------------------------------------------- */

void spsc_sends()
{
	static orders q;
	static order slots[capacity];
	const order three[] = {make(0), make(1), make(2)}, fourth = make(3);
	order got[4] = {};
	std::size_t n = 0;

	CHECK(!orders_init(&q, slots, capacity));
	CHECK(orders_send_all(&q, three, 3) && orders_send_one(&q, &fourth));
	CHECK(orders_recv(&q, got, 2) == 2 && orders_recv_one(&q, &got[2]));
	CHECK(orders_drain(&q, &got[3], 1) == 1);
	for (std::uint64_t i = 0; i < 4; i++)
		CHECK(got[i].is(i));
	if (order *const to = orders_reserve(&q, 2, &n)) {
		CHECK(n == 2);
		to[0] = make(4);
		to[1] = make(5);
		orders_commit(&q, 2);
	}
	CHECK(orders_peek(&q)->is(4) && orders_peek_many(&q, 8, &n)->is(4) && n == 2);
	orders_iter walk = orders_iter_begin(&q);
	CHECK(orders_next(&walk)->is(4) && orders_next(&walk)->is(5) && !orders_next(&walk));
	CHECK(quoit_spsc_iter_finish(&walk.at) == 2 && !orders_readable(&q, &n));
	CHECK(orders_send(&q, three, 3) == 3);
	sum total = {0, true};
	const auto handler = [](order *items, std::size_t count, bool, void *ctx) {
		add(items, count, static_cast<sum *>(ctx));
	};
	CHECK(orders_consume(&q, 8, handler, &total) == 3 && total.right && total.next == 3);
	CHECK(orders_bytes(&q) == sizeof(q) + sizeof(slots));
}

void spsc_waits()
{
	quoit_spsc_options options = {};
	quoit_wait how = {};
	orders *q = nullptr;
	order item = make(0);
	std::size_t got = 0;

	options.capacity_slots = capacity;
	options.node = QUOIT_NODE_AUTO;
	options.waits = true;
	how.kind = QUOIT_WAIT_BLOCK;
	CHECK(!orders_create(&options, &q, nullptr));
	if (!q)
		return;
	std::thread producer([q, how] {
		for (std::uint64_t i = 0; i < 1000; i++) {
			const order next = make(i);

			if (orders_send_one_wait(q, &next, &how))
				break;
		}
		quoit_spsc_finish(&q->ring);
	});
	std::uint64_t next = 0;
	while (!orders_recv_wait(q, &item, 1, &how, &got))
		CHECK(got == 1 && item.is(next++));
	producer.join();
	CHECK(next == 1000);
	orders_destroy(q);
}

void spsc_cursors()
{
	static orders q;
	static order slots[capacity];
	order item = make(0);

	CHECK(!orders_init(&q, slots, capacity));
	QUOIT_CURSOR orders_writer w = orders_write(&q);
	CHECK(orders_put(&w, make(0)) && orders_put_now(&w, make(1)));
	orders_write_end(&w);
	QUOIT_CURSOR orders_reader r = orders_read(&q);
	CHECK(orders_take(&r, &item) && item.is(0));
	const order *const second = orders_take_ref(&r);
	CHECK(second && second->is(1) && !orders_take(&r, &item));
	orders_read_end(&r);
	CHECK(quoit_spsc_is_empty(&q.ring));
}

void u64_words()
{
	static words w;
	static quoit_ring_u64 q = QUOIT_RING_U64_INIT(QUOIT_RING_U64_CAPACITY);
	std::uint64_t word = 0;

	words_init(&w);
	for (std::uint64_t i = 0; i < 8; i++)
		CHECK(words_push(&w, i));
	CHECK(words_is_full(&w) && !words_push(&w, 8) && words_length(&w) == 8);
	for (std::uint64_t i = 0; i < 8; i++)
		CHECK(words_pop(&w, &word) && word == i);
	CHECK(words_is_empty(&w) && words_capacity(&w) == 8);
	CHECK(quoit_ring_u64_push(&q, 42) && quoit_ring_u64_pop(&q, &word) && word == 42);
}

/* --- more of them ---------------------------------------------------------------------------- */

void mpsc_posts()
{
	quoit_mpsc_options options = {};
	posts q;
	posts_producer p;
	const order three[] = {make(0), make(1), make(2)};
	order got[4] = {};
	std::size_t n = 0;
	sum total = {0, true};

	options.capacity_slots = capacity;
	options.producers_most = 2;
	CHECK(!posts_create(&q, &options));
	CHECK(!posts_register(&q, &p));
	CHECK(posts_send(&p, three, 3) == 3 && posts_recv(&q, got, 4) == 3 && got[2].is(2));
	CHECK(posts_send_one(&p, three) && posts_recv_one(&q, got) && got[0].is(0));
	CHECK(posts_send_all(&p, three, 2) && posts_drain(&q, got, 4) == 2 && got[1].is(1));
	if (order *const to = posts_reserve(&p, 1, &n)) {
		*to = make(0);
		posts_commit_later(&p, n);
		posts_flush(&p);
	}
	const auto handler = [](order *items, std::size_t count, std::uint32_t, void *ctx) {
		add(items, count, static_cast<sum *>(ctx));
	};
	CHECK(posts_consume(&q, 8, handler, &total) == 1 && total.right);
	CHECK(posts_send_one(&p, &three[1]) && posts_send_one(&p, &three[2]));
	CHECK(posts_consume_up_to(&q, 1, handler, &total) == 1);
	CHECK(posts_drain_all(&q, handler, &total) == 1 && total.right && total.next == 3);
	CHECK(!posts_deregister(&p));
	quoit_mpsc_close(q.channel);
	CHECK(quoit_mpsc_is_drained(q.channel) && !posts_destroy(&q));
}

void spmc_tasks()
{
	static tasks q;
	static order slots[capacity];
	static quoit_lane_block blocks[QUOIT_LANE_BLOCKS(capacity)];
	quoit_spmc_options options = {};
	tasks_consumer c;
	quoit_claim claim = {};
	const order three[] = {make(0), make(1), make(2)};
	order got[4] = {};
	std::size_t n = 0;

	options.capacity_slots = capacity;
	options.consumers_most = 1;
	CHECK(!tasks_init(&q, slots, blocks, &options) && !tasks_register_consumer(&q, &c));
	CHECK(tasks_send(&q, three, 3) == 3);
	const order *const at = tasks_claim(&c, 2, &claim);
	CHECK(at && claim.n == 2 && at[0].is(0) && at[1].is(1));
	if (at)
		tasks_release(&c, &claim, 2);
	CHECK(tasks_steal(&c, got, 4) == 1 && got[0].is(2));
	CHECK(tasks_send_one(&q, three) && tasks_pop(&c, got) && got[0].is(0));
	CHECK(tasks_send_all(&q, three, 2) && tasks_steal_one(&c, got) && got[0].is(0));
	const order *const second = tasks_take(&c, 4, &claim);
	CHECK(second && second->is(1));
	if (second)
		tasks_release(&c, &claim, 1);
	if (order *const to = tasks_reserve(&q, 1, &n)) {
		*to = make(0);
		tasks_commit(&q, n);
	}
	sum total = {0, true};
	const auto handler = [](order *items, std::size_t count, void *ctx) {
		add(items, count, static_cast<sum *>(ctx));
	};
	CHECK(tasks_consume(&c, 8, handler, &total) == 1 && total.right);
	quoit_spmc_finish(&q.ring);
	CHECK(quoit_spmc_is_drained(&q.ring));
	tasks_deregister_consumer(&c);
}

void mpmc_jobs()
{
	constexpr std::uint64_t each = 5000;
	quoit_mpmc_options options = {};
	jobs q;
	std::atomic<std::uint64_t> got(0), numbers(0), left(2);
	std::vector<std::thread> threads;

	options.capacity_slots = capacity;
	options.producers_most = 2;
	options.consumers_most = 2;
	options.node = QUOIT_MPMC_NEAR;
	CHECK(!jobs_create(&q, &options));
	for (int i = 0; i < 2; i++)
		threads.emplace_back([&] {
			jobs_consumer c;

			if (jobs_register_consumer(&q, &c))
				return;
			while (!quoit_mpmc_is_drained(q.ring)) {
				order item;

				if (!jobs_steal_one(&c, &item)) {
					std::this_thread::yield();
					continue;
				}
				got += item.is(item.number);
				numbers += item.number;
			}
			jobs_deregister_consumer(&c);
		});
	for (int i = 0; i < 2; i++)
		threads.emplace_back([&] {
			jobs_producer p;

			if (jobs_register_producer(&q, &p))
				return;
			for (std::uint64_t n = 0; n < each;) {
				const order next = make(n);

				if (jobs_send_one(&p, &next))
					n++;
				else
					std::this_thread::yield();
			}
			jobs_deregister_producer(&p);
			if (!--left)
				quoit_mpmc_close(q.ring);
		});
	for (std::thread &thread : threads)
		thread.join();
	CHECK(got == 2 * each && numbers == each * (each - 1));
	jobs_destroy(&q);
}

/* --- pools and the bell ---------------------------------------------------------------------- */

void pools_of_one_owner()
{
	static seats pool;
	static numbers words_pool;
	std::uint32_t seat = 0, taken = 0;

	seats_init(&pool);
	numbers_init(&words_pool);
	while (seats_acquire(&pool, &seat))
		*seats_at(&pool, seat) = make(taken++);
	CHECK(taken == seats_capacity(&pool) && seats_is_full(&pool));
	CHECK(!seats_release(&pool, seat) && seats_release(&pool, seat) && !seats_at(&pool, seat));
	CHECK(seats_available(&pool) == 1 && seats_in_use(&pool) == 2);
	CHECK(numbers_is_empty(&words_pool) && numbers_acquire(&words_pool, &seat));
	numbers_set(&words_pool, seat, 42);
	CHECK(numbers_get(&words_pool, seat) == 42);
}

void pools_of_many()
{
	static desks pool;
	static tickets words_pool;
	quoit_buffer_pool_options options = {};
	quoit_buffer_pool *buffers = nullptr;
	quoit_buffer_cache cache;
	std::uint32_t handles[3] = {}, len = 0;

	desks_init(&pool);
	tickets_init(&words_pool);
	CHECK(desks_acquire_many(&pool, handles, 3) == 3 && desks_in_use(&pool) == 3);
	*desks_at(&pool, handles[0]) = make(1);
	CHECK(!desks_release_many(&pool, handles, 3) && desks_release(&pool, handles[0]));
	CHECK(desks_available(&pool) == desks_capacity(&pool));
	CHECK(tickets_acquire(&words_pool, handles));
	tickets_set(&words_pool, handles[0], 42);
	CHECK(tickets_get(&words_pool, handles[0]) == 42);
	options.slab_bytes = 100;
	options.count = 3;
	options.node = -1;
	CHECK(!quoit_buffer_pool_create(&options, &buffers, nullptr));
	if (!buffers)
		return;
	quoit_buffer_cache_init(&cache, buffers);
	CHECK(quoit_buffer_cache_alloc(&cache, handles));
	CHECK(!quoit_buffer_pool_set_len(buffers, handles[0], 9));
	CHECK(quoit_buffer_pool_get(buffers, handles[0], &len) && len == 9);
	CHECK(!quoit_buffer_cache_free(&cache, handles[0]));
	quoit_buffer_cache_flush(&cache);
	CHECK(quoit_buffer_pool_available(buffers) == 3);
	quoit_buffer_pool_destroy(buffers);
}

void between_processes()
{
	quoit_shring_options options = {};
	const quoit_wait how = quoit_wait_block();
	parcels *p = nullptr, *c = nullptr;
	const order three[] = {make(0), make(1), make(2)};
	order got[3] = {}, *slots;
	int fds[QUOIT_SHRING_FDS];
	std::size_t n = 0;

	options.size = sizeof(options);
	options.role = QUOIT_SHRING_PRODUCER;
	options.bits = 4;
	options.node = QUOIT_NODE_AUTO;
	options.waits = options.trusted = true;
	CHECK(!parcels_create(&options, &p, nullptr));
	if (!p)
		return;
	options.role = QUOIT_SHRING_CONSUMER;
	CHECK(!parcels_attach(fds, quoit_shring_fds(&p->ring, fds), &options, &c, nullptr));
	if (c) {
		CHECK(parcels_send_all(p, three, 3) && parcels_send_one(p, &three[0]));
		CHECK(!parcels_send_wait(p, three, 1, &how));
		CHECK(!parcels_recv_wait(c, got, 3, &how, &n) && n == 3 && got[2].is(2));
		CHECK(parcels_readable(c, &n)->is(0) && n == 2);
		parcels_advance(c, 2);
		slots = parcels_reserve(p, 1, &n);
		CHECK(slots && n == 1);
		*slots = make(7);
		parcels_commit(p, 1);
		CHECK(parcels_recv_one(c, got) && got[0].is(7));
		CHECK(parcels_send(p, three, 2) == 2 && parcels_recv(c, got, 3) == 2);
		quoit_shring_close(&p->ring);
		CHECK(quoit_shring_wait_data(&c->ring, &how) == -108); /* -ESHUTDOWN */
	}
	parcels_destroy(c);
	parcels_destroy(p);
}

void bells()
{
	static quoit_notifier bell;
	static words w;

	words_init(&w);
	CHECK(!quoit_notifier_init(&bell));
	quoit_spsc_attach(&w.ring, quoit_notifier_ref(&bell));
	quoit_notifier_arm(&bell);
	CHECK(words_push(&w, 1) && quoit_notifier_consume(&bell) == 1);
	quoit_notifier_disarm(&bell);
	CHECK(quoit_notifier_destroy(&bell));
	quoit_notifier_unref(&bell);
	CHECK(!quoit_notifier_destroy(&bell));
}

} /* namespace */

int main()
{
	part("SPSC: send, reserve, peek, iterate, consume", spsc_sends);
	part("SPSC: two threads that wait for each other", spsc_waits);
	part("SPSC: cursors", spsc_cursors);
	part("u64: push and pop", u64_words);
	part("MPSC: register, send, consume", mpsc_posts);
	part("SPMC: claim, release, steal, pop", spmc_tasks);
	part("pools of one owner", pools_of_one_owner);
	part("pools of many threads, buffers", pools_of_many);
	part("a notifier", bells);
	part("a ring between processes", between_processes);
	part("MPMC: two threads on each side", mpmc_jobs);
	return failures != 0;
}
