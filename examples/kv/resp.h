/* SPDX-License-Identifier: MIT */
/*
 * resp.h - the parser of RESP2 requests: the bytes of a connection become arguments.
 *
 * A request is an array of bulk strings ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") or a line of words
 * ("GET k\r\n", for people with a terminal). The parser works on a contiguous span that starts at
 * the first byte not consumed yet. It copies nothing (only quoted words of a line are unquoted into
 * a scratch buffer), allocates nothing, whatever length is announced, and sees the same requests no
 * matter how the bytes were cut on their way. What redis-server 7.0 accepts is accepted and what it
 * refuses is refused with the same words, save that a NUL byte is an ordinary byte in a line.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include <stddef.h>
#include <stdint.h>

/* The longest line, be it an inline request or the head of an array or bulk string. As redis. */
#define RESP_LINE_MAX ((size_t)64 << 10)

#define RESP_ERROR_MAX 96

struct resp_arg {
	const char *data;
	size_t len;
};

/* What a client may send. All three can be set; these are what the server uses by default. */
struct resp_limits {
	size_t args;	      /* arguments of one request, its name included */
	size_t bulk_bytes;    /* one argument */
	size_t request_bytes; /* one request, its framing included */
};

#define RESP_LIMITS_DEFAULT    \
	((struct resp_limits){ \
		.args = 1024, .bulk_bytes = (size_t)1 << 20, .request_bytes = (size_t)4 << 20})

/*
 * How far an unfinished request has been looked at, one per connection, all zero at first. With it
 * a request that comes in drops is scanned once and not from its start with every drop. The parser
 * clears it when the request ends.
 */
struct resp_progress {
	size_t scanned;	   /* of an array: what is behind us, whole */
	size_t searched;   /* no line end from there to here */
	size_t need;	   /* see resp_parse() */
	int64_t args_left; /* of an array: bulk strings from `scanned` on */
};

/*
 * The outcome. `args` (room for limits.args) and `scratch` (RESP_LINE_MAX bytes) are the caller's,
 * one of each per core is enough; the rest is the parser's. An empty line, "*0" and "*-1" give
 * argc 0: there is nothing to do and nothing to answer.
 */
struct resp_request {
	struct resp_arg *args;
	char *scratch;
	size_t argc;
	char error[RESP_ERROR_MAX]; /* after -EPROTO: the text, without "-ERR " and line end */
};

/*
 * Parse the first request of the span.
 *
 * Returns how many bytes it took; 0 if it is not complete: come back when the span holds
 * progress->need bytes at least (the answer before then is 0 as well); or -EPROTO: answer
 * out->error and close the connection. `data` may move between calls as long as it starts at the
 * same byte of the connection.
 * Thread: any.   Owns: args point into the span and into scratch, and live as long as those.
 * Cost: linear in the bytes of the request, however they are cut, plus one pass when it is
 * complete.
 */
long resp_parse(const char *data, size_t len, const struct resp_limits *limits,
		struct resp_progress *progress, struct resp_request *out);

#endif
