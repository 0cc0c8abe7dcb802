/* SPDX-License-Identifier: MIT */
/* kill_calls.c - the calls that a victim is killed in, and some that are wrong on purpose. */
#include <shared/kill.h>

#define SHORT_NS INT64_C(300000) /* for a wait that nothing ends */

/* --- a producer's ---------------------------------------------------------------------------- */

static void send_n(struct letters *q, struct kill_talk *talk, unsigned n)
{
	talk->moved = (uint32_t)letters_send(q, talk->out, n);
}

static void send_one(struct letters *q, struct kill_talk *talk)
{
	send_n(q, talk, 1);
}

static void send_three(struct letters *q, struct kill_talk *talk)
{
	send_n(q, talk, 3);
}

static void write_in_place(struct letters *q, struct kill_talk *talk)
{
	size_t granted = 0;
	struct letter *const to = letters_reserve(q, 2, &granted);

	if (!to)
		return;
	memcpy(to, talk->out, granted * sizeof(*to));
	letters_commit(q, granted);
	talk->moved = (uint32_t)granted;
}

static void write_and_publish_later(struct letters *q, struct kill_talk *talk)
{
	size_t granted = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct letter *const to = letters_reserve(q, 1, &granted);

		if (!to)
			break;
		*to = talk->out[i];
		quoit_shring_commit_later(&q->ring, 1);
		talk->moved++;
	}
	quoit_shring_flush(&q->ring);
}

static void wait_for_space(struct letters *q, struct kill_talk *talk)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED,
				       .deadline_ns = quoit_deadline_ns(SHORT_NS)};

	talk->result = quoit_shring_wait_space(&q->ring, 1, &how);
}

/* --- a consumer's ---------------------------------------------------------------------------- */

static void receive_one(struct letters *q, struct kill_talk *talk)
{
	talk->moved = (uint32_t)letters_recv(q, talk->got, 1);
}

static void receive_all(struct letters *q, struct kill_talk *talk)
{
	talk->moved = (uint32_t)letters_recv(q, talk->got, KILL_CAPACITY);
}

static void read_in_place(struct letters *q, struct kill_talk *talk)
{
	size_t n = 0;
	const struct letter *const from = letters_readable(q, &n);

	if (!from)
		return;
	memcpy(talk->got, from, n * sizeof(*from));
	letters_advance(q, n);
	talk->moved = (uint32_t)n;
}

static void wait_for_data(struct letters *q, struct kill_talk *talk)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED,
				       .deadline_ns = quoit_deadline_ns(SHORT_NS)};

	talk->result = quoit_shring_wait_data(&q->ring, &how);
}

/* --- of both --------------------------------------------------------------------------------- */

static void close_it(struct letters *q, struct kill_talk *talk)
{
	(void)talk;
	quoit_shring_close(&q->ring);
}

static void destroy_it(struct letters *q, struct kill_talk *talk)
{
	(void)talk;
	letters_destroy(q);
}

static void begin_anew(struct letters *q, struct kill_talk *talk)
{
	(void)talk;
	if (quoit_shring_reset(&q->ring, NULL))
		talk->moved = UINT32_MAX;
}

static void go_to_bed(struct letters *q, struct kill_talk *talk)
{
	(void)talk;
	quoit_shring_hush(&q->ring);
	quoit_shring_arm(&q->ring);
	if (q->ring.role == QUOIT_SHRING_PRODUCER ? quoit_shring_has_room(&q->ring, 1)
						  : quoit_shring_has_news(&q->ring))
		quoit_shring_disarm(&q->ring);
	quoit_shring_beat(&q->ring);
}

/* --- wrong on purpose ------------------------------------------------------------------------ */

/* What a letter should never be: gone from the ring, and not here yet. */
static void free_before_the_copy(struct letters *q, struct kill_talk *talk)
{
	const struct letter *const from = (const struct letter *)(const void *)q->ring.slots;
	const uint64_t at = q->ring.mine;

	if (!quoit__shring_available(&q->ring))
		return;
	quoit__shring_free(&q->ring, 1);
	talk->got[0] = from[at & q->ring.mask];
	talk->moved = 1;
}

/* Or visible before it is written. */
static void publish_before_the_copy(struct letters *q, struct kill_talk *talk)
{
	struct letter *const to = (struct letter *)(void *)q->ring.slots;
	const uint64_t at = q->ring.mine++;

	quoit_shring_flush(&q->ring);
	to[at & q->ring.mask] = talk->out[0];
	talk->moved = 1;
}

/* --- the lists ------------------------------------------------------------------------------- */

#define OF_PRODUCER(name_, call_, lap_, fill_, most_, ...)                                  \
	{                                                                                   \
		.name = "producer: " name_, .victim = QUOIT_SHRING_PRODUCER, .call = call_, \
		.lap = lap_, .fill = fill_, .most = most_, __VA_ARGS__                      \
	}

#define OF_CONSUMER(name_, call_, lap_, fill_, most_, ...)                                  \
	{                                                                                   \
		.name = "consumer: " name_, .victim = QUOIT_SHRING_CONSUMER, .call = call_, \
		.lap = lap_, .fill = fill_, .most = most_, __VA_ARGS__                      \
	}

const struct kill_case kill_cases[] = {
	OF_PRODUCER("send, empty", send_one, 0, 0, 1, .waits = false),
	OF_PRODUCER("send three, around the wrap", send_three, 3, 0, 3, .waits = false),
	OF_PRODUCER("send three where one fits", send_three, 2, 3, 3, .waits = false),
	OF_PRODUCER("send, full", send_one, 1, 4, 0, .waits = false),
	OF_PRODUCER("send, with waits", send_three, 3, 1, 3, .waits = true),
	OF_PRODUCER("send to one asleep on a futex", send_three, 3, 0, 3, .waits = true,
		    .asleep = true),
	OF_PRODUCER("send to one asleep on a bell", send_three, 3, 0, 3, .bells = true,
		    .asleep = true),
	OF_PRODUCER("reserve and commit, empty", write_in_place, 0, 0, 2, .waits = false),
	OF_PRODUCER("reserve and commit, up to the wrap", write_in_place, 3, 0, 2, .waits = true),
	OF_PRODUCER("reserve, full", write_in_place, 0, 4, 0, .waits = false),
	OF_PRODUCER("commit later, then publish", write_and_publish_later, 3, 1, 2, .bells = true),
	OF_PRODUCER("wait for space on a futex", wait_for_space, 2, 4, 0, .waits = true),
	OF_PRODUCER("wait for space on a bell", wait_for_space, 2, 4, 0, .bells = true),
	OF_PRODUCER("hush, arm and look", go_to_bed, 2, 4, 0, .bells = true),
	OF_PRODUCER("close", close_it, 3, 2, 0, .waits = true),
	OF_PRODUCER("close, with one asleep on a bell", close_it, 3, 0, 0, .bells = true,
		    .asleep = true),
	OF_PRODUCER("destroy", destroy_it, 3, 2, 0, .waits = true),
	OF_PRODUCER("attach", NULL, 3, 2, 0, .bells = true, .attaches = true),
	OF_PRODUCER("reset", begin_anew, 3, 3, 0, .waits = true, .resets = true),

	OF_CONSUMER("recv, of one", receive_one, 0, 1, 1, .waits = false),
	OF_CONSUMER("recv, of a full ring around the wrap", receive_all, 3, 4, 4, .waits = false),
	OF_CONSUMER("recv, empty", receive_all, 2, 0, 0, .waits = false),
	OF_CONSUMER("recv, with waits", receive_all, 3, 3, 3, .waits = true),
	OF_CONSUMER("recv, with a producer asleep on a futex", receive_all, 3, 4, 4, .waits = true,
		    .asleep = true),
	OF_CONSUMER("recv, with a producer asleep on a bell", receive_all, 3, 4, 4, .bells = true,
		    .asleep = true),
	OF_CONSUMER("readable and advance, up to the wrap", read_in_place, 2, 4, 2, .waits = true),
	OF_CONSUMER("readable, empty", read_in_place, 2, 0, 0, .waits = false),
	OF_CONSUMER("wait for data on a futex", wait_for_data, 2, 0, 0, .waits = true),
	OF_CONSUMER("wait for data on a bell", wait_for_data, 2, 0, 0, .bells = true),
	OF_CONSUMER("hush, arm and look", go_to_bed, 2, 0, 0, .bells = true),
	OF_CONSUMER("close", close_it, 3, 2, 0, .waits = true),
	OF_CONSUMER("close, with one asleep on a bell", close_it, 3, 4, 0, .bells = true,
		    .asleep = true),
	OF_CONSUMER("destroy", destroy_it, 3, 2, 0, .waits = true),
	OF_CONSUMER("attach", NULL, 3, 2, 0, .bells = true, .attaches = true),
	OF_CONSUMER("reset", begin_anew, 3, 3, 0, .waits = true, .resets = true),
	{.name = NULL},
};

const struct kill_case kill_planted[] = {
	OF_CONSUMER("a slot is freed before it is copied", free_before_the_copy, 3, 2, 1,
		    .waits = false),
	OF_PRODUCER("a letter is published before it is written", publish_before_the_copy, 3, 0, 1,
		    .waits = false),
	OF_PRODUCER("somebody keeps the role of the dead", send_one, 3, 0, 1, .keeps = true),
	{.name = NULL},
};
