/* SPDX-License-Identifier: MIT */
/*
 * resp.c - the parser of RESP2 requests.
 *
 * An array is walked twice: first only its heads are looked at, from where the last call stopped,
 * until all of it is there; then the arguments are noted in one go. So no argument list has to be
 * kept per connection. An array that is complete at first sight is walked once.
 */
#include "resp.h"
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static long refuse(struct resp_request *out,
							 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out->error, sizeof out->error, format, args);
	va_end(args);
	return -EPROTO;
}

static long wait_for(struct resp_progress *progress, size_t need)
{
	progress->need = need;
	return 0;
}

enum head {
	HEAD_WHOLE,
	HEAD_PART,
	HEAD_TOO_LONG
};

/*
 * Look for the end of the head that starts at `at`: *end is the offset of its '\r', and the byte
 * after that is there too. Like redis this takes any byte in the place of '\n'.
 */
static enum head find_head_end(const char *data, size_t len, size_t at,
			       struct resp_progress *progress, size_t *end)
{
	const size_t from = progress->searched > at ? progress->searched : at;
	const size_t most = len - at > RESP_LINE_MAX + 1 ? at + RESP_LINE_MAX + 1 : len;
	const char *const cr = from < most ? memchr(data + from, '\r', most - from) : NULL;

	if (cr == NULL && len - at > RESP_LINE_MAX)
		return HEAD_TOO_LONG;
	*end = cr != NULL ? (size_t)(cr - data) : len;
	if (*end + 1 < len)
		return HEAD_WHOLE;
	progress->searched = *end;
	progress->need = len + 1;
	return HEAD_PART;
}

/* redis maps the line ends in an error to spaces, lest they end the reply. */
static char printable(char c)
{
	return c == '\r' || c == '\n' ? ' ' : c;
}

/*
 * Walk the bulk strings of an array from progress->scanned on. Returns the offset behind the last
 * one, 0 or -EPROTO. Notes the arguments if args is not NULL.
 */
static long walk(const char *data, size_t len, const struct resp_limits *limits,
		 struct resp_progress *progress, struct resp_arg *args, struct resp_request *out)
{
	while (progress->args_left > 0) {
		const size_t at = progress->scanned;
		size_t end;
		int64_t bytes;
		const enum head head = find_head_end(data, len, at, progress, &end);

		if (head == HEAD_PART)
			return 0;
		if (head == HEAD_TOO_LONG)
			return refuse(out, "Protocol error: too big bulk count string");
		if (data[at] != '$')
			return refuse(out, "Protocol error: expected '$', got '%c'",
				      printable(data[at]));
		if (!number_parse(data + at + 1, end - at - 1, &bytes) || bytes < 0 ||
		    (uint64_t)bytes > limits->bulk_bytes)
			return refuse(out, "Protocol error: invalid bulk length");

		const size_t body = end + 2;
		const size_t behind = body + (size_t)bytes + 2;

		if (behind > limits->request_bytes)
			return refuse(out, "Protocol error: too big request (at most %zu bytes)",
				      limits->request_bytes);
		if (behind > len)
			return wait_for(progress, behind);
		if (args != NULL)
			*args++ = (struct resp_arg){.data = data + body, .len = (size_t)bytes};
		progress->scanned = behind;
		progress->args_left--;
	}
	return (long)progress->scanned;
}

/* The head of an array. Returns the offset behind it, 0 or -EPROTO. */
static long array_head(const char *data, size_t len, const struct resp_limits *limits,
		       struct resp_progress *progress, struct resp_request *out, int64_t *count)
{
	size_t end;
	const enum head head = find_head_end(data, len, 0, progress, &end);

	if (head == HEAD_PART)
		return 0;
	if (head == HEAD_TOO_LONG)
		return refuse(out, "Protocol error: too big mbulk count string");
	if (!number_parse(data + 1, end - 1, count) || *count > INT32_MAX)
		return refuse(out, "Protocol error: invalid multibulk length");
	if (*count > 0 && (uint64_t)*count > limits->args)
		return refuse(out, "Protocol error: too many arguments (at most %zu)",
			      limits->args);
	return (long)end + 2;
}

static long parse_array(const char *data, size_t len, const struct resp_limits *limits,
			struct resp_progress *progress, struct resp_request *out)
{
	if (progress->args_left > 0) { /* its head is known, its body was not complete */
		const long taken = walk(data, len, limits, progress, NULL, out);

		if (taken <= 0)
			return taken;
		*progress = (struct resp_progress){0};
	}
	int64_t count = 0;
	const long body = array_head(data, len, limits, progress, out, &count);

	if (body <= 0 || count <= 0)
		return body;
	progress->scanned = (size_t)body;
	progress->args_left = count;
	const long taken = walk(data, len, limits, progress, out->args, out);

	if (taken > 0)
		out->argc = (size_t)count;
	return taken;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that a backslash stands for in double quotes; *at moves to the last byte of it. */
static char unescape(const char *line, size_t len, size_t *at)
{
	const char *const p = line + *at;

	if (len - *at > 3 && p[1] == 'x' && hex(p[2]) >= 0 && hex(p[3]) >= 0) {
		*at += 3;
		return (char)(hex(p[2]) << 4 | hex(p[3]));
	}
	*at += 1;
	switch (p[1]) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'b':
		return '\b';
	case 'a':
		return '\a';
	default:
		return p[1];
	}
}

/*
 * A quoted part that starts behind its quote at *at, unquoted to *to. False if the closing quote is
 * missing or anything but a space follows it.
 */
static bool unquote(const char *line, size_t len, size_t *at, char **to)
{
	const char quote = line[*at - 1];

	for (; *at < len; ++*at) {
		const char c = line[*at];

		if (c == quote) {
			++*at;
			return *at == len || isspace((unsigned char)line[*at]);
		}
		if (c == '\\' && *at + 1 < len && quote == '"')
			*(*to)++ = unescape(line, len, at);
		else if (c == '\\' && *at + 1 < len && line[*at + 1] == '\'')
			*(*to)++ = line[++*at];
		else
			*(*to)++ = c;
	}
	return false;
}

static bool ends_word(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/*
 * One word of a line from *at on. A word without quotes stays where it is; from the first quote on
 * it is put together in scratch, which a line can never overrun: no byte of it becomes two.
 */
static bool take_word(const char *line, size_t len, size_t *at, char **scratch,
		      struct resp_arg *arg)
{
	const size_t start = *at;

	while (*at < len && !ends_word(line[*at]) && line[*at] != '"' && line[*at] != '\'')
		++*at;
	*arg = (struct resp_arg){.data = line + start, .len = *at - start};
	if (*at == len || ends_word(line[*at]))
		return true;

	char *to = *scratch;

	memcpy(to, arg->data, arg->len);
	to += arg->len;
	for (; *at < len && !ends_word(line[*at]); ++*at) {
		if (line[*at] == '"' || line[*at] == '\'') {
			++*at;
			if (!unquote(line, len, at, &to))
				return false;
			break; /* a closing quote ends the word */
		}
		*to++ = line[*at];
	}
	*arg = (struct resp_arg){.data = *scratch, .len = (size_t)(to - *scratch)};
	*scratch = to;
	return true;
}

static long parse_line(const char *data, size_t len, const struct resp_limits *limits,
		       struct resp_progress *progress, struct resp_request *out)
{
	const size_t most = len > RESP_LINE_MAX + 1 ? RESP_LINE_MAX + 1 : len;
	const size_t from = progress->searched;
	const char *const newline = memchr(data + from, '\n', most - from);

	if (newline == NULL) {
		if (len > RESP_LINE_MAX)
			return refuse(out, "Protocol error: too big inline request");
		progress->searched = len;
		return wait_for(progress, len + 1);
	}
	size_t line = (size_t)(newline - data);

	if (line > 0 && data[line - 1] == '\r')
		line--;
	char *scratch = out->scratch;

	for (size_t at = 0;;) {
		while (at < line && isspace((unsigned char)data[at]))
			at++;
		if (at == line)
			break;
		if (out->argc == limits->args)
			return refuse(out, "Protocol error: too many arguments (at most %zu)",
				      limits->args);
		if (!take_word(data, line, &at, &scratch, &out->args[out->argc]))
			return refuse(out, "Protocol error: unbalanced quotes in request");
		out->argc++;
	}
	return newline - data + 1;
}

long resp_parse(const char *data, size_t len, const struct resp_limits *limits,
		struct resp_progress *progress, struct resp_request *out)
{
	out->argc = 0;
	if (len == 0 || len < progress->need)
		return len == 0 ? wait_for(progress, 1) : 0;

	const long taken = data[0] == '*' ? parse_array(data, len, limits, progress, out)
					  : parse_line(data, len, limits, progress, out);

	if (taken != 0)
		*progress = (struct resp_progress){0};
	return taken;
}
