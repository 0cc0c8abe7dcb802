/* SPDX-License-Identifier: MIT */
/*
 * link.h - the place in a queue that an object of the caller's carries for the library.
 *
 * Public only so that tasks, polls and the like can live in the caller's memory: nothing here is
 * for anybody else to touch. list_internal.h has what is done with it.
 */
#ifndef QUOIT_IO_LINK_H
#define QUOIT_IO_LINK_H

struct quoit_link {
	struct quoit_link *next;
	struct quoit_link *prev;
};

#endif
