/* SPDX-License-Identifier: MIT */
/*
 * typed_contract.h - what a typed ring promises, for elements of ELEMENT_BYTES bytes. Include it
 * once per size, each time with ELEMENT_BYTES defined anew; test_typed.c gives the rest.
 *
 * Each element is filled with bytes that follow from its number, so that a torn, shifted or
 * repeated one shows. Beyond the slots lie guard bytes, which nothing may touch.
 */
#define NAMED_(noun, bytes, verb) noun##bytes##verb
#define NAMED(noun, bytes, verb)  NAMED_(noun, bytes, verb)
#define SIZED(noun)		  NAMED(noun##_, ELEMENT_BYTES, _bytes)
#define LANE(verb)		  NAMED(lane_, ELEMENT_BYTES, _bytes_##verb)
#define DEFINE_RING(name, T)	  QUOIT_SPSC(name, T)

struct SIZED(element) {
	unsigned char bytes[ELEMENT_BYTES];
};

DEFINE_RING(SIZED(lane), struct SIZED(element));

struct SIZED(fixture) {
	struct SIZED(lane) q;
	struct SIZED(element) slots[CAPACITY_MOST + 1]; /* the last one is a guard */
	struct SIZED(element) items[CAPACITY_MOST + 2];
	uint64_t sent;
	uint64_t got;
	size_t spans; /* of the last consume */
	bool more;    /* said by its last span */
};

static void SIZED(write)(struct SIZED(element) * to, uint64_t number)
{
	memcpy(to, bytes_of(number), ELEMENT_BYTES);
}

static void SIZED(check)(const struct SIZED(element) * from, uint64_t number)
{
	assert_memory_equal(from, bytes_of(number), ELEMENT_BYTES);
}

static void SIZED(start)(struct SIZED(fixture) * f, size_t capacity, uint64_t position)
{
	memset(f, 0, sizeof(*f));
	memset(&f->slots[capacity], 0x5a, sizeof(f->slots[0]));
	assert_int_equal(LANE(init)(&f->q, f->slots, capacity), 0);
	assert_int_equal(quoit_spsc_init_at(&f->q.ring, capacity, position), 0);
}

static void SIZED(end)(struct SIZED(fixture) * f)
{
	const struct SIZED(element) *guard = &f->slots[quoit_spsc_capacity(&f->q.ring)];

	for (size_t i = 0; i < ELEMENT_BYTES; i++)
		assert_int_equal(guard->bytes[i], 0x5a);
	assert_int_equal(quoit_spsc_length(&f->q.ring), f->sent - f->got);
}

/* Send `n` and give how many went. */
static size_t SIZED(send)(struct SIZED(fixture) * f, size_t n)
{
	size_t went;

	for (size_t i = 0; i < n; i++)
		SIZED(write)(&f->items[i], f->sent + i);
	went = LANE(send)(&f->q, f->items, n);
	f->sent += went;
	return went;
}

static size_t SIZED(recv)(struct SIZED(fixture) * f, size_t most)
{
	size_t got;

	memset(f->items, 0xee, (quoit_min(most, CAPACITY_MOST) + 1) * sizeof(f->items[0]));
	got = LANE(recv)(&f->q, f->items, most);
	for (size_t i = 0; i < got; i++)
		SIZED(check)(&f->items[i], f->got + i);
	for (size_t i = 0; i < ELEMENT_BYTES; i++)
		assert_int_equal(f->items[got].bytes[i], 0xee); /* no more than it says */
	f->got += got;
	return got;
}

static void SIZED(count)(struct SIZED(element) * items, size_t n, bool more, void *ctx)
{
	struct SIZED(fixture) *const f = ctx;

	assert_true(n);
	assert_true(!f->spans || f->more); /* a second span was announced */
	assert_true(items >= f->slots);
	assert_true(items + n <= f->slots + quoit_spsc_capacity(&f->q.ring));
	for (size_t i = 0; i < n; i++)
		SIZED(check)(&items[i], f->got + i);
	f->got += n;
	f->more = more;
	f->spans++;
}

static size_t SIZED(consume)(struct SIZED(fixture) * f, size_t most)
{
	const uint64_t before = f->got;
	size_t got;

	f->spans = 0;
	f->more = false;
	got = LANE(consume)(&f->q, most, SIZED(count), f);
	assert_int_equal(got, f->got - before);
	assert_true(f->spans <= 2);
	assert_false(f->more);
	return got;
}

/* B24: as many as fit, and on both sides of the wrap with one publication. */
static void SIZED(check_send)(struct SIZED(fixture) * f)
{
	const size_t capacity = quoit_spsc_capacity(&f->q.ring);

	for (size_t used = 0; used <= capacity; used++)
		for (size_t n = 0; n <= capacity + 2; n++) {
			const size_t fit = quoit_min(n, capacity - used);

			assert_int_equal(SIZED(send)(f, used), used);
			assert_int_equal(SIZED(send)(f, n), fit);
			assert_int_equal(SIZED(recv)(f, 0), 0);
			assert_int_equal(SIZED(recv)(f, used), used);
			assert_int_equal(SIZED(consume)(f, 0), 0);
			assert_int_equal(SIZED(consume)(f, capacity + 2), fit);
			assert_int_equal(SIZED(recv)(f, capacity), 0);
			assert_int_equal(SIZED(consume)(f, capacity), 0);
			SIZED(end)(f);
		}
}

/* B24: all of them or nothing at all. */
static void SIZED(check_send_all)(struct SIZED(fixture) * f)
{
	const size_t capacity = quoit_spsc_capacity(&f->q.ring);

	for (size_t used = 0; used <= capacity; used++)
		for (size_t n = 0; n <= capacity + 2; n++) {
			const bool fits = n <= capacity - used;

			assert_int_equal(SIZED(send)(f, used), used);
			for (size_t i = 0; i < n; i++)
				SIZED(write)(&f->items[i], f->sent + i);
			assert_int_equal(LANE(send_all)(&f->q, f->items, n), fits);
			f->sent += fits ? n : 0;
			assert_int_equal(SIZED(recv)(f, capacity), used + (fits ? n : 0));
			SIZED(end)(f);
		}
}

/* B19, B20, B26, B27: in place, a piece at a time. */
static void SIZED(check_in_place)(struct SIZED(fixture) * f)
{
	const size_t capacity = quoit_spsc_capacity(&f->q.ring);
	size_t n = 12345;

	for (size_t round = 0; round < 3 * capacity; round++) {
		const size_t want = 1 + round % capacity;
		struct SIZED(element) *to = LANE(reserve)(&f->q, want, &n);

		assert_non_null(to);
		for (size_t i = 0; i < n; i++)
			SIZED(write)(&to[i], f->sent + i);
		LANE(commit)(&f->q, n);
		f->sent += n;
		to = LANE(reserve_some)(&f->q, capacity + 2, &n);
		assert_int_equal(to == NULL, f->sent - f->got == capacity);
		for (size_t i = 0; to && i < n; i++)
			SIZED(write)(&to[i], f->sent + i);
		LANE(commit)(&f->q, to ? n : 0);
		f->sent += to ? n : 0;
		for (to = LANE(readable)(&f->q, &n); to; to = LANE(readable)(&f->q, &n)) {
			SIZED(check)(to, f->got);
			LANE(advance)(&f->q, 1);
			f->got++;
		}
		assert_int_equal(f->sent, f->got);
		n = 12345;
		assert_null(LANE(reserve)(&f->q, capacity + 1, &n));
		assert_null(LANE(readable)(&f->q, &n));
		assert_int_equal(n, 12345);
		SIZED(end)(f);
	}
}

/* D-03: every way of reading mixed with every other. */
static void SIZED(check_mixed)(struct SIZED(fixture) * f)
{
	const size_t capacity = quoit_spsc_capacity(&f->q.ring);
	const struct SIZED(element) * at;
	size_t n;

	for (size_t i = 0; i < 1000; i++) {
		const size_t amount = (size_t)random_below(&randomness, capacity + 2);
		const uint64_t there = f->sent - f->got;

		switch (random_below(&randomness, 6)) {
		case 0:
		case 1:
			assert_int_equal(SIZED(send)(f, amount),
					 quoit_min(amount, capacity - there));
			break;
		case 2:
			assert_true(SIZED(recv)(f, amount) <= quoit_min(amount, there));
			break;
		case 3:
			assert_true(SIZED(consume)(f, amount) <= quoit_min(amount, there));
			break;
		case 4:
			at = LANE(readable)(&f->q, &n);
			assert_int_equal(at == NULL, there == 0);
			if (!at)
				break;
			SIZED(check)(at + n - 1, f->got + n - 1);
			LANE(advance)(&f->q, n);
			f->got += n;
			break;
		default:
			assert_int_equal(quoit_spsc_has_news(&f->q.ring), there != 0);
		}
		SIZED(end)(f);
	}
	assert_true(f->got > 50); /* it was used, not only looked at */
}

static void SIZED(check_closed)(struct SIZED(fixture) * f)
{
	const size_t capacity = quoit_spsc_capacity(&f->q.ring);
	size_t n;
	struct SIZED(element) * to;

	assert_int_equal(SIZED(send)(f, capacity - 1), capacity - 1);
	to = LANE(reserve)(&f->q, 1, &n);
	assert_non_null(to);
	quoit_spsc_close(&f->q.ring);
	SIZED(write)(to, f->sent++);
	LANE(commit)(&f->q, 1); /* it was open before */
	assert_null(LANE(reserve_some)(&f->q, 1, &n));
	assert_int_equal(SIZED(recv)(f, 1), 1);
	assert_null(LANE(reserve)(&f->q, 1, &n));
	assert_null(LANE(reserve_some)(&f->q, 1, &n));
	assert_int_equal(SIZED(send)(f, 1), 0);
	assert_false(LANE(send_all)(&f->q, f->items, 1));
	quoit_spsc_finish(&f->q.ring);
	assert_int_equal(SIZED(recv)(f, capacity), capacity - 1);
	assert_true(quoit_spsc_is_drained(&f->q.ring));
}

static void SIZED(elements_keep_the_contract)(void **state)
{
	static void (*const checks[])(struct SIZED(fixture) *) = {
		SIZED(check_send),  SIZED(check_send_all), SIZED(check_in_place),
		SIZED(check_mixed), SIZED(check_closed),
	};
	struct SIZED(fixture) f;

	(void)state;
	assert_int_equal(LANE(init)(&f.q, f.slots, 0), -EINVAL);
	assert_int_equal(LANE(init)(&f.q, f.slots, 12), -EINVAL);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		for (size_t capacity = 1; capacity <= CAPACITY_MOST; capacity *= 2)
			for (size_t p = 0; p < START_POSITIONS; p++) {
				SIZED(start)(&f, capacity, start_positions[p]);
				checks[i](&f);
			}
}

#undef DEFINE_RING
#undef LANE
#undef SIZED
#undef NAMED
#undef NAMED_
#undef ELEMENT_BYTES
