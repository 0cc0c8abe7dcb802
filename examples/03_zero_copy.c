/* SPDX-License-Identifier: MIT */
/*
 * 03_zero_copy.c - pictures from one thread to another, and not a byte of them copied.
 *
 *     build/release/examples/03_zero_copy            # twenty thousand pictures
 *     build/release/examples/03_zero_copy 1000       # fewer
 *
 * The pictures lie in a pool of buffers, and the ring carries handles: four bytes for each,
 * whatever the picture's size. Who holds the handle owns the buffer, so it passes from thread to
 * thread, and the one that reads it gives it back. A handle that was given back is no longer one:
 * the program tries it, and is refused.
 *
 * What to look at: that there are 256 buffers, and nobody makes any while it runs; and the
 * two caches, which bring buffers back to the painter a half at a time.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/typed.h>

#define BUFFERS	      256
#define PICTURE_BYTES 16384

QUOIT_SPSC(handles, uint32_t);

static struct quoit_buffer_pool *pool;
static struct handles ring;
static uint32_t slots[64];
static uint64_t pictures = 20000;

/* --- the painter ----------------------------------------------------------------------------- */

/* Gives how many bytes it has painted. */
static uint32_t paint(unsigned char *picture, uint64_t number)
{
	const uint32_t len = PICTURE_BYTES - (uint32_t)(number % 1000);

	for (uint32_t i = 0; i < len; i++)
		picture[i] = (unsigned char)(number + i);
	return len;
}

static void *paint_all(void *arg)
{
	uint64_t *const exhausted = arg;
	struct quoit_buffer_cache cache;
	uint32_t handle;

	quoit_buffer_cache_init(&cache, pool);
	for (uint64_t n = 0; n < pictures; n++) {
		while (!quoit_buffer_cache_alloc(&cache, &handle)) {
			++*exhausted;
			sched_yield(); /* all are on their way */
		}
		if (quoit_buffer_pool_set_len(pool, handle,
					      paint(quoit_buffer_pool_writable(pool, handle), n)))
			abort();
		while (!handles_send_one(&ring, &handle))
			sched_yield(); /* the reader is behind */
	}
	quoit_buffer_cache_flush(&cache);
	quoit_spsc_finish(&ring.ring);
	return NULL;
}

/* --- the reader ------------------------------------------------------------------------------ */

struct summary {
	uint64_t pictures, bytes, wrong, refused;
};

static void look_at(struct summary *sum, uint32_t handle)
{
	uint32_t len = 0;
	const unsigned char *const picture = quoit_buffer_pool_get(pool, handle, &len);

	for (uint32_t i = 0; i < len; i++)
		sum->wrong += picture[i] != (unsigned char)(sum->pictures + i);
	sum->bytes += len;
	sum->pictures++;
}

static struct summary look_at_all(void)
{
	struct summary sum = {0};
	struct quoit_buffer_cache cache;
	uint32_t handle;

	quoit_buffer_cache_init(&cache, pool);
	while (!quoit_spsc_is_drained(&ring.ring)) {
		if (!handles_recv_one(&ring, &handle)) {
			sched_yield();
			continue;
		}
		look_at(&sum, handle);
		if (quoit_buffer_cache_free(&cache, handle))
			abort();
		sum.refused += quoit_buffer_cache_free(&cache, handle) != 0; /* a second time */
	}
	quoit_buffer_cache_flush(&cache);
	return sum;
}

/* --- the whole ------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	const struct quoit_buffer_pool_options options = {
		.slab_bytes = PICTURE_BYTES, .count = BUFFERS, .node = -1, /* where we run */
	};
	struct quoit_reason why = {0};
	struct summary sum;
	uint64_t exhausted = 0;
	pthread_t painter;
	size_t back;

	if (argc > 1)
		pictures = strtoull(argv[1], NULL, 10);
	if (quoit_buffer_pool_create(&options, &pool, &why) < 0 ||
	    handles_init(&ring, slots, sizeof(slots) / sizeof(slots[0]))) {
		fprintf(stderr, "03_zero_copy: %s\n", why.text);
		return 2;
	}
	if (pthread_create(&painter, NULL, paint_all, &exhausted)) {
		fprintf(stderr, "03_zero_copy: no thread can be started\n");
		return 2;
	}
	sum = look_at_all();
	pthread_join(painter, NULL);
	back = quoit_buffer_pool_available(pool);
	printf("%llu pictures, %.1f MiB, passed as %llu bytes of handles; %llu bytes were wrong\n",
	       (unsigned long long)sum.pictures, (double)sum.bytes / (1 << 20),
	       (unsigned long long)(sum.pictures * sizeof(uint32_t)),
	       (unsigned long long)sum.wrong);
	printf("%zu buffers, %zu of them free in the end; none was free %llu times\n",
	       quoit_buffer_pool_capacity(pool), back, (unsigned long long)exhausted);
	printf("%llu handles were given back twice, and refused\n",
	       (unsigned long long)sum.refused);
	quoit_buffer_pool_destroy(pool);
	return sum.pictures != pictures || sum.wrong || sum.refused != pictures || back != BUFFERS;
}
