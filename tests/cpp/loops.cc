/* SPDX-License-Identifier: MIT */
/*
 * loops.cc - loops, and what rings, tasks, timers, polls, workers and peers bring to them, from
 * C++17.
 *
 * loops.sh builds it as rings.sh builds rings.cc. Handlers are lambdas without captures, which find
 * their object in the context.
 */
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include <quoit/io/unix_socket.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/runtime/channel.h>
#include <quoit/runtime/event_loop.h>
#include <quoit/runtime/greeter.h>
#include <quoit/runtime/loop.h>
#include <quoit/runtime/poll.h>
#include <quoit/runtime/signal.h>
#include <quoit/runtime/task.h>
#include <quoit/runtime/ticker.h>
#include <quoit/runtime/work.h>

namespace
{

/* Of a size that is no power of two, so that a wrong one shows. */
struct order {
	std::uint64_t number;
	double price;
	std::uint32_t side;

	bool is(std::uint64_t n) const
	{
		return number == n && price == static_cast<double>(n) / 2 && side == n % 2;
	}
};

order make(std::uint64_t n)
{
	return order{n, static_cast<double>(n) / 2, static_cast<std::uint32_t>(n % 2)};
}

QUOIT_SPSC(orders, order);
QUOIT_MPSC(posts, order);
QUOIT_SPMC(tasks, order);
QUOIT_MPMC(jobs, order);

constexpr std::size_t capacity = 64;
constexpr std::uint64_t some = 10;

int failures;
bool good;

/* Within a part every check must hold; the part is told as one line. */
void check(bool holds, int line)
{
	if (!holds)
		std::printf("loops.cc:%d does not hold\n", line);
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

/* What a channel has brought: the numbers from 0 on. */
struct seen {
	std::uint64_t next = 0;
	bool right = true;
	bool ended = false;
	quoit_channel channel = {};

	void take(const void *items, std::size_t n)
	{
		const order *const item = static_cast<const order *>(items);

		for (std::size_t i = 0; i < n; i++)
			right = right && item[i].is(next++);
	}
};

const auto handle = [](quoit_channel *, const void *items, std::size_t n, bool, void *ctx) {
	static_cast<seen *>(ctx)->take(items, n);
};

quoit_channel_options tell_the_end()
{
	quoit_channel_options options = {};

	options.ended = [](quoit_channel *, void *ctx) { static_cast<seen *>(ctx)->ended = true; };
	return options;
}

/* One that ends with its scope. */
struct own_loop {
	quoit_loop *loop = nullptr;

	own_loop()
	{
		quoit_reason why = {};

		CHECK(!quoit_loop_create(nullptr, &loop, &why));
		if (!loop)
			std::exit(EXIT_FAILURE);
	}

	~own_loop()
	{
		CHECK(!quoit_loop_destroy(loop));
	}

	own_loop(const own_loop &) = delete;
	own_loop &operator=(const own_loop &) = delete;

	template <typename Condition> void until(Condition holds)
	{
		CHECK(!quoit_loop_run_until(
			loop, [](void *ctx) -> bool { return (*static_cast<Condition *>(ctx))(); },
			&holds, QUOIT_FOREVER));
	}
};

/* --- rings ----------------------------------------------------------------------------------- */

void spsc_channel()
{
	static orders q;
	static order slots[capacity];
	const quoit_channel_options options = tell_the_end();
	own_loop own;
	seen s;

	CHECK(!orders_init(&q, slots, capacity));
	quoit_spsc_attach(&q.ring, &quoit_notify_nobody);
	CHECK(!quoit_channel_attach_spsc_of(own.loop, &s.channel, &q, &options, handle, &s));
	std::thread producer([] {
		for (std::uint64_t n = 0; n < 10 * capacity;) {
			const order next = make(n);

			if (orders_send_one(&q, &next))
				n++;
			else
				std::this_thread::yield();
		}
		quoit_spsc_finish(&q.ring);
	});
	own.until([&] { return s.ended; });
	producer.join();
	CHECK(s.right && s.next == 10 * capacity);
	CHECK(quoit_channel_processed(&s.channel) == s.next);
	CHECK(!quoit_channel_is_attached(&s.channel));
}

void mpsc_channel()
{
	quoit_mpsc_options options = {};
	quoit_channel_stats stats = {};
	posts q;
	posts_producer p;
	own_loop own;
	seen s;

	options.capacity_slots = capacity;
	options.producers_most = 1;
	CHECK(!posts_create(&q, &options));
	CHECK(!quoit_channel_attach_mpsc_of(own.loop, &s.channel, &q, nullptr, handle, &s));
	CHECK(!posts_register(&q, &p));
	for (std::uint64_t n = 0; n < some; n++) {
		const order next = make(n);

		CHECK(posts_send_one(&p, &next));
	}
	own.until([&] { return s.next == some; });
	quoit_channel_read_stats(&s.channel, &stats);
	CHECK(s.right && stats.items == some);
	CHECK(!quoit_channel_detach(&s.channel));
	CHECK(!posts_deregister(&p) && !posts_destroy(&q));
}

void spmc_channel()
{
	static tasks q;
	static order slots[capacity];
	static quoit_lane_block blocks[QUOIT_LANE_BLOCKS(capacity)];
	static quoit_group group;
	const quoit_channel_options ending = tell_the_end();
	quoit_spmc_options options = {};
	tasks_consumer c;
	own_loop own;
	seen s;

	options.capacity_slots = capacity;
	options.consumers_most = 1;
	CHECK(!tasks_init(&q, slots, blocks, &options));
	CHECK(!quoit_spmc_attach_group(&q.ring, &group) && !tasks_register_consumer(&q, &c));
	CHECK(!quoit_channel_attach_spmc_of(own.loop, &s.channel, &c, &ending, handle, &s));
	for (std::uint64_t n = 0; n < some; n++) {
		const order next = make(n);

		CHECK(tasks_send_one(&q, &next));
	}
	quoit_spmc_finish(&q.ring);
	own.until([&] { return s.ended; });
	CHECK(s.right && s.next == some);
	tasks_deregister_consumer(&c);
}

void mpmc_channel()
{
	static quoit_group group;
	const quoit_channel_options ending = tell_the_end();
	quoit_mpmc_options options = {};
	jobs q;
	jobs_producer p;
	jobs_consumer c;
	own_loop own;
	seen s;

	options.capacity_slots = capacity;
	options.producers_most = 1;
	options.consumers_most = 1;
	options.node = QUOIT_MPMC_NEAR;
	CHECK(!jobs_create(&q, &options) && !quoit_mpmc_attach_group(q.ring, &group));
	CHECK(!jobs_register_consumer(&q, &c));
	CHECK(!quoit_channel_attach_mpmc_of(own.loop, &s.channel, &c, &ending, handle, &s));
	CHECK(!jobs_register_producer(&q, &p));
	for (std::uint64_t n = 0; n < some; n++) {
		const order next = make(n);

		CHECK(jobs_send_one(&p, &next));
	}
	jobs_deregister_producer(&p);
	quoit_mpmc_close(q.ring);
	own.until([&] { return s.ended; });
	CHECK(s.right && s.next == some);
	jobs_deregister_consumer(&c);
	jobs_destroy(&q);
}

void a_loop_for_one_ring()
{
	quoit_mpsc_options options = {};
	quoit_event_loop_options how = {};
	quoit_event_loop_result result = {};
	quoit_event_loop *loop = nullptr;
	posts q;
	posts_producer p;
	seen s;

	options.capacity_slots = capacity;
	options.producers_most = 1;
	CHECK(!posts_create(&q, &options));
	CHECK(!quoit_mpsc_attach(q.channel, &quoit_notify_nobody) && !posts_register(&q, &p));
	how.kind = QUOIT_EVENT_LOOP_MPSC;
	how.ring = q.channel;
	how.ctx = &s;
	how.handler = [](const void *items, std::size_t n, bool, void *ctx) {
		static_cast<seen *>(ctx)->take(items, n);
	};
	CHECK(!quoit_event_loop_create(&how, &loop) && !quoit_event_loop_spawn(loop));
	for (std::uint64_t n = 0; n < some; n++) {
		const order next = make(n);

		CHECK(posts_send_one(&p, &next));
	}
	quoit_event_loop_stop(loop);
	CHECK(!posts_deregister(&p));
	CHECK(!quoit_event_loop_join(loop, &result));
	CHECK(result.processed == some && !result.discarded && !result.late);
	CHECK(quoit_event_loop_processed(loop) == some && s.right);
	CHECK(!quoit_event_loop_destroy(loop) && !posts_destroy(&q));
}

/* --- what else a loop waits for -------------------------------------------------------------- */

struct told {
	int tasks = 0, idles = 0, timers = 0, ticks = 0, stopped = 0, result = 0;
	std::uint32_t events = 0;
};

void tasks_and_timers()
{
	own_loop own;
	told t;
	quoit_task task = {};
	quoit_idle idle = {};
	quoit_timer timer = {};
	quoit_ticker ticker = {};

	quoit_task_defer(
		own.loop, &task, [](quoit_task *, void *ctx) { static_cast<told *>(ctx)->tasks++; },
		&t);
	quoit_idle_add(
		own.loop, &idle,
		[](quoit_idle *, void *ctx) { return static_cast<told *>(ctx)->idles++ == 0; }, &t);
	quoit_timers_start(
		quoit_loop_timers(own.loop), &timer, quoit_loop_now_ns(own.loop) + 1000,
		[](quoit_timer *, void *ctx) { static_cast<told *>(ctx)->timers++; }, &t);
	CHECK(!quoit_ticker_start(
		own.loop, &ticker, 0, 1000,
		[](quoit_ticker *self, std::uint64_t, void *ctx) {
			static_cast<told *>(ctx)->ticks++;
			quoit_ticker_stop(self);
		},
		&t));
	own.until([&] { return t.tasks && t.idles && t.timers && t.ticks; });
	CHECK(t.tasks == 1 && t.timers == 1 && t.ticks == 1);
	CHECK(quoit_idle_remove(&idle) && !quoit_task_cancel(&task));
}

void polls()
{
	own_loop own;
	told t;
	quoit_poll poll = {};
	quoit_poll_options options = {};
	const int fd = eventfd(1, EFD_NONBLOCK);

	options.events = POLLIN;
	options.mode = QUOIT_POLL_ONCE;
	options.ctx = &t;
	options.ready = [](quoit_poll *, std::uint32_t events, void *ctx) {
		static_cast<told *>(ctx)->events = events;
	};
	options.stopped = [](quoit_poll *, int error, void *ctx) {
		static_cast<told *>(ctx)->stopped = error ? error : 1;
	};
	CHECK(fd >= 0 && !quoit_poll_start(own.loop, &poll, fd, &options));
	own.until([&] { return t.stopped; });
	CHECK(t.events == POLLIN && t.stopped == 1 && !quoit_poll_is_active(&poll));
	close(fd);
}

void workers()
{
	quoit_workers *crew = nullptr;
	quoit_work work = {};
	own_loop own;
	told t;

	work.fn = [](quoit_work *, void *) { return 42; };
	work.done = [](quoit_work *, int result, void *ctx) {
		static_cast<told *>(ctx)->result = result;
	};
	work.ctx = &t;
	CHECK(!quoit_workers_create(nullptr, &crew, nullptr));
	CHECK(!quoit_work_submit(crew, own.loop, &work));
	own.until([&] { return t.result; });
	CHECK(t.result == 42 && !quoit_workers_destroy(crew));
}

struct arrived {
	int count = 0, fd = -1, stopped = 0;
	std::uint64_t generation = 0;
};

void descriptors()
{
	static quoit_greeting greetings[2];
	const std::string name = "@quoit-cpp-" + std::to_string(getpid());
	quoit_fd_server_options how = {};
	quoit_unix_options to = {};
	quoit_greeter_options options = {};
	quoit_fd_server server = {};
	quoit_greeter greeter = {};
	quoit_hello hello = quoit_hello_make();
	own_loop own;
	arrived a;
	const int sent = eventfd(7, EFD_NONBLOCK);

	how.abstract = to.abstract = true;
	options.wanted.fds_most = 1;
	options.greetings = greetings;
	options.greetings_most = 2;
	options.ctx = &a;
	options.arrived = [](quoit_greeter *self, const quoit_arrival *arrival, void *ctx) {
		arrived *const to_fill = static_cast<arrived *>(ctx);

		to_fill->count++;
		to_fill->fd = arrival->fds[0];
		to_fill->generation = arrival->hello.generation;
		close(arrival->sock);
		quoit_greeter_stop(self);
	};
	options.stopped = [](quoit_greeter *, int error, void *ctx) {
		static_cast<arrived *>(ctx)->stopped = error ? error : 1;
	};
	CHECK(!quoit_fd_server_listen(&server, name.c_str(), &how, nullptr));
	CHECK(!quoit_greeter_start(own.loop, &greeter, &server, &options));
	const int sock = quoit_unix_connect(name.c_str(), &to, nullptr);
	CHECK(sock >= 0);
	hello.generation = 5;
	hello.fd_count = 1;
	CHECK(!quoit_hello_send(sock, &hello, &sent, 0, nullptr));
	own.until([&] { return a.stopped; });
	std::uint64_t value = 0;
	CHECK(a.count == 1 && a.stopped == 1 && a.generation == 5);
	CHECK(read(a.fd, &value, sizeof(value)) == sizeof(value) && value == 7);
	quoit_fd_server_close(&server);
	close(a.fd);
	close(sock);
	close(sent);
}

bool is_refused()
{
	quoit_loop *loop = nullptr;
	quoit_reason why = {};
	const int rc = quoit_loop_create(nullptr, &loop, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		std::printf("skip - loops: io_uring is refused: %s\n", why.text);
	return rc == -ENOSYS || rc == -EPERM || quoit_loop_destroy(loop);
}

} /* namespace */

int main()
{
	if (is_refused())
		return 0;
	part("SPSC: a channel, and a thread that fills it", spsc_channel);
	part("MPSC: a channel, detached", mpsc_channel);
	part("SPMC: a channel, to its end", spmc_channel);
	part("MPMC: a channel, to its end", mpmc_channel);
	part("a thread for one ring", a_loop_for_one_ring);
	part("tasks, idle hooks, timers and tickers", tasks_and_timers);
	part("polls", polls);
	part("descriptors of another process, with a hello", descriptors);
	part("work on other threads", workers);
	return failures != 0;
}
