/* SPDX-License-Identifier: MIT */
/*
 * group.h - several readers of one shared ring, who sleep each by itself: one of them is rung.
 *
 * The crowd of crowd.h is for threads that sleep on nothing but the ring. A reader that sleeps in
 * an io_uring or an epoll set, for many things at once, has an armed flag and an eventfd instead
 * (notify.h), and joins the ring's group with them. A publisher fences once, and then tries the
 * members' flags one after the other, beginning behind the one that was rung last, until it has
 * taken one down; that one it rings. If none is up, nobody sleeps, and nobody is rung.
 *
 * A reader whose flag a publisher has taken down is *called*: quoit_wake_end() tells, slept or not.
 * Nobody else was rung for what had happened, so it must look at the ring; and if something is left
 * behind its own claim, then call the next one before it handles what it has claimed
 * (quoit_spmc_pass_on(), quoit_mpmc_pass_on()). The argument is that of crowd.h. Say an item is
 * published and unclaimed, and Z is asleep. Z armed, fenced, and did not see it, so its publisher's
 * fence came after Z's: it found Z's flag up, unless it first took down another's, H's. H learns of
 * it by the exchange that ends its own arming, so H's fence comes after the publisher's and Z's,
 * and H sees the item and Z's flag, or another H took it down.
 *
 * Members come and go while producers run. Who leaves may have been called at the last moment, and
 * nobody else was: leaving passes on what there is.
 *
 * edge    released by                   acquired by                   carries
 * attach  quoit_group_join (cas)        quoit__group_ring             flag and eventfd of a member
 * call    quoit_wake_owed               quoit_wake_end                see notify.h
 * change, quit: who is a member, see notify.h
 */
#ifndef QUOIT_RINGS_GROUP_H
#define QUOIT_RINGS_GROUP_H

#include <quoit/rings/notify.h>

QUOIT_C_BEGIN

#define QUOIT_GROUP_MOST ((size_t)64) /* members at the same time */

/* Caller's memory, aligned to QUOIT_ISOLATION. It must outlive every publisher and member. */
struct quoit_group {
	QUOIT_ISOLATED struct quoit_notify *members[QUOIT_GROUP_MOST]; /* NULL: a free place */
	uint32_t most;

	QUOIT_ISOLATED uint32_t next; /* where the next call begins: a hint */
	uint32_t callers;	      /* who passes on or closes, and may touch a member */
};

/*
 * Begin without members, and places for so many.
 * Thread: before anybody uses it.   Errors: -EINVAL for none or above QUOIT_GROUP_MOST.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_group_init(struct quoit_group *group, size_t most)
{
	if (!most || most > QUOIT_GROUP_MOST)
		return -22; /* -EINVAL */
	for (size_t i = 0; i < QUOIT_GROUP_MOST; i++)
		group->members[i] = NULL;
	group->most = (uint32_t)most;
	group->next = group->callers = 0;
	return 0;
}

/* Ring this member, if there is one that sleeps; tells whether it did. */
QUOIT_HOT bool quoit__group_ring(struct quoit_group *group, size_t i)
{
	/* attach: pairs with quoit_group_join() */
	struct quoit_notify *const member = quoit_load_acquire(&group->members[i]);

	if (!member || !quoit_wake_owed(member->wake))
		return false;
	(void)quoit_notify_ring(member); /* fails only on a closed fd: the contract of joining */
	return true;
}

/*
 * Ring one sleeping member. Behind a fence, and between the marks of notify.h: a producer's, or
 * those of quoit_group_tell().
 */
QUOIT_HOT bool quoit__group_call(struct quoit_group *group)
{
	const uint32_t most = group->most;
	uint32_t i = quoit_load(&group->next); /* hint */

	for (uint32_t left = most; left; left--) {
		const uint32_t here = i < most ? i : 0;

		i = here + 1;
		if (quoit_unlikely(quoit__group_ring(group, here))) {
			quoit_store(&group->next, i); /* hint */
			return true;
		}
	}
	return false;
}

/*
 * Ring one sleeping member, after a store that they must not miss: a member passes on by it.
 * Thread: any.   Cost: two atomic adds, a fence, and a look at each member.
 */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT bool quoit_group_tell(struct quoit_group *group)
{
	bool rang;

	quoit__notify_enter(&group->callers);
	rang = quoit__group_call(group);
	quoit__notify_leave(&group->callers);
	return rang;
}

/* Ring all that sleep, for what concerns each: a close. Thread: any. */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_group_tell_all(struct quoit_group *group)
{
	quoit__notify_enter(&group->callers);
	for (size_t i = 0; i < group->most; i++)
		(void)quoit__group_ring(group, i);
	quoit__notify_leave(&group->callers);
}

/*
 * Take a free place: gives which. The ring's own functions settle with its producers: see
 * quoit_spmc_join() and quoit_mpmc_join().
 * Thread: any.   Errors: -EUSERS if all are taken.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_group_join(struct quoit_group *group,
						struct quoit_notify *member)
{
	for (uint32_t i = 0; i < group->most; i++) {
		if (quoit_load(&group->members[i])) /* hint: the cas looks again */
			continue;
		/* attach: pairs with quoit__group_ring() */
		if (quoit_cas(&group->members[i], (struct quoit_notify *)NULL, member))
			return (int)i;
	}
	return -87; /* -EUSERS */
}

/* Put nobody into a member's place, and NULL once it is settled. Thread: the member's. */
QUOIT_HOT void quoit__group_put(struct quoit_group *group, int place, struct quoit_notify *notify)
{
	/* Carries nothing: nobody has always been there. quoit__notify_settle() fences. */
	quoit_store(&group->members[place], notify);
}

QUOIT_C_END

#endif
