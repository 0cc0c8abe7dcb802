/* SPDX-License-Identifier: MIT */
/*
 * answer.c - commands that are answered later, or by somebody else.
 *
 * A request to another core points into memory of ours that stays until the reply is here, so the
 * owner copies what it keeps and nothing else. If there is no credit for the call, the answer waits
 * in line, and its connection is not read until it was sent: so at most a batch per connection
 * waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

/* --- answers --------------------------------------------------------------------------------- */

static struct kv_answer *take_answer(struct kv_core *core)
{
	struct kv_answer *answer = core->free_answers;

	if (answer)
		core->free_answers = answer->next;
	else
		answer = malloc(sizeof(*answer));
	return answer;
}

struct kv_answer *answer_queue(struct kv_connection *connection)
{
	struct kv_answer *answer = take_answer(connection->core);

	if (!answer)
		return NULL;
	answer->next = answer->next_unsent = NULL;
	answer->connection = connection;
	answer->reply.kind = KV_NOTHING;
	answer->gather.op = KV_GET; /* nothing is gathered */
	answer->parts_left = answer->unsent_from = 0;
	answer->first = NULL;
	answer->counted = 0;
	answer->closes = false;
	answer->sent = true;
	answer->cancelled = false;
	answer->memory = NULL;
	if (connection->last)
		connection->last->next = answer;
	else
		connection->first = answer;
	connection->last = answer;
	connection->pending++;
	if (!connection->held)
		connection->wire->hold(connection->end, true);
	connection->held = true;
	return answer;
}

void answer_free(struct kv_core *core, struct kv_answer *answer)
{
	if (answer->cancelled) {
		answer->next = core->cancelled;
		core->cancelled = answer;
		return;
	}
	gather_release(&answer->gather);
	kv_reply_release(&answer->reply);
	free(answer->memory);
	answer->next = core->free_answers;
	core->free_answers = answer;
}

/* Out of memory for a command: say so, in its turn if others wait before it. */
static bool refuse(struct kv_connection *connection)
{
	const struct kv_reply reply = {.kind = KV_ERROR, .error = KV_OUT_OF_MEMORY};

	if (connection->pending)
		return false; /* it cannot wait in line either: the connection ends */
	reply_put(&connection->core->sink, &reply);
	return true;
}

/* --- forwarding ------------------------------------------------------------------------------ */

static void took_part(struct kv_answer *answer, const struct kv_reply *part)
{
	const bool gathers = answer->gather.op >= KV_MGET;

	if (gathers)
		gather_add(&answer->gather, part);
	else
		answer->reply = *part;
	if (--answer->parts_left)
		return;
	if (gathers)
		gather_finish(&answer->gather, &answer->reply);
	connection_count(answer);
}

/* Was this the last that was missing? */
static bool is_answered(struct kv_answer *answer)
{
	if (answer->parts_left || !answer->sent)
		return false;
	answer->connection->outstanding--;
	return true;
}

/* An owner has answered. */
static void replied(struct quoit_core *core, const struct quoit_message *message, void *ctx)
{
	struct kv_answer *answer = ctx;
	struct kv_reply part = {.kind = KV_ERROR, .error = KV_OUT_OF_MEMORY};

	(void)core;
	if (message->status >= 0)
		memcpy(&part, message->body, sizeof(part));
	else
		answer->cancelled = true;
	took_part(answer, &part);
	if (is_answered(answer))
		connection_advance(answer->connection);
}

/* Ask one owner. Errors: -EAGAIN. */
static int ask(struct kv_core *core, struct kv_answer *answer, unsigned owner)
{
	int rc;

	if (owner == quoit_core_index(core->core)) {
		struct kv_reply part;

		server_execute(core, &answer->request, &part);
		took_part(answer, &part);
		return 0;
	}
	rc = quoit_call(core->core, owner, KV_OPERATION, &answer->request, sizeof(answer->request),
			replied, answer);
	if (rc == -EAGAIN)
		return rc;
	if (rc < 0) {
		const struct kv_reply part = {.kind = KV_ERROR, .error = KV_OUT_OF_MEMORY};

		took_part(answer, &part); /* the runtime is past its deadline */
	}
	return 0;
}

/* Is this owner part of the answer? Sets the request up for it if so. */
static bool concerns(struct kv_answer *answer, unsigned owner)
{
	if (!answer->first)
		return true; /* every core */
	answer->request.first_item = answer->first[owner];
	return answer->first[owner] != KV_NO_ITEM;
}

/* Send what is not sent yet. False when the credit ran out. */
static bool send_on(struct kv_core *core, struct kv_answer *answer)
{
	const unsigned cores = core->cores;

	if (answer->gather.op < KV_MGET) {
		if (ask(core, answer, hash_owner(answer->request.hash, cores)) < 0)
			return false;
		answer->sent = true;
		return true;
	}
	for (; answer->unsent_from < cores; answer->unsent_from++)
		if (concerns(answer, answer->unsent_from) &&
		    ask(core, answer, answer->unsent_from) < 0)
			return false;
	answer->sent = true;
	return true;
}

static void forward(struct kv_core *core, struct kv_answer *answer)
{
	answer->sent = false;
	answer->connection->outstanding++;
	if (!core->unsent_first && send_on(core, answer)) {
		(void)is_answered(answer); /* all parts were ours: its turn comes with the others */
		return;
	}
	if (core->unsent_last)
		core->unsent_last->next_unsent = answer;
	else
		core->unsent_first = answer;
	core->unsent_last = answer;
	answer->connection->unsent++;
}

void answers_send_unsent(struct quoit_core *quoit, unsigned to, int depth, void *ctx)
{
	struct kv_core *core = ctx;

	(void)quoit;
	(void)depth;
	(void)to;
	while (core->unsent_first) {
		struct kv_answer *answer = core->unsent_first;
		struct kv_connection *connection = answer->connection;

		if (!send_on(core, answer))
			return;
		core->unsent_first = answer->next_unsent;
		if (!core->unsent_first)
			core->unsent_last = NULL;
		connection->unsent--;
		(void)is_answered(answer);
		connection_advance(connection);
	}
}

/* --- commands -------------------------------------------------------------------------------- */

static bool queue_forward(struct kv_connection *connection, struct kv_request *request)
{
	struct kv_answer *answer = answer_queue(connection);
	const size_t bytes = request_bytes(request);
	char *to;

	if (!answer)
		return refuse(connection);
	if (bytes > sizeof(answer->bytes))
		answer->memory = malloc(bytes);
	to = bytes > sizeof(answer->bytes) ? answer->memory : answer->bytes;
	if (!to) {
		answer->reply.kind = KV_ERROR;
		answer->reply.error = KV_OUT_OF_MEMORY;
		return true;
	}
	answer->request = *request;
	request_move(&answer->request, to);
	if (request->op == KV_GET && to == answer->bytes) {
		answer->request.room = answer->bytes + bytes;
		answer->request.value_len = (uint32_t)(sizeof(answer->bytes) - bytes);
	}
	answer->parts_left = 1;
	quoit_count(&connection->core->counts->forwarded, 1);
	forward(connection->core, answer);
	return true;
}

bool answer_one(struct kv_connection *connection, struct kv_request *request)
{
	struct kv_core *core = connection->core;
	const unsigned owner = hash_owner(request->hash, core->cores);
	struct kv_answer *answer;
	struct kv_reply reply;

	if (owner != quoit_core_index(core->core))
		return queue_forward(connection, request);
	quoit_count(&core->counts->local, 1);
	if (!connection->pending) {
		request->flags |= KV_BORROW;
		server_execute(core, request, &reply);
		reply_put(&core->sink, &reply);
		kv_reply_release(&reply);
		return true;
	}
	answer = answer_queue(connection);
	if (!answer)
		return refuse(connection);
	server_execute(core, request, &answer->reply);
	connection_count(answer);
	return true;
}

/* All keys are ours and nothing waits: answer from the input, without copies. */
static void answer_many_here(struct kv_core *core, struct kv_request *request, uint32_t count,
			     uint32_t first)
{
	struct kv_gather gather = {.op = request->op, .count = count, .items = core->own_items};
	struct kv_reply reply;

	request->items = core->own_items;
	request->first_item = first;
	request->flags |= KV_BORROW;
	server_execute(core, request, &reply);
	gather_add(&gather, &reply);
	gather_finish(&gather, &reply);
	reply_put(&core->sink, &reply);
	gather_release(&gather);
}

/* One block for everything that must stay: items, first item per owner, keys and values. */
static bool move_items(struct kv_core *core, struct kv_answer *answer, uint32_t count)
{
	const enum kv_op op = answer->request.op;
	const size_t items = count * sizeof(struct kv_item);
	const size_t firsts = core->cores * sizeof(uint32_t);
	char *memory = malloc(items + firsts + items_bytes(core->own_items, count, op));

	if (!memory)
		return false;
	answer->memory = memory;
	answer->request.items = (void *)memory;
	answer->first = (void *)(memory + items);
	memcpy(memory, core->own_items, items);
	memcpy(answer->first, core->own_first, firsts);
	items_move(answer->request.items, count, op, memory + items + firsts);
	answer->gather.items = answer->request.items;
	return true;
}

static unsigned count_owners(const uint32_t *first, unsigned cores)
{
	unsigned owners = 0;

	for (unsigned core = 0; core < cores; core++)
		owners += first[core] != KV_NO_ITEM;
	return owners;
}

bool answer_many(struct kv_connection *connection, struct kv_request *request,
		 const struct resp_arg *argv, size_t argc)
{
	struct kv_core *core = connection->core;
	const unsigned self = quoit_core_index(core->core);
	const uint32_t count = command_item_count(request, argc);
	struct kv_answer *answer;

	command_items(&core->context, request, argv, count, core->own_items);
	items_scatter(core->own_items, count, core->cores, core->own_first);
	const unsigned owners = count_owners(core->own_first, core->cores);

	if (owners == 1 && core->own_first[self] != KV_NO_ITEM) {
		quoit_count(&core->counts->local, 1);
		if (!connection->pending) {
			answer_many_here(core, request, count, core->own_first[self]);
			return true;
		}
	} else {
		quoit_count(&core->counts->forwarded, 1);
	}
	answer = answer_queue(connection);
	if (!answer)
		return refuse(connection);
	answer->request = *request;
	if (!move_items(core, answer, count)) {
		answer->reply.kind = KV_ERROR;
		answer->reply.error = KV_OUT_OF_MEMORY;
		return true;
	}
	answer->gather = (struct kv_gather){
		.op = request->op, .count = count, .items = answer->request.items};
	answer->parts_left = owners;
	forward(core, answer);
	return true;
}

bool answer_all(struct kv_connection *connection, struct kv_request *request)
{
	struct kv_core *core = connection->core;
	struct kv_answer *answer = answer_queue(connection);

	if (!answer)
		return refuse(connection);
	answer->request = *request;
	answer->gather = (struct kv_gather){.op = request->op};
	answer->parts_left = core->cores;
	quoit_count(&core->counts->forwarded, core->cores > 1);
	forward(core, answer);
	return true;
}
