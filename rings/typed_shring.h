/* SPDX-License-Identifier: MIT */
/*
 * typed_shring.h - rings of a type between two processes. One line stamps a ring of your own noun:
 *
 *     QUOIT_SHRING(orders, struct order);
 *
 *     struct orders *q;
 *     orders_create(&options, &q, &why);
 *     orders_send(q, &order, 1);
 *
 * Like typed.h: the macro holds addresses and nothing else. Costs and errors are those of the
 * quoit_shring_ function of the same verb. An item is bytes that another process has written: no
 * pointers, no bool or enum that you would believe before you have looked.
 *
 * Thread: the one of this side.
 *
 * name_create(options, &q, why)         slot_bytes and slot_align are filled in
 * name_attach(fds, n, options, &q, why) likewise: a ring of other items is refused
 * name_sized(options)                   these with slot_bytes and slot_align, for the next:
 * name_of(ring)                         what quoit_shring_accept() gave, io/shring_pass.h
 * name_destroy(q)
 *
 * name_send(q, items, n)                copy in as many as fit; gives how many
 * name_send_all(q, items, n)            all of them or none; true if sent
 * name_send_one(q, &item)               true if sent; false if full, closed or poisoned
 * name_send_wait(q, items, n, how)      all of them; see quoit_shring_wait_space()
 * name_reserve(q, want, &granted)       first leased slot, or NULL; name_commit(q, n)
 *
 * name_recv(q, items, most)             copy out up to `most`; gives how many
 * name_recv_one(q, &item)               true if there was one
 * name_recv_wait(q, items, most, how, &got)
 * name_readable(q, &n)                  first readable slot, or NULL; trusted peers only
 * name_advance(q, n)                    free n of them
 */
#ifndef QUOIT_RINGS_TYPED_SHRING_H
#define QUOIT_RINGS_TYPED_SHRING_H

#include <quoit/rings/shring_create.h>
#include <quoit/rings/shring_wait.h>

QUOIT_C_BEGIN

/* The alignment of a type, in C11 and C++. */
#ifdef __cplusplus
#define quoit__shring_align(T) alignof(T)
#else
#define quoit__shring_align(T) _Alignof(T)
#endif

#define QUOIT_SHRING(name, T)          \
	quoit__item_check(T);          \
	QUOIT__SHRING_TYPE(name, T)    \
	QUOIT__SHRING_PRODUCE(name, T) \
	QUOIT__SHRING_CONSUME(name, T) \
	struct name

/* --- the parts of it ------------------------------------------------------------------------- */

#define QUOIT__SHRING_TYPE(name, T)                                                              \
	struct name {                                                                            \
		struct quoit_shring ring;                                                        \
	};                                                                                       \
	QUOIT_HOT struct quoit_shring_options name##_sized(                                      \
		const struct quoit_shring_options *options)                                      \
	{                                                                                        \
		struct quoit_shring_options o = *options;                                        \
		o.slot_bytes = sizeof(T);                                                        \
		o.slot_align = quoit__shring_align(T);                                           \
		return o;                                                                        \
	}                                                                                        \
	QUOIT_HOT struct name *name##_of(struct quoit_shring *ring)                              \
	{                                                                                        \
		return quoit_container_of(ring, struct name, ring);                              \
	}                                                                                        \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_create(const struct quoit_shring_options *options, \
						     struct name **q, struct quoit_reason *why)  \
	{                                                                                        \
		const struct quoit_shring_options o = name##_sized(options);                     \
		struct quoit_shring *ring;                                                       \
		const int rc = quoit_shring_create(&o, &ring, why);                              \
		if (!rc)                                                                         \
			*q = name##_of(ring);                                                    \
		return rc;                                                                       \
	}                                                                                        \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_attach(const int *fds, size_t fd_count,            \
						     const struct quoit_shring_options *options, \
						     struct name **q, struct quoit_reason *why)  \
	{                                                                                        \
		const struct quoit_shring_options o = name##_sized(options);                     \
		struct quoit_shring *ring;                                                       \
		const int rc = quoit_shring_attach(fds, fd_count, &o, &ring, why);               \
		if (!rc)                                                                         \
			*q = name##_of(ring);                                                    \
		return rc;                                                                       \
	}                                                                                        \
	QUOIT_HOT void name##_destroy(struct name *q)                                            \
	{                                                                                        \
		quoit_shring_destroy(q ? &q->ring : NULL);                                       \
	}

#define QUOIT__SHRING_PRODUCE(name, T)                                                            \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_reserve(struct name *q, size_t want,                \
						      size_t *granted)                            \
	{                                                                                         \
		return (T *)quoit__shring_reserve(&q->ring, sizeof(T), want, granted);            \
	}                                                                                         \
	QUOIT_RT_WAKES QUOIT_HOT void name##_commit(struct name *q, size_t n)                     \
	{                                                                                         \
		quoit_shring_commit(&q->ring, n);                                                 \
	}                                                                                         \
	QUOIT_RT_WAKES QUOIT_HOT size_t name##_send(struct name *q, const T *items, size_t n)     \
	{                                                                                         \
		return quoit__shring_send(&q->ring, sizeof(T), items, n);                         \
	}                                                                                         \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_send_all(struct name *q, const T *items, size_t n)   \
	{                                                                                         \
		return quoit__shring_room(&q->ring, n) >= n && name##_send(q, items, n) == n;     \
	}                                                                                         \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_send_one(struct name *q, const T *item)              \
	{                                                                                         \
		return quoit__shring_send(&q->ring, sizeof(T), item, 1) != 0;                     \
	}                                                                                         \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_wait(struct name *q, const T *items, size_t n, \
							const struct quoit_wait *how)             \
	{                                                                                         \
		const int rc = quoit_shring_wait_space(&q->ring, n, how);                         \
		return rc ? rc : name##_send_all(q, items, n) ? 0 : -108; /* -ESHUTDOWN */        \
	}

#define QUOIT__SHRING_CONSUME(name, T)                                                             \
	QUOIT_RT_WAITFREE QUOIT_HOT const T *name##_readable(struct name *q, size_t *n)            \
	{                                                                                          \
		return (const T *)quoit__shring_readable(&q->ring, sizeof(T), n);                  \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT void name##_advance(struct name *q, size_t n)                     \
	{                                                                                          \
		quoit_shring_advance(&q->ring, n);                                                 \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT size_t name##_recv(struct name *q, T *items, size_t most)         \
	{                                                                                          \
		return quoit__shring_recv(&q->ring, sizeof(T), items, most);                       \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_recv_one(struct name *q, T *item)                     \
	{                                                                                          \
		return quoit__shring_recv(&q->ring, sizeof(T), item, 1) != 0;                      \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_recv_wait(struct name *q, T *items, size_t most,     \
							const struct quoit_wait *how, size_t *got) \
	{                                                                                          \
		const int rc = quoit_shring_wait_data(&q->ring, how);                              \
		if (!rc)                                                                           \
			*got = name##_recv(q, items, most);                                        \
		return rc;                                                                         \
	}

QUOIT_C_END

#endif
