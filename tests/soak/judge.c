/* SPDX-License-Identifier: MIT */
/*
 * judge.c - what arrived: each item whole, each number once, and growing in its lane.
 *
 * A consumer keeps a bit for each number of each producer; at the end the consumers' bits are put
 * together. With a fault the judge is lied to, about one item: the self-test looks that it notices.
 */
#include <soak/soak.h>

static void note(struct soak_thread *t, const struct soak_item *item)
{
	struct ledger *ledger;
	uint64_t *next, doubled;

	if (quoit_unlikely(item->word != soak_word(item->number, item->producer, item->lane) ||
			   item->producer >= SOAK_SIDE_MOST || item->lane >= SOAK_LANES)) {
		t->torn++;
		return;
	}
	ledger = &t->got[item->producer];
	doubled = ledger->doubled;
	ledger_note(ledger, item->number);
	if (ledger->doubled != doubled)
		return;
	next = &t->next[item->lane][item->producer];
	if (quoit_unlikely(item->number < *next))
		t->reordered++;
	else
		*next = item->number + 1;
}

/* Tell the judge about the next item, and not the truth. */
static void note_faulty(struct soak_thread *t, const struct soak_item *item)
{
	struct soak_item other = *item;

	if (t->is_swapping) {
		note(t, item);
		if (item->lane == t->swapped.lane && item->producer == t->swapped.producer) {
			t->is_swapping = false;
			note(t, &t->swapped);
			t->run->faults++;
		}
		return;
	}
	if (quoit_add(&t->run->until_fault, -1) != 1) {
		note(t, item);
		return;
	}
	t->run->faults += t->run->fault != SOAK_SWAP;
	switch (t->run->fault) {
	case SOAK_DOUBLE:
		note(t, item);
		note(t, item);
		break;
	case SOAK_SWAP:
		t->swapped = *item;
		t->is_swapping = true;
		break;
	case SOAK_TEAR:
		other.number ^= 1;
		note(t, &other);
		break;
	default:
		break; /* lost */
	}
}

void soak_note(struct soak_thread *t, const struct soak_item *items, size_t n)
{
	if (quoit_unlikely(t->run->fault)) {
		for (size_t i = 0; i < n; i++)
			note_faulty(t, &items[i]);
		return;
	}
	for (size_t i = 0; i < n; i++)
		note(t, &items[i]);
}

void soak_note_end(struct soak_thread *t)
{
	if (t->is_swapping)
		note(t, &t->swapped); /* there was no next one */
	t->is_swapping = false;
}

void soak_note_number(struct soak_thread *t, uint64_t number, bool is_whole)
{
	struct soak_item item;

	soak_fill(&item, number, 0, 0);
	item.word += !is_whole;
	soak_note(t, &item, 1);
}

void soak_judge(struct soak_run *run, struct soak_verdict *v)
{
	struct ledger *const all = run->consumers[0].got;

	for (uint32_t c = 0; c < run->kind->consumers; c++) {
		v->reordered += run->consumers[c].reordered;
		v->torn += run->consumers[c].torn;
		v->stalls += run->consumers[c].stalls;
	}
	for (uint32_t p = 0; p < run->kind->producers; p++) {
		for (uint32_t c = 1; c < run->kind->consumers; c++)
			ledger_merge(&all[p], &run->consumers[c].got[p]);
		v->messages += all[p].distinct;
		v->lost += ledger_lost(&all[p]);
		v->doubled += all[p].doubled;
		v->torn += all[p].foreign;
		v->stalls += run->producers[p].stalls;
	}
}
