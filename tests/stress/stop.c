/* SPDX-License-Identifier: MIT */
/*
 * stop.c - STOP_COUNT runtimes of one to four cores are stopped under load, at any moment and from
 * every kind of place, some with a deadline that has passed already.
 *
 * Clients ask on ten connections, the cores call and post to each other for them and on their own
 * account, timers run. Then each request that a handler has read must have been answered, unless
 * its connection was told to have been cut off; each stream must have been closed once, each call
 * must have ended once, each post that was taken must have arrived; and no descriptor, no mapping
 * and no thread may be left.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>

#include <quoit.h>

#include <stress/stop_load.h>

#define CORES_MOST 4
#define JOBS	   512
#define US	   1000ull
#define MS	   1000000ull
#define LONG_NS	   (20000 * MS)

enum operation {
	OP_ASK = 1,
	OP_GO,
	OP_BACK,
	OP_TICK,
};

enum place {
	PLACE_MAIN,
	PLACE_START,
	PLACE_OPENED,
	PLACE_DATA,
	PLACE_CLOSED,
	PLACE_MESSAGE,
	PLACE_REPLY,
	PLACE_TIMER,
	PLACES,
};

static const char *const place_names[] = {"main",   "start",   "opened", "data",
					  "closed", "message", "reply",	 "timer"};

/* What travels between cores for a request. */
struct task {
	struct quoit_stream_id id;
	struct request request;
};

/* Something that goes on later: a timer, or a request that waits for a nested call. */
struct job {
	struct quoit_timer timer;
	struct side *side;
	struct job *next; /* free ones */
	struct quoit_caller caller;
	struct task task;
	uint32_t to; /* a post that found no room goes there; CORES_MOST: answer here */
};

/* One core's. */
struct side {
	QUOIT_ISOLATED struct quoit_core *core;
	struct world *world;
	struct quoit_timer tick;
	struct random random;
	struct job jobs[JOBS];
	struct job *free;
	uint64_t sent[CORES_MOST], got[CORES_MOST]; /* posts */
	uint64_t begun, ended;			    /* calls */
	uint64_t opened, closed;
	uint64_t reasons; /* streams that ended with an error */
};

struct world {
	struct load load;
	struct side sides[CORES_MOST];
	unsigned cores;
	QUOIT_ISOLATED uint32_t armed; /* 1 + the place that shall stop */
	uint64_t timeout_ns;
};

static struct world world;

struct tally {
	uint64_t stops, cut, answered, unanswered, calls, posts, streams, leaks, wrong;
	uint64_t places[PLACES];
};

/* --- stopping -------------------------------------------------------------------------------- */

static void stop_if_here(struct side *side, enum place place)
{
	struct world *w = side->world;

	if (quoit_load(&w->armed) != place + 1u || !quoit_exchange(&w->armed, 0))
		return;
	quoit_runtime_stop(quoit_core_runtime(side->core), w->timeout_ns);
}

/* --- answering ------------------------------------------------------------------------------- */

static void answer(struct side *side, const struct task *task)
{
	struct quoit_stream *stream = quoit_core_stream(side->core, task->id);

	if (!stream)
		return; /* it was cut off */
	(void)quoit_stream_send(stream, &task->request, sizeof(task->request));
	quoit_stream_release(stream);
}

static uint32_t another(struct side *side)
{
	return (uint32_t)random_below(&side->random, side->world->cores);
}

static struct job *job_take(struct side *side, const struct task *task)
{
	struct job *job = side->free;

	if (!job)
		abort(); /* there are more jobs than requests can be open */
	side->free = job->next;
	job->task = *task;
	job->to = CORES_MOST;
	return job;
}

static void job_give(struct job *job)
{
	job->next = job->side->free;
	job->side->free = job;
}

static void go_on(struct quoit_timer *timer, void *ctx);

static void later(struct side *side, const struct task *task, uint32_t to)
{
	struct job *job = job_take(side, task);
	const uint64_t delay = random_below(&side->random, 2 * MS);

	job->to = to;
	quoit_timers_start(quoit_core_timers(side->core), &job->timer,
			   quoit_core_now_ns(side->core) + delay, go_on, job);
}

static int post(struct side *side, uint32_t to, unsigned op, const void *body, size_t len)
{
	const int rc = quoit_post(side->core, to, op, body, len);

	side->sent[to] += rc == 0;
	return rc;
}

static void go_on(struct quoit_timer *timer, void *ctx)
{
	struct job *job = ctx;
	struct side *side = job->side;
	const struct task task = job->task;
	const uint32_t to = job->to;

	(void)timer;
	job_give(job);
	stop_if_here(side, PLACE_TIMER);
	if (to == CORES_MOST)
		answer(side, &task);
	else if (post(side, to, OP_BACK, &task, sizeof(task)) == -EAGAIN)
		later(side, &task, to);
}

static void answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct side *side = ctx;
	struct task task;

	(void)core;
	side->ended++;
	stop_if_here(side, PLACE_REPLY);
	if (reply->status == -ECANCELED)
		return;
	memcpy(&task, reply->body, sizeof(task));
	answer(side, &task);
}

static int call(struct side *side, const struct quoit_caller *caller, const struct task *task,
		quoit_reply_fn fn, void *ctx)
{
	const struct quoit_call_options options = {.caller = caller};
	const int rc = quoit_call_with(side->core, another(side), OP_ASK, task, sizeof(*task), fn,
				       ctx, &options);

	side->begun += rc == 0;
	return rc;
}

static void serve(struct side *side, struct quoit_stream *stream, struct request request)
{
	const struct task task = {.id = quoit_stream_id(stream), .request = request};
	int rc = -EAGAIN;

	quoit_stream_hold(stream);
	switch (request.way) {
	case WAY_CALL:
	case WAY_NESTED:
		rc = call(side, NULL, &task, answered, side);
		break;
	case WAY_POSTS:
		rc = post(side, another(side), OP_GO, &task, sizeof(task));
		break;
	case WAY_TIMER:
		later(side, &task, CORES_MOST);
		return;
	default:
		break;
	}
	if (rc < 0)
		answer(side, &task);
}

/* --- streams --------------------------------------------------------------------------------- */

static struct side *side_of(struct quoit_stream *stream)
{
	return quoit_core_user(quoit_stream_core(stream));
}

static void on_opened(struct quoit_stream *stream, void *ctx)
{
	(void)ctx;
	side_of(stream)->opened++;
	stop_if_here(side_of(stream), PLACE_OPENED);
}

static void on_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct side *side = side_of(stream);
	size_t at = 0;

	(void)ctx;
	stop_if_here(side, PLACE_DATA);
	for (; in.len - at >= sizeof(struct request); at += sizeof(struct request)) {
		struct request request;
		struct link *link;

		memcpy(&request, (const char *)in.data + at, sizeof(request));
		link = &side->world->load.links[request.link];
		quoit_stream_set_user(stream, link);
		link->accepted++;
		serve(side, stream, request);
	}
	if (quoit_stream_keep(stream, in.len - at) < 0)
		abort(); /* less than a request */
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	struct side *side = side_of(stream);
	struct link *link = quoit_stream_user(stream);

	(void)ctx;
	side->closed++;
	side->reasons += reason != 0;
	if (link) {
		link->closed++;
		link->reason = reason;
	}
	stop_if_here(side, PLACE_CLOSED);
}

/* --- messages -------------------------------------------------------------------------------- */

/* The nested call is over: now the first one is answered. */
static void nested_answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct job *job = ctx;
	struct side *side = job->side;

	side->ended++;
	if (reply->status != -ECANCELED)
		quoit_reply(core, job->caller, 0, &job->task, sizeof(job->task));
	job_give(job);
}

static void ask(struct side *side, const struct quoit_message *message)
{
	struct quoit_caller caller = quoit_caller_of(message);
	struct task task;

	memcpy(&task, message->body, sizeof(task));
	if (task.request.way == WAY_NESTED && !message->depth) {
		struct job *job = job_take(side, &task);

		job->caller = caller;
		if (call(side, &caller, &task, nested_answered, job) == 0)
			return;
		job_give(job);
	}
	quoit_reply(side->core, caller, 0, &task, sizeof(task));
}

static void on_messages(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			bool more, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)more;
	stop_if_here(side, PLACE_MESSAGE);
	for (size_t i = 0; i < n; i++) {
		const struct quoit_message *message = &messages[i];
		struct task task;

		memcpy(&task, message->body, sizeof(task));
		side->got[message->source] += message->op != OP_ASK;
		if (message->op == OP_ASK)
			ask(side, message);
		else if (message->op == OP_BACK)
			answer(side, &task);
		else if (message->op == OP_GO &&
			 post(side, message->source, OP_BACK, &task, sizeof(task)) == -EAGAIN)
			later(side, &task, message->source);
	}
}

static void tick_answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)reply;
	side->ended++;
}

/* On its own account; also while it stops, until nothing is taken any more. */
static void on_tick(struct quoit_timer *timer, void *ctx)
{
	struct side *side = ctx;
	const struct task none = {.id.generation = 0};

	stop_if_here(side, PLACE_TIMER);
	(void)call(side, NULL, &none, tick_answered, side);
	if (post(side, another(side), OP_TICK, NULL, 0) == -ESHUTDOWN)
		return;
	quoit_timers_start(quoit_core_timers(side->core), timer,
			   quoit_core_now_ns(side->core) + random_below(&side->random, MS), on_tick,
			   side);
}

/* --- one stop -------------------------------------------------------------------------------- */

static int start(struct quoit_core *core, void *ctx)
{
	static const struct quoit_stream_events events = {
		.opened = on_opened, .data = on_data, .closed = on_closed};
	struct world *w = ctx;
	struct side *side = &w->sides[quoit_core_index(core)];
	int rc;

	side->core = core;
	quoit_core_set_user(core, side);
	for (unsigned op = OP_ASK; op <= OP_TICK; op++) {
		rc = quoit_on_message(core, op, on_messages, side);
		if (rc < 0)
			return rc;
	}
	quoit_timers_start(quoit_core_timers(core), &side->tick, 0, on_tick, side);
	rc = quoit_listen(core, "127.0.0.1:0", &events, side);
	if (rc > 0 && !quoit_core_index(core))
		w->load.port = rc;
	if (quoit_core_index(core) == w->cores - 1)
		stop_if_here(side, PLACE_START);
	return rc == -ESHUTDOWN ? 0 : rc; /* another core's start has stopped all */
}

static void prepare(struct random *random, enum place place)
{
	memset(&world, 0, sizeof(world));
	world.cores = 1 + (unsigned)random_below(random, CORES_MOST);
	world.timeout_ns = random_below(random, 8) ? LONG_NS : 0;
	for (unsigned i = 0; i < CORES_MOST; i++) {
		struct side *side = &world.sides[i];

		side->world = &world;
		side->random.state = random_u64(random);
		for (unsigned j = 0; j < JOBS; j++) {
			side->jobs[j].side = side;
			job_give(&side->jobs[j]);
		}
	}
	if (place == PLACE_START)
		world.armed = place + 1;
}

static void pause_up_to(struct random *random, uint64_t most_ns)
{
	const struct timespec ts = {.tv_nsec = (long)random_below(random, most_ns)};

	(void)nanosleep(&ts, NULL);
}

/* Have it stopped at that place, and ask again, for later, while it goes through its phases. */
static void stop_at(struct random *random, enum place place, struct quoit_runtime *runtime)
{
	struct pollfd ended = {.fd = quoit_runtime_fd(runtime), .events = POLLIN};

	pause_up_to(random, 20 * MS);
	if (place != PLACE_START)
		quoit_store(&world.armed, place + 1);
	for (unsigned i = 0; i < 100 && quoit_load(&world.armed) && place != PLACE_MAIN; i++)
		pause_up_to(random, MS);
	if (quoit_exchange(&world.armed, 0))
		quoit_runtime_stop(runtime, world.timeout_ns); /* nothing has passed there */
	while (poll(&ended, 1, 0) == 0) {
		pause_up_to(random, 500 * US);
		quoit_runtime_stop(runtime, 2 * LONG_NS);
	}
}

/* --- judging --------------------------------------------------------------------------------- */

static void judge_links(struct tally *tally)
{
	const struct load *load = &world.load;

	tally->wrong += load->impatient;
	for (uint32_t i = 0; i < load->links_begun; i++) {
		const struct link *link = &load->links[i];

		tally->answered += link->answered;
		tally->wrong += link->wrong + (link->accepted && link->closed != 1);
		if (link->answered < link->accepted && !link->reason)
			tally->unanswered += link->accepted - link->answered;
	}
}

static void judge_sides(struct tally *tally)
{
	for (unsigned i = 0; i < world.cores; i++) {
		const struct side *side = &world.sides[i];

		tally->calls += side->begun;
		tally->streams += side->opened;
		tally->wrong += side->begun != side->ended;
		tally->wrong += side->opened != side->closed;
		tally->wrong += side->reasons && world.timeout_ns;
		for (unsigned to = 0; to < world.cores; to++) {
			tally->posts += side->sent[to];
			tally->wrong += side->sent[to] != world.sides[to].got[i];
		}
	}
}

static void judge_stats(struct tally *tally, const struct quoit_runtime *runtime)
{
	for (unsigned i = 0; i < world.cores; i++) {
		struct quoit_stats stats;

		tally->wrong += quoit_runtime_stats(runtime, i, &stats) < 0;
		tally->wrong += stats.stale + (stats.io.opened != stats.io.closed);
	}
}

static unsigned entries_of(const char *path)
{
	DIR *folder = opendir(path);
	unsigned n = 0;

	while (folder && readdir(folder))
		n++;
	if (folder)
		closedir(folder);
	return n;
}

static unsigned lines_of(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned n = 0;
	int c;

	while (file && (c = getc(file)) != EOF)
		n += c == '\n';
	if (file)
		fclose(file);
	return n;
}

/* False where io_uring is refused. */
static bool one_stop(struct random *random, enum place place, struct tally *tally)
{
	const unsigned files = entries_of("/proc/self/fd");
	struct client clients[CLIENTS];
	pthread_t threads[CLIENTS];
	struct quoit_config config = {.start = start, .ctx = &world};
	struct quoit_reason why = {0};
	struct quoit_runtime *runtime;
	int rc;

	prepare(random, place);
	config.cores = world.cores;
	rc = quoit_runtime_start(&config, &runtime, &why);
	if (rc < 0) {
		printf("skip - stop: io_uring: %s\n", why.text);
		return false;
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] =
			(struct client){.load = &world.load, .random.state = random_u64(random)};
		if (pthread_create(&threads[i], NULL, client_worker, &clients[i]))
			abort();
	}
	stop_at(random, place, runtime);
	quoit_store(&world.load.no_more, 1);
	judge_stats(tally, runtime);
	rc = quoit_runtime_wait(runtime, &why);
	for (unsigned i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	tally->stops++;
	tally->cut += rc < 0;
	tally->places[place]++;
	if (rc < 0 && (world.timeout_ns || rc != -ETIMEDOUT)) {
		printf("note: stopped at %s: %s\n", place_names[place], why.text);
		tally->wrong++;
	}
	judge_links(tally);
	judge_sides(tally);
	tally->leaks += entries_of("/proc/self/fd") != files;
	return true;
}

int main(void)
{
	const uint64_t stops = stress_amount("STOP_COUNT", 40, 16);
	struct random random = {.state = random_seed()};
	struct tally tally = {0};
	unsigned maps = 0;

	printf("note: SEED=%llu\n", (unsigned long long)random.state);
	for (uint64_t i = 0; i < stops; i++) {
		/* The first ones may leave stacks and heaps of threads that are used again. */
		if (i == PLACES)
			maps = lines_of("/proc/self/maps");
		if (!one_stop(&random, (enum place)(i % PLACES), &tally))
			return 0;
	}
	if (stops > PLACES && lines_of("/proc/self/maps") > maps + stops)
		tally.leaks++;
	printf("note: %llu requests answered on %llu connections, %llu calls, %llu posts, %llu "
	       "stops cut something off\n",
	       (unsigned long long)tally.answered, (unsigned long long)tally.streams,
	       (unsigned long long)tally.calls, (unsigned long long)tally.posts,
	       (unsigned long long)tally.cut);
	printf("RESULT name=stop stops=%llu unanswered=%llu leaks=%llu\n",
	       (unsigned long long)tally.stops, (unsigned long long)tally.unanswered,
	       (unsigned long long)tally.leaks);
	stress_say(tally.answered && !tally.unanswered, "what was accepted is answered");
	stress_say(!tally.wrong, "each stream, call and post ends once, and the cores in order");
	stress_say(!tally.leaks, "nothing is left behind");
	return stress_failures != 0;
}
