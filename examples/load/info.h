/* SPDX-License-Identifier: MIT */
/*
 * info.h - what the server tells about its cores: the section `quoit` of INFO.
 *
 *	# Quoit
 *	cores:2
 *	core0:requests=812,local=400,forwarded=412,messages_in=...
 *
 * What a server does not tell is missing here too, and shown as such.
 */
#ifndef LOAD_INFO_H
#define LOAD_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	INFO_CORES_MAX = 1024,
	INFO_REPLY_BYTES = 512 << 10,
};

enum info_field {
	INFO_REQUESTS,
	INFO_LOCAL,
	INFO_FORWARDED,
	INFO_MESSAGES_IN,
	INFO_MESSAGES_OUT,
	INFO_BATCHES,
	INFO_BELLS_RUNG,
	INFO_BELLS_SAVED,
	INFO_ENTERS,
	INFO_TURNS,
	INFO_SLEEPS,
	INFO_CONNECTIONS,
	INFO_FIELDS,
};

struct info_core {
	uint64_t value[INFO_FIELDS];
	uint32_t told; /* bit f: value[f] came from the server */
};

struct info {
	unsigned core_count; /* 0: the server tells nothing */
	uint64_t at_ns;	     /* when it was asked */
	struct info_core cores[INFO_CORES_MAX];
};

static inline bool info_tells(const struct info_core *c, enum info_field f)
{
	return c->told >> f & 1;
}

/* Read the text of an INFO reply. Lines and fields that are unknown or damaged count as missing. */
void info_parse(struct info *info, const char *text, size_t len);

/* What was counted between two readings. Connections are no count: the later figure is kept. */
void info_since(struct info *out, const struct info *before, const struct info *after);

/* All cores together; tells a field if each core does. */
struct info_core info_sum(const struct info *info);

/*
 * Ask the server over a socket of its own, which waits for at most as long as it was set to.
 * Errors: -errno, -EPROTO for what is no INFO reply; then *info is untouched.
 */
int info_fetch(struct info *info, int fd);

#endif
