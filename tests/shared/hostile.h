/* SPDX-License-Identifier: MIT */
/* hostile.h - what the peer of a ring can do to us, and what must come of it. */
#ifndef QUOIT_TESTS_SHARED_HOSTILE_H
#define QUOIT_TESTS_SHARED_HOSTILE_H

#include <stdio.h>

#include <shared/hostile_play.h>
#include <stress/stress.h>

#define HOSTILE_MOST ((size_t)65536) /* bytes of a file that we accept */

struct hostile_count {
	uint64_t headers;
	uint64_t accepted;
	uint64_t accepted_bad; /* attached to what is no ring */
	uint64_t refused_good;
	uint64_t speechless; /* refused without a reason */
	uint64_t receives;   /* calls */
	uint64_t items;	     /* that they gave */
	uint64_t attached;   /* times, to a ring that is being scribbled on */
	uint64_t poisoned;
};

/* A memory file that the peer has sealed, after mapping it to write. */
struct hostile_file {
	int fd;
	size_t bytes;
	bool hardened;
	struct quoit_shring_header *header;
};

typedef int (*hostile_attach)(const int *fds, size_t fd_count,
			      const struct quoit_shring_options *options,
			      struct quoit_shring **ring, struct quoit_reason *why);

/* --- hostile_file.c --- */

void hostile_open(struct hostile_file *file, size_t bytes, bool hardened);
void hostile_close(struct hostile_file *file);

/* Write what a ring of this shape begins with. */
void hostile_describe(struct hostile_file *file, uint32_t bits, uint32_t slot_bytes);

struct quoit_shring_options hostile_options(enum quoit_shring_role role);

/* Run it in a child: true if that was ended by a signal. */
bool hostile_crashes(void (*run)(void));

/* --- hostile_header.c --- */

void hostile_headers(uint64_t count, uint64_t seed, hostile_attach attach, struct hostile_count *n);

/* Attaches to whatever has the right first word: what a check that was forgotten would do. */
int hostile_attach_blindly(const int *fds, size_t fd_count,
			   const struct quoit_shring_options *options, struct quoit_shring **ring,
			   struct quoit_reason *why);

/* --- hostile_live.c --- */

/* Receive and send against a process that scribbles. */
void hostile_live(uint64_t receives, uint64_t seed, struct hostile_count *n);

/* The same with a consumer that believes what it reads: it must crash. */
void hostile_live_believing(void);

/* --- hostile_kinds.c --- */

/* Descriptors of every other kind, floods of them, files that change, bells that block. */
void hostile_kinds(void);

#endif
