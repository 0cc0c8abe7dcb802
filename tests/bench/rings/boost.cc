/* SPDX-License-Identifier: MIT */
/*
 * boost.cc - boost::lockfree: spsc_queue with the capacity given at run time and at compile time,
 * in place on the reading side by a functor; and queue, for everybody.
 */
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include "rings.h"

namespace
{

using boost::lockfree::capacity;
using boost::lockfree::fixed_sized;

template <class Queue> void close_queue(void *queue)
{
	delete static_cast<Queue *>(queue);
}

template <class Queue> void *open_sized(const struct run *run)
{
	return new Queue(run->cell->capacity);
}

template <class Queue> void *open_fixed(const struct run *)
{
	return new Queue;
}

template <class Queue> struct calls {
	static Queue *of(void *queue)
	{
		return static_cast<Queue *>(queue);
	}

	ALWAYS_INLINE bool send_one(void *queue, struct item *item)
	{
		return of(queue)->push(*item);
	}

	ALWAYS_INLINE bool recv_one(void *queue, struct item *item)
	{
		return of(queue)->pop(*item);
	}

	ALWAYS_INLINE size_t write_one(void *queue, struct source *source, size_t)
	{
		return one_send(queue, source, send_one);
	}

	ALWAYS_INLINE size_t read_one(void *queue, struct sink *sink, size_t)
	{
		return one_recv(queue, sink, recv_one);
	}

	/* queue has no batches: as many calls. */
	ALWAYS_INLINE size_t write_ones(void *queue, struct source *source, size_t n)
	{
		size_t sent = 0;

		while (sent < n && write_one(queue, source, 1))
			sent++;
		return sent;
	}

	ALWAYS_INLINE size_t read_ones(void *queue, struct sink *sink, size_t n)
	{
		size_t got = 0;

		while (got < n && read_one(queue, sink, 1))
			got++;
		return got;
	}

	static void produce_one(struct side *side)
	{
		produce(side, side->queue, write_one);
	}

	static void consume_one(struct side *side)
	{
		consume(side, side->queue, read_one);
	}

	static void produce_ones(struct side *side)
	{
		produce(side, side->queue, write_ones);
	}

	static void consume_ones(struct side *side)
	{
		consume(side, side->queue, read_ones);
	}

	static void pair_ones(struct side *side)
	{
		pair(side, side->queue, write_ones, side->queue, read_ones);
	}
};

/* spsc_queue alone: ranges, and functors that see an item where it lies. */
template <class Queue> struct ranges : calls<Queue> {
	using calls<Queue>::of;

	ALWAYS_INLINE size_t send(void *queue, struct item *items, size_t n)
	{
		return of(queue)->push(items, n);
	}

	ALWAYS_INLINE size_t recv(void *queue, struct item *items, size_t most)
	{
		return of(queue)->pop(items, most);
	}

	ALWAYS_INLINE size_t write_copy(void *state, struct source *source, size_t n)
	{
		return copies_send(static_cast<struct copies *>(state), source, n, send);
	}

	ALWAYS_INLINE size_t read_copy(void *state, struct sink *sink, size_t n)
	{
		return copies_recv(static_cast<struct copies *>(state), sink, n, recv);
	}

	/* All that is there, as boost has it: not bounded by the batch. */
	ALWAYS_INLINE size_t read_place(void *queue, struct sink *sink, size_t)
	{
		return of(queue)->consume_all(
			[sink](const struct item &item) { sink_take(sink, &item, 1); });
	}

	static void produce_copy(struct side *side)
	{
		struct copies copies;

		copies.queue = side->queue;
		copies.left = 0;
		produce(side, &copies, write_copy);
	}

	static void consume_copy(struct side *side)
	{
		struct copies copies;

		copies.queue = side->queue;
		consume(side, &copies, read_copy);
	}

	static void consume_place(struct side *side)
	{
		consume(side, side->queue, read_place);
	}
};

using sized = boost::lockfree::spsc_queue<struct item>;
using fixed_4k = boost::lockfree::spsc_queue<struct item, capacity<4096>>;
using fixed_64k = boost::lockfree::spsc_queue<struct item, capacity<65536>>;
using shared_4k = boost::lockfree::queue<struct item, capacity<4096>>;
using shared_64k = boost::lockfree::queue<struct item, capacity<65534>>; /* its most */
using shared_sized = boost::lockfree::queue<struct item, fixed_sized<true>>;

void *open_shared_sized(const struct run *run)
{
	return new shared_sized(quoit_min(run->cell->capacity, 65534));
}

template <class Queue>
constexpr contender spsc_one(const char *variant, void *(*open)(const struct run *),
			     size_t capacity)
{
	return {"boost",
		variant,
		SPSC,
		NOW | BLOCK,
		open,
		close_queue<Queue>,
		calls<Queue>::produce_one,
		calls<Queue>::consume_one,
		nullptr,
		capacity};
}

template <class Queue>
constexpr contender spsc_copy(const char *variant, void *(*open)(const struct run *),
			      size_t capacity)
{
	return {"boost",
		variant,
		SPSC,
		COPY | PLACE,
		open,
		close_queue<Queue>,
		ranges<Queue>::produce_copy,
		ranges<Queue>::consume_copy,
		nullptr,
		capacity};
}

template <class Queue>
constexpr contender spsc_place(const char *variant, void *(*open)(const struct run *),
			       size_t capacity)
{
	return {"boost",
		variant,
		SPSC,
		PLACE,
		open,
		close_queue<Queue>,
		ranges<Queue>::produce_copy,
		ranges<Queue>::consume_place,
		nullptr,
		capacity};
}

template <class Queue>
constexpr contender shared(const char *variant, void *(*open)(const struct run *), size_t capacity)
{
	return {"boost",
		variant,
		MPSC | SPMC | MPMC | PAIR,
		NOW | BLOCK | COPY | PLACE,
		open,
		close_queue<Queue>,
		calls<Queue>::produce_ones,
		calls<Queue>::consume_ones,
		calls<Queue>::pair_ones,
		capacity};
}

}

extern "C" {

extern const struct contender CONTENDERS(boost)[];

const struct contender CONTENDERS(boost)[] = {
	spsc_one<sized>("spsc_queue", open_sized<sized>, 0),
	spsc_one<fixed_4k>("spsc_queue, fixed", open_fixed<fixed_4k>, 4096),
	spsc_one<fixed_64k>("spsc_queue, fixed", open_fixed<fixed_64k>, 65536),
	spsc_copy<sized>("spsc_queue", open_sized<sized>, 0),
	spsc_copy<fixed_4k>("spsc_queue, fixed", open_fixed<fixed_4k>, 4096),
	spsc_copy<fixed_64k>("spsc_queue, fixed", open_fixed<fixed_64k>, 65536),
	spsc_place<sized>("spsc_queue, consume_all", open_sized<sized>, 0),
	spsc_place<fixed_4k>("spsc_queue, fixed, consume_all", open_fixed<fixed_4k>, 4096),
	spsc_place<fixed_64k>("spsc_queue, fixed, consume_all", open_fixed<fixed_64k>, 65536),
	shared<shared_sized>("queue, fixed_sized", open_shared_sized, 0),
	shared<shared_4k>("queue, fixed", open_fixed<shared_4k>, 4096),
	shared<shared_64k>("queue, fixed", open_fixed<shared_64k>, 65536),
	{},
};
}
