/* SPDX-License-Identifier: MIT */
/*
 * test_group.c - several readers of one ring with bells of their own: who is rung, and what comes
 * of leaving. Step by step on one thread; tests/model/targets/group.c goes through all orders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include <quoit/rings/mpmc.h>
#include <quoit/rings/spmc.h>

#define MEMBERS 3
#define SLOTS	16

struct member {
	struct quoit_wake wake;
	struct quoit_notify notify;
	int place;
};

struct fixture {
	struct quoit_spmc ring;
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(SLOTS)];
	struct quoit_group group;
	struct member members[MEMBERS];
};

static int set_up(void **state)
{
	static struct fixture f;
	const struct quoit_spmc_options options = {.capacity_slots = SLOTS,
						   .consumers_most = MEMBERS};

	f = (struct fixture){0};
	if (quoit_spmc_init(&f.ring, NULL, f.blocks, &options) ||
	    quoit_spmc_attach_group(&f.ring, &f.group))
		return -1;
	for (size_t i = 0; i < MEMBERS; i++) {
		if (quoit_notify_open(&f.members[i].notify, &f.members[i].wake))
			return -1;
		f.members[i].place = quoit_spmc_join(&f.ring, &f.members[i].notify);
	}
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MEMBERS; i++)
		quoit_notify_close(&f->members[i].notify);
	return 0;
}

static void publish(struct fixture *f, size_t n)
{
	size_t at;

	assert_int_equal(quoit_spmc_reserve(&f->ring, n, &at), n);
	quoit_spmc_commit(&f->ring, n);
}

static void take_all(struct fixture *f)
{
	struct quoit_spmc_consumer consumer;
	struct quoit_claim claim;

	assert_int_equal(quoit_spmc_register_consumer(&f->ring, &consumer), 0);
	while (quoit_spmc_take(&consumer, SLOTS, &claim))
		quoit_spmc_release(&consumer, &claim, claim.n);
	quoit_spmc_deregister_consumer(&consumer);
}

static void arm_all(struct fixture *f)
{
	for (size_t i = 0; i < MEMBERS; i++)
		quoit_wake_arm(&f->members[i].wake);
}

/* Whose bells rang: a bit for each member. */
static unsigned heard(struct fixture *f)
{
	unsigned who = 0;

	for (unsigned i = 0; i < MEMBERS; i++) {
		uint64_t count = 0;

		if (read(f->members[i].notify.fd, &count, sizeof(count)) > 0)
			who |= 1u << i;
		assert_in_range(count, 0, 1);
	}
	return who;
}

static void a_group_has_as_many_places_as_were_asked_for(void **state)
{
	struct fixture *f = *state;
	struct quoit_group group;
	struct quoit_spmc ring;
	const struct quoit_spmc_options many = {.capacity_slots = SLOTS,
						.consumers_most = QUOIT_GROUP_MOST + 1};

	assert_int_equal(quoit_group_init(&group, 0), -EINVAL);
	assert_int_equal(quoit_group_init(&group, QUOIT_GROUP_MOST + 1), -EINVAL);
	assert_int_equal(quoit_group_init(&group, 1), 0);
	assert_int_equal(quoit_group_join(&group, &f->members[0].notify), 0);
	assert_int_equal(quoit_group_join(&group, &f->members[1].notify), -EUSERS);
	assert_int_equal(quoit_spmc_init(&ring, NULL, f->blocks, &many), 0);
	assert_int_equal(quoit_spmc_attach_group(&ring, &group), -EINVAL);
	assert_null(ring.lane.group);
}

/* With every place taken, who looks for sleepers comes to the last one and stops there. */
static void all_places_of_the_largest_group_are_rung(void **state)
{
	struct fixture *f = *state;
	struct member *const m = &f->members[0];
	struct quoit_group group;

	assert_int_equal(quoit_group_init(&group, QUOIT_GROUP_MOST), 0);
	for (size_t i = 1; i < QUOIT_GROUP_MOST; i++)
		assert_int_equal(quoit_group_join(&group, &f->members[1].notify), i - 1);
	assert_int_equal(quoit_group_join(&group, &m->notify), QUOIT_GROUP_MOST - 1);
	assert_int_equal(quoit_group_join(&group, &m->notify), -EUSERS);
	quoit_wake_arm(&m->wake);
	quoit_group_tell_all(&group);
	assert_int_equal(heard(f), 1);
	quoit_wake_arm(&m->wake);
	assert_true(quoit_group_tell(&group));
	assert_int_equal(heard(f), 1);
	assert_false(quoit_group_tell(&group)); /* nobody sleeps */
}

static void each_publication_rings_one_sleeper_in_rotation(void **state)
{
	struct fixture *f = *state;
	unsigned all = 0;

	arm_all(f);
	for (unsigned i = 0; i < MEMBERS; i++) {
		publish(f, 1);
		all = all * 10 + heard(f);
	}
	assert_int_equal(all, 124);
	publish(f, 1); /* all are awake */
	assert_int_equal(heard(f), 0);
	assert_int_equal(f->ring.lane.bells_rung, 3);
	assert_int_equal(f->ring.lane.bells_saved, 1);
	for (unsigned i = 0; i < MEMBERS; i++)
		assert_true(quoit_wake_end(&f->members[i].wake));

	arm_all(f); /* the next round begins behind the last one */
	quoit_wake_disarm(&f->members[0].wake);
	publish(f, 1);
	assert_int_equal(heard(f), 2);
	quoit_wake_arm(&f->members[0].wake);
	publish(f, 1);
	assert_int_equal(heard(f), 4);
	publish(f, 1);
	assert_int_equal(heard(f), 1);
}

static void who_leaves_something_calls_the_next_one(void **state)
{
	struct fixture *f = *state;

	arm_all(f);
	assert_false(quoit_spmc_pass_on(&f->ring)); /* there is nothing */
	publish(f, 2);
	assert_int_equal(heard(f), 1);
	assert_true(quoit_spmc_pass_on(&f->ring));
	assert_int_equal(heard(f), 2);
	assert_true(quoit_group_tell(&f->group));
	assert_int_equal(heard(f), 4);
	assert_false(quoit_spmc_pass_on(&f->ring)); /* there is nobody */
	take_all(f);
	arm_all(f);
	assert_false(quoit_spmc_pass_on(&f->ring));
	assert_int_equal(heard(f), 0);
	assert_int_equal(f->group.callers, 0);
}

static void a_close_rings_all_and_so_does_the_end(void **state)
{
	struct fixture *f = *state;

	arm_all(f);
	quoit_lane_close(&f->ring.lane);
	assert_int_equal(heard(f), 7);
	arm_all(f);
	quoit_lane_finish(&f->ring.lane);
	assert_int_equal(heard(f), 7);
	arm_all(f);
	quoit_group_tell_all(&f->group);
	assert_int_equal(heard(f), 7);
	quoit_group_tell_all(&f->group);
	assert_int_equal(heard(f), 0);
}

/* D-10, and what was meant for who left goes to another. */
static void who_leaves_waits_for_who_rings_and_passes_on(void **state)
{
	struct fixture *f = *state;

	arm_all(f);
	publish(f, 1);
	assert_int_equal(heard(f), 1); /* it was called, and goes */
	f->ring.lane.ringing = 1;
	assert_int_equal(quoit_spmc_leave(&f->ring, f->members[0].place), -EAGAIN);
	f->ring.lane.ringing = 0;
	f->group.callers = 1;
	assert_int_equal(quoit_spmc_leave(&f->ring, f->members[0].place), -EAGAIN);
	f->group.callers = 0;
	assert_int_equal(heard(f), 0);
	/* It is not rung any more while it waits. */
	quoit_wake_arm(&f->members[0].wake);
	for (int i = 0; i < 3; i++)
		publish(f, 1);
	assert_int_equal(heard(f), 6);
	arm_all(f);
	/* Its place is not anybody else's before it has gone. */
	assert_int_equal(quoit_spmc_join(&f->ring, &f->members[0].notify), -EUSERS);
	assert_int_equal(quoit_spmc_leave(&f->ring, f->members[0].place), 0);
	assert_int_equal(heard(f), 2);
	quoit_wake_arm(&f->members[0].wake);
	publish(f, 1);
	publish(f, 1);
	assert_int_equal(heard(f), 4);
	assert_int_equal(quoit_spmc_join(&f->ring, &f->members[0].notify), 0);
	publish(f, 1);
	assert_int_equal(heard(f), 1);
	quoit_lane_attach_group(&f->ring.lane, NULL);
	quoit_wake_arm(&f->members[0].wake);
	publish(f, 1);
	assert_int_equal(heard(f), 0);
}

static void publish_on(struct quoit_mpmc_producer *producer)
{
	size_t at;

	assert_int_equal(quoit_mpmc_reserve(producer, 1, &at), 1);
	quoit_mpmc_commit(producer, 1);
}

static void all_lanes_of_an_mpmc_ring_share_a_group(void **state)
{
	struct fixture *f = *state;
	const struct quoit_mpmc_options options = {
		.slot_bytes = 8,
		.capacity_slots = SLOTS,
		.producers_most = 2,
		.consumers_most = MEMBERS,
		.node = QUOIT_MPMC_ANYWHERE,
	};
	struct quoit_mpmc_options many = options;
	struct quoit_mpmc_producer first, second;
	struct quoit_mpmc *ring;

	many.consumers_most = QUOIT_GROUP_MOST + 1;
	assert_int_equal(quoit_mpmc_create(&many, &ring), 0);
	assert_int_equal(quoit_mpmc_attach_group(ring, &f->group), -EINVAL);
	quoit_mpmc_destroy(ring);

	assert_int_equal(quoit_mpmc_create(&options, &ring), 0);
	assert_int_equal(quoit_mpmc_register_producer(ring, &first), 0);
	assert_int_equal(quoit_mpmc_attach_group(ring, &f->group), 0);
	for (int i = 0; i < MEMBERS; i++)
		assert_int_equal(quoit_mpmc_join(ring, &f->members[i].notify), i);
	assert_int_equal(quoit_mpmc_join(ring, &f->members[0].notify), -EUSERS);
	assert_int_equal(quoit_mpmc_register_producer(ring, &second), 0); /* a new lane */
	arm_all(f);
	publish_on(&second);
	assert_int_equal(heard(f), 1);
	publish_on(&first);
	assert_int_equal(heard(f), 2);
	second.lane->lane.ringing = 1;
	assert_int_equal(quoit_mpmc_leave(ring, 0), -EAGAIN);
	second.lane->lane.ringing = 0;
	f->group.callers = 1;
	assert_int_equal(quoit_mpmc_leave(ring, 0), -EAGAIN);
	f->group.callers = 0;
	assert_int_equal(quoit_mpmc_leave(ring, 0), 0);
	assert_int_equal(heard(f), 4); /* what is left */
	arm_all(f);
	assert_true(quoit_mpmc_pass_on(ring));
	assert_int_equal(heard(f), 2);
	quoit_mpmc_close(ring);
	assert_int_equal(heard(f), 4); /* the first has gone, the second is awake */
	quoit_mpmc_deregister_producer(&first);
	quoit_mpmc_deregister_producer(&second);
	quoit_mpmc_destroy(ring);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_group_has_as_many_places_as_were_asked_for),
		WITH_FIXTURE(all_places_of_the_largest_group_are_rung),
		WITH_FIXTURE(each_publication_rings_one_sleeper_in_rotation),
		WITH_FIXTURE(who_leaves_something_calls_the_next_one),
		WITH_FIXTURE(a_close_rings_all_and_so_does_the_end),
		WITH_FIXTURE(who_leaves_waits_for_who_rings_and_passes_on),
		WITH_FIXTURE(all_lanes_of_an_mpmc_ring_share_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
