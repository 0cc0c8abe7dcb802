/* SPDX-License-Identifier: MIT */
/*
 * info.c - INFO quoit, asked for and read.
 */
#include "info.h"
#include "drive.h"
#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const field_names[INFO_FIELDS] = {
	[INFO_REQUESTS] = "requests",
	[INFO_LOCAL] = "local",
	[INFO_FORWARDED] = "forwarded",
	[INFO_MESSAGES_IN] = "messages_in",
	[INFO_MESSAGES_OUT] = "messages_out",
	[INFO_BATCHES] = "batches",
	[INFO_BELLS_RUNG] = "bells_rung",
	[INFO_BELLS_SAVED] = "bells_saved",
	[INFO_ENTERS] = "enters",
	[INFO_TURNS] = "turns",
	[INFO_SLEEPS] = "sleeps",
	[INFO_CONNECTIONS] = "connections",
};

/* Digits at the start of the text: how many, and what they say; 0 if none or too many. */
static size_t digits(const char *text, size_t len, uint64_t *out)
{
	size_t at = 0;
	uint64_t n = 0;

	for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[at] - '0'), &n))
			return 0;
	}
	*out = n;
	return at;
}

/* One `name=value`. */
static void parse_field(struct info_core *core, const char *text, size_t len)
{
	const char *const equals = memchr(text, '=', len);

	if (!equals)
		return;

	const size_t name = (size_t)(equals - text);
	const size_t rest = len - name - 1;
	uint64_t value;

	if (!rest || digits(equals + 1, rest, &value) != rest)
		return;
	for (unsigned f = 0; f < INFO_FIELDS; f++) {
		if (strlen(field_names[f]) != name || memcmp(field_names[f], text, name) != 0)
			continue;
		core->value[f] = value;
		core->told |= 1U << f;
	}
}

/* `core7:name=value,name=value`. */
static void parse_line(struct info *info, const char *line, size_t len)
{
	uint64_t number;

	if (len < 4 || memcmp(line, "core", 4) != 0)
		return;

	const size_t name = 4 + digits(line + 4, len - 4, &number);

	if (name == 4 || name >= len || line[name] != ':' || number >= INFO_CORES_MAX)
		return;
	if (number >= info->core_count)
		info->core_count = (unsigned)number + 1;

	const char *const end = line + len;

	for (const char *at = line + name + 1; at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));

		if (!comma)
			comma = end;
		parse_field(&info->cores[number], at, (size_t)(comma - at));
		at = comma + 1;
	}
}

void info_parse(struct info *info, const char *text, size_t len)
{
	const char *const end = text + len;

	memset(info, 0, sizeof(*info));
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (!newline)
			newline = end;

		size_t line_bytes = (size_t)(newline - line);

		if (line_bytes && line[line_bytes - 1] == '\r')
			line_bytes--;
		parse_line(info, line, line_bytes);
		line = newline + 1;
	}
}

void info_since(struct info *out, const struct info *before, const struct info *after)
{
	*out = *after;
	for (unsigned i = 0; i < after->core_count; i++) {
		struct info_core *const core = &out->cores[i];

		for (unsigned f = 0; f < INFO_FIELDS; f++) {
			const uint64_t old = before->cores[i].value[f];

			if (f != INFO_CONNECTIONS && core->value[f] >= old)
				core->value[f] -= old;
		}
	}
}

struct info_core info_sum(const struct info *info)
{
	struct info_core sum = {.told = info->core_count ? UINT32_MAX : 0};

	for (unsigned i = 0; i < info->core_count; i++) {
		for (unsigned f = 0; f < INFO_FIELDS; f++)
			sum.value[f] += info->cores[i].value[f];
		sum.told &= info->cores[i].told;
	}
	return sum;
}

/* The text of a bulk string that was received whole. */
static int parse_reply(struct info *info, const char *reply, size_t len)
{
	const char *const text = memchr(reply, '\n', len);

	if (reply[0] != '$' || reply[1] == '-' || !text)
		return -EPROTO;
	info_parse(info, text + 1, len - (size_t)(text + 1 - reply) - 2);
	return 0;
}

int info_fetch(struct info *info, int fd)
{
	static const char question[] = "*2\r\n$4\r\nINFO\r\n$5\r\nquoit\r\n";
	static char reply[INFO_REPLY_BYTES];
	const uint64_t at_ns = now_ns();
	size_t held = 0;
	ssize_t whole = 0;

	if (send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0)
		return -errno;
	while (whole == 0) {
		const ssize_t n = recv(fd, reply + held, sizeof(reply) - held, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return held < sizeof(reply) ? -ECONNRESET : -EPROTO;
		if (n > 0)
			held += (size_t)n;
		whole = reply_measure(reply, held);
	}
	if (whole < 0 || (size_t)whole != held)
		return -EPROTO;

	const int rc = parse_reply(info, reply, held);

	if (rc == 0)
		info->at_ns = at_ns;
	return rc;
}
