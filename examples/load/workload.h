/* SPDX-License-Identifier: MIT */
/*
 * workload.h - the requests of one connection, each with the one reply that is right.
 */
#ifndef LOAD_WORKLOAD_H
#define LOAD_WORKLOAD_H

#include "model.h"

enum {
	WORKLOAD_KEYS_MAX = 8, /* in one request */

	/* The most that one request, or its reply, may take. */
	WORKLOAD_BYTES_MAX = WORKLOAD_KEYS_MAX * (VALUE_BYTES_MAX + KEY_BYTES_MAX + 32) + 64,
};

struct workload {
	struct model model;
	bool sweeping;
	size_t swept;		/* keys deleted by the closing sweep */
	struct bytes one_value; /* scratch: a value's length stands before it */
};

int workload_init(struct workload *w, uint64_t run, unsigned connection, size_t key_count);
void workload_fini(struct workload *w);

/* From now on only delete every key, each of which must be there exactly if the model says so. */
void workload_sweep(struct workload *w);

/*
 * Put the next request, and the bytes that must answer it. False if there is none: the sweep is
 * over. Both queues must have space for WORKLOAD_BYTES_MAX.
 */
bool workload_next(struct workload *w, struct bytes *request, struct bytes *reply);

#endif
