/* SPDX-License-Identifier: MIT */
/*
 * list_internal.h - a queue of objects that carry their own link: append, take the first, remove.
 *
 * Doubly linked and circular, so that an object can leave from the middle without a search. A link
 * that is in no list points at itself.
 */
#ifndef QUOIT_IO_LIST_INTERNAL_H
#define QUOIT_IO_LIST_INTERNAL_H

#include <quoit/io/link.h>
#include <quoit/numa/machine.h>

QUOIT_HOT void quoit_link_init(struct quoit_link *link)
{
	link->next = link->prev = link;
}

QUOIT_HOT bool quoit_link_is_in(const struct quoit_link *link)
{
	return link->next != link;
}

/* Append to the list, unless it is in one already. */
QUOIT_HOT void quoit_link_append(struct quoit_link *list, struct quoit_link *link)
{
	if (quoit_link_is_in(link))
		return;
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

QUOIT_HOT void quoit_link_remove(struct quoit_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	quoit_link_init(link);
}

/* The first of the list, taken off it; NULL when the list is empty. */
QUOIT_HOT struct quoit_link *quoit_link_take(struct quoit_link *list)
{
	struct quoit_link *first = list->next;

	if (first == list)
		return NULL;
	quoit_link_remove(first);
	return first;
}

/* Move everything to an empty list: what is appended meanwhile waits for the next round. */
QUOIT_HOT void quoit_link_move_all(struct quoit_link *from, struct quoit_link *to)
{
	quoit_link_init(to);
	if (!quoit_link_is_in(from))
		return;
	to->next = from->next;
	to->prev = from->prev;
	to->next->prev = to->prev->next = to;
	quoit_link_init(from);
}

#endif
