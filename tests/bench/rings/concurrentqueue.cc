/* SPDX-License-Identifier: MIT */
/*
 * concurrentqueue.cc - moodycamel::ConcurrentQueue: a queue of blocks for each producer. With
 * tokens. Its blocks are allocated at the beginning and used again; the bound is for each producer,
 * because with one for all of them the first takes every block and the others starve.
 */
#include <concurrentqueue/concurrentqueue.h>

#include "rings.h"

namespace
{

/* A producer that has this many on their way is refused. */
template <size_t Most, size_t Block> struct traits : moodycamel::ConcurrentQueueDefaultTraits {
	static const size_t BLOCK_SIZE = Block;
	static const size_t MAX_SUBQUEUE_SIZE = Most;
};

template <class Traits> struct calls {
	using queue_type = moodycamel::ConcurrentQueue<struct item, Traits>;

	/* One thread's tokens. */
	struct end {
		queue_type *queue;
		moodycamel::ProducerToken out;
		moodycamel::ConsumerToken in;

		explicit end(void *q) : queue(static_cast<queue_type *>(q)), out(*queue), in(*queue)
		{
		}
	};

	static end *of(void *state)
	{
		return static_cast<end *>(state);
	}

	static void *open(const struct run *run)
	{
		return new queue_type(run->cell->capacity, run->cell->producers, 0);
	}

	static void close(void *queue)
	{
		delete static_cast<queue_type *>(queue);
	}

	ALWAYS_INLINE bool send_one(void *state, struct item *item)
	{
		return of(state)->queue->enqueue(of(state)->out, *item);
	}

	ALWAYS_INLINE bool recv_one(void *state, struct item *item)
	{
		return of(state)->queue->try_dequeue(of(state)->in, *item);
	}

	ALWAYS_INLINE size_t send(void *state, struct item *items, size_t n)
	{
		return of(state)->queue->enqueue_bulk(of(state)->out, items, n) ? n : 0;
	}

	ALWAYS_INLINE size_t recv(void *state, struct item *items, size_t most)
	{
		return of(state)->queue->try_dequeue_bulk(of(state)->in, items, most);
	}

	ALWAYS_INLINE size_t write_one(void *state, struct source *source, size_t)
	{
		return one_send(state, source, send_one);
	}

	ALWAYS_INLINE size_t read_one(void *state, struct sink *sink, size_t)
	{
		return one_recv(state, sink, recv_one);
	}

	ALWAYS_INLINE size_t write_copy(void *state, struct source *source, size_t n)
	{
		return copies_send(static_cast<struct copies *>(state), source, n, send);
	}

	ALWAYS_INLINE size_t read_copy(void *state, struct sink *sink, size_t n)
	{
		return copies_recv(static_cast<struct copies *>(state), sink, n, recv);
	}

	static void produce_one(struct side *side)
	{
		end e(side->queue);

		produce(side, &e, write_one);
	}

	static void consume_one(struct side *side)
	{
		end e(side->queue);

		consume(side, &e, read_one);
	}

	static void pair_one(struct side *side)
	{
		end e(side->queue);

		pair(side, &e, write_one, &e, read_one);
	}

	static void produce_copy(struct side *side)
	{
		end e(side->queue);
		struct copies copies;

		copies.queue = &e;
		copies.left = 0;
		produce(side, &copies, write_copy);
	}

	static void consume_copy(struct side *side)
	{
		end e(side->queue);
		struct copies copies;

		copies.queue = &e;
		consume(side, &copies, read_copy);
	}

	static void pair_copy(struct side *side)
	{
		end e(side->queue);
		struct copies out, in;

		out.queue = in.queue = &e;
		out.left = 0;
		pair(side, &out, write_copy, &in, read_copy);
	}
};

template <size_t Most, size_t Block> constexpr contender one_by_one(const char *variant)
{
	using c = calls<traits<Most, Block>>;

	return {"concurrentqueue",
		variant,
		SPSC | MPSC | SPMC | MPMC | PAIR,
		NOW | BLOCK,
		c::open,
		c::close,
		c::produce_one,
		c::consume_one,
		c::pair_one,
		Most};
}

template <size_t Most, size_t Block> constexpr contender bulk(const char *variant)
{
	using c = calls<traits<Most, Block>>;

	return {"concurrentqueue",
		variant,
		SPSC | MPSC | SPMC | MPMC | PAIR,
		COPY | PLACE,
		c::open,
		c::close,
		c::produce_copy,
		c::consume_copy,
		c::pair_copy,
		Most};
}

}

extern "C" {

extern const struct contender CONTENDERS(concurrentqueue)[];

const struct contender CONTENDERS(concurrentqueue)[] = {
	one_by_one<4096, 32>("tokens"),
	one_by_one<4096, 256>("tokens, blocks of 256"),
	bulk<4096, 32>("tokens, bulk"),
	bulk<4096, 256>("tokens, bulk, blocks of 256"),
	one_by_one<65536, 32>("tokens"),
	one_by_one<65536, 256>("tokens, blocks of 256"),
	bulk<65536, 32>("tokens, bulk"),
	bulk<65536, 256>("tokens, bulk, blocks of 256"),
	{},
};
}
