/* SPDX-License-Identifier: MIT */
/*
 * notifier.c - rings/notifier.h for what no ring carries: a word that somebody stores, and a bell
 * if the reader sleeps.
 *
 * The reader waits as it does inside epoll: arm, look at the word, sleep, disarm. Several may store
 * and signal; none may be missed.
 */
#include <model/targets/list.h>

#include <quoit/rings/notifier.h>

enum flaw {
	FLAWLESS,
	SIGNAL_FIRST, /* signals before the store that the reader must not miss */
	NO_LOOK,      /* sleeps without looking once more */
};

struct plan {
	uint32_t signals; /* of each */
	enum flaw flaw;
};

static struct {
	struct quoit_notifier notifier;
	QUOIT_ISOLATED uint32_t words[2]; /* one for each who signals */
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.notifier.wake.armed, 4, "armed");
	model_name(&s.words[0], 4, "word");
	model_name(&s.words[1], 4, "word 2");
}

static void setup(const void *arg)
{
	(void)arg;
	s.notifier.notify = (struct quoit_notify){&s.notifier.wake, 0};
}

static void tell(const struct plan *plan, uint32_t *word)
{
	for (uint32_t i = 1; i <= plan->signals; i++) {
		if (plan->flaw == SIGNAL_FIRST)
			(void)quoit_notifier_signal_if_waiting(&s.notifier);
		quoit_store_release(word, i);
		if (plan->flaw != SIGNAL_FIRST)
			(void)quoit_notifier_signal_if_waiting(&s.notifier);
	}
}

static void teller(const void *arg)
{
	tell(arg, &s.words[0]);
}

static void teller2(const void *arg)
{
	tell(arg, &s.words[1]);
}

static void wait_for(const struct plan *plan, unsigned words)
{
	for (;;) {
		bool all = true;

		if (plan->flaw != NO_LOOK)
			quoit_notifier_arm(&s.notifier);
		for (unsigned i = 0; i < words; i++)
			all = all && quoit_load_acquire(&s.words[i]) == plan->signals;
		if (plan->flaw == NO_LOOK)
			quoit_notifier_arm(&s.notifier);
		if (all)
			break;
		model_wait(&s.notifier.notify);
		quoit_notifier_disarm(&s.notifier);
	}
}

static void reader(const void *arg)
{
	wait_for(arg, 1);
}

static void reader_of_two(const void *arg)
{
	wait_for(arg, 2);
}

#define GROUP	      "notifier"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

TARGET(one, setup, NULL, THREAD(teller), THREAD(reader));
TARGET(two, setup, NULL, THREAD(teller), THREAD(teller2), THREAD(reader_of_two));

#define LOSES(text, function, kind, order) \
	BREAKS(text, one, "no bell rings", function, kind, order, .signals = 1)
#define UNHEARD(text, flaw_) FLAWED(text, one, "no bell rings", .signals = 1, .flaw = flaw_)

const struct model_case model_notifier_cases[] = {
	CORRECT("one who tells", one, 3, 2, .signals = 2),
	CORRECT("two who tell", two, 2, 1, .signals = 1),
	LOSES("no fence at the teller (D-01)", "quoit_wake_fence", MODEL_FENCE, MODEL_DROPPED),
	LOSES("only acquire and release at the teller", "quoit_wake_fence", MODEL_FENCE,
	      MODEL_ACQ_REL),
	LOSES("no fence at the reader (D-01)", "quoit_wake_arm", MODEL_FENCE, MODEL_DROPPED),
	UNHEARD("the bell before the store", SIGNAL_FIRST),
	UNHEARD("the look before the arming", NO_LOOK),
	{.target = NULL},
};
