/* SPDX-License-Identifier: MIT */
/*
 * check.c - one connection's requests and replies, compared.
 */
#include "check.h"
#include "reply.h"

#include <errno.h>
#include <stdlib.h>

enum {
	/* Requests or replies outstanding: at least two of the largest. */
	OUTSTANDING_BYTES = 3 * WORKLOAD_BYTES_MAX,
};

int check_init(struct check *c, struct findings *findings, uint64_t run, unsigned connection,
	       size_t key_count, size_t depth)
{
	*c = (struct check){.findings = findings, .connection = connection, .depth = depth};

	int rc = workload_init(&c->workload, run, connection, key_count);

	if (rc == 0)
		rc = bytes_init(&c->requests, OUTSTANDING_BYTES);
	if (rc == 0)
		rc = bytes_init(&c->replies, OUTSTANDING_BYTES);
	if (rc == 0)
		rc = bytes_init(&c->input, CHECK_INPUT_BYTES);
	c->exchanges = calloc(depth, sizeof(*c->exchanges));
	if (rc == 0 && c->exchanges)
		return 0;
	check_fini(c);
	return -ENOMEM;
}

void check_fini(struct check *c)
{
	workload_fini(&c->workload);
	bytes_fini(&c->requests);
	bytes_fini(&c->replies);
	bytes_fini(&c->input);
	free(c->exchanges);
	c->exchanges = NULL;
}

void check_ask(struct check *c, uint64_t now_ns)
{
	while (check_outstanding(c) < c->depth && bytes_space(&c->requests, WORKLOAD_BYTES_MAX) &&
	       bytes_space(&c->replies, WORKLOAD_BYTES_MAX)) {
		const size_t requests = bytes_held(&c->requests);
		const size_t replies = bytes_held(&c->replies);

		if (!workload_next(&c->workload, &c->requests, &c->replies))
			return;
		c->exchanges[c->asked++ % c->depth] = (struct exchange){
			.asked_ns = now_ns,
			.request_bytes = (uint32_t)(bytes_held(&c->requests) - requests),
			.reply_bytes = (uint32_t)(bytes_held(&c->replies) - replies),
		};
		c->findings->asked++;
	}
}

static size_t first_difference(const char *a, size_t a_len, const char *b, size_t b_len)
{
	const size_t both = a_len < b_len ? a_len : b_len;
	size_t at = 0;

	while (at < both && a[at] == b[at])
		at++;
	return at;
}

/* Write the oldest exchange down, unless an earlier one differed already. */
static void note_difference(struct check *c, const char *got, size_t got_bytes)
{
	struct difference *const d = &c->findings->first;
	const struct exchange *const e = &c->exchanges[c->answered % c->depth];
	const bool was_asked = check_outstanding(c) > 0;
	const size_t request_bytes = was_asked ? e->request_bytes : 0;
	const size_t reply_bytes = was_asked ? e->reply_bytes : 0;
	const char *const expected = bytes_front(&c->replies);

	c->findings->wrong++;
	if (d->found)
		return;
	d->found = true;
	d->connection = c->connection;
	d->request = c->answered + 1;
	d->at = first_difference(expected, reply_bytes, got, got_bytes);
	bytes_show(d->asked, sizeof(d->asked), bytes_front(&c->requests), request_bytes, 0);
	bytes_show(d->expected, sizeof(d->expected), expected, reply_bytes, d->at);
	bytes_show(d->got, sizeof(d->got), got, got_bytes, d->at);
}

/* The oldest exchange is over; its reply took so many bytes. */
static void answer(struct check *c, size_t got_bytes, uint64_t now_ns)
{
	const struct exchange *const e = &c->exchanges[c->answered++ % c->depth];

	histogram_record(&c->findings->latency, now_ns - e->asked_ns);
	c->findings->answered++;
	c->sent -= e->request_bytes;
	bytes_drop(&c->requests, e->request_bytes);
	bytes_drop(&c->replies, e->reply_bytes);
	bytes_drop(&c->input, got_bytes);
}

/* The input does not begin with what it must: find the end of what came instead. */
static int take_wrong(struct check *c, uint64_t now_ns)
{
	const char *const got = bytes_front(&c->input);
	const size_t held = bytes_held(&c->input);
	const ssize_t bytes = reply_measure(got, held);

	if (bytes == 0 && held < c->input.room)
		return -EAGAIN;
	note_difference(c, got, bytes > 0 ? (size_t)bytes : held);
	if (bytes <= 0)
		return -EPROTO;
	answer(c, (size_t)bytes, now_ns);
	return 0;
}

/* Compare the oldest exchange: 0 if it is over, -EAGAIN if more must come. */
static int take_one(struct check *c, uint64_t now_ns)
{
	const struct exchange *const e = &c->exchanges[c->answered % c->depth];
	const size_t held = bytes_held(&c->input);

	/* An answer to what has not been sent in full is nobody's. */
	if (!check_outstanding(c) || c->sent < e->request_bytes) {
		note_difference(c, bytes_front(&c->input), held);
		return -EPROTO;
	}

	const size_t both = held < e->reply_bytes ? held : e->reply_bytes;

	if (memcmp(bytes_front(&c->input), bytes_front(&c->replies), both) != 0)
		return take_wrong(c, now_ns);
	if (both < e->reply_bytes)
		return -EAGAIN;
	answer(c, e->reply_bytes, now_ns);
	return 0;
}

int check_take(struct check *c, uint64_t now_ns)
{
	while (bytes_held(&c->input)) {
		const int rc = take_one(c, now_ns);

		if (rc == -EAGAIN)
			return 0;
		if (rc != 0)
			return rc;
	}
	return 0;
}

void check_give_up(struct check *c)
{
	const size_t held = bytes_held(&c->input);

	/* Half a reply that is already wrong is worth showing. */
	if (held && check_outstanding(c) &&
	    memcmp(bytes_front(&c->input), bytes_front(&c->replies), held) != 0) {
		note_difference(c, bytes_front(&c->input), held);
		c->findings->answered++;
		c->answered++;
	}
	c->findings->lost += check_outstanding(c);
	c->answered = c->asked;
}

void findings_add(struct findings *to, const struct findings *from)
{
	to->asked += from->asked;
	to->answered += from->answered;
	to->wrong += from->wrong;
	to->lost += from->lost;
	if (!to->first.found)
		to->first = from->first;
	histogram_add(&to->latency, &from->latency);
}
