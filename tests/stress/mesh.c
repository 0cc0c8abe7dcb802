/* SPDX-License-Identifier: MIT */
/*
 * mesh.c - the sleeping handshake of the lanes between cores, in lock step.
 *
 * Two halves of a mesh, each on its own thread, without the loops around them: in each round one
 * posts to the other and flushes, as a loop does at the end of its turn, while the other arms and
 * looks, as a loop does before it sleeps. The reader must see the message, or the writer must have
 * rung. Here too each side has the other's line in its cache when a round begins.
 */
#include <pthread.h>

#include <quoit/runtime/core_internal.h>

#include <stress/stress.h>

#define POST 1

struct half {
	struct quoit_core core;
	struct quoit_bell bells[2];
	struct quoit_reason why;
	int opened;
};

struct mesh {
	struct lockstep pair;
	struct half halves[2]; /* 0 reads, 1 writes */
	uint64_t seed;
	bool refused; /* io_uring is: nothing ran */
	QUOIT_ISOLATED uint64_t seen;
	uint64_t lost;
	uint64_t taken;
	QUOIT_ISOLATED uint64_t rung; /* the writer's */
	uint64_t unsent;
	bool rang;
};

static void take(struct quoit_core *core, const struct quoit_message *messages, size_t n, bool more,
		 void *ctx)
{
	struct mesh *mesh = ctx;

	(void)core;
	(void)messages;
	(void)more;
	mesh->taken += n;
}

static int open_half(struct half *half, uint32_t index)
{
	const struct quoit_region_options options = {.bytes = quoit_mail_bytes(2, 8, 1),
						     .node = -1};
	struct quoit_core *core = &half->core;
	int rc;

	half->bells[0].owner.slot = 0;
	half->bells[1].owner.slot = 1;
	core->index = index;
	rc = quoit_region_open(&core->region, &options, &half->why);
	if (rc < 0)
		return rc;
	rc = quoit_loop_open(&core->loop, 64, -1, half->bells, 2, &half->why);
	if (rc < 0)
		return rc;
	return quoit_mail_open(&core->mail, core, &core->loop, &core->region, index, 2, 8, 1);
}

/* Open one's own half, and when both are there, join the lanes. False if io_uring is refused. */
static bool enter(struct mesh *mesh, int side)
{
	struct half *half = &mesh->halves[side];

	half->opened = open_half(half, (uint32_t)side);
	lockstep_meet(&mesh->pair, side);
	if (mesh->halves[0].opened < 0 || mesh->halves[1].opened < 0)
		return false;
	for (uint32_t i = 0; i < 2; i++)
		quoit_mail_connect(&half->core.mail, i, &mesh->halves[i].core.mail);
	if (quoit_on_message(&half->core, POST, take, mesh) < 0)
		abort();
	lockstep_meet(&mesh->pair, side);
	return true;
}

static void leave(struct mesh *mesh, int side)
{
	struct half *half = &mesh->halves[side];

	lockstep_meet(&mesh->pair, side);
	quoit_loop_close(&half->core.loop);
	lockstep_meet(&mesh->pair, side);
	quoit_loop_close_bell(&half->core.loop);
	quoit_region_close(&half->core.region);
}

static void write_round(struct mesh *mesh, struct random *random)
{
	struct quoit_core *core = &mesh->halves[1].core;
	struct quoit_source *source = &core->mail.source;
	const uint64_t rung = core->mail.counts.bells_rung;

	mesh->unsent += quoit_post(core, 0, POST, NULL, 0) != 0;
	(void)quoit_load(&mesh->halves[0].core.loop.wake.armed); /* brings the line here; a hint */
	lockstep_meet(&mesh->pair, 1);
	stress_dawdle(random);
	source->flush(source);
	mesh->rang = core->mail.counts.bells_rung != rung;
	lockstep_meet(&mesh->pair, 1);
	mesh->rung += mesh->rang;
	if (mesh->rang)
		(void)quoit_uring_submit(&core->loop.uring); /* makes room for more */
	lockstep_meet(&mesh->pair, 1);
}

static void read_round(struct mesh *mesh, struct random *random, uint64_t round)
{
	struct quoit_core *core = &mesh->halves[0].core;
	struct quoit_source *source = &core->mail.source;
	bool saw;

	(void)source->has_news(source); /* brings the lines here */
	lockstep_meet(&mesh->pair, 0);
	stress_dawdle(random);
	quoit_wake_arm(&core->loop.wake);
	saw = source->has_news(source);
	lockstep_meet(&mesh->pair, 0);
	mesh->seen += saw;
	mesh->lost += !saw && !mesh->rang;
	quoit_wake_disarm(&core->loop.wake);
	(void)source->dispatch(source, 1000); /* `taken` says how many */
	lockstep_may_end(&mesh->pair, round, mesh->lost);
	lockstep_meet(&mesh->pair, 0);
}

static void *writer_worker(void *arg)
{
	struct mesh *mesh = arg;
	struct random random = {.state = ~mesh->seed};

	if (!enter(mesh, 1))
		return NULL;
	for (uint64_t i = 0; i < mesh->pair.rounds; i++)
		write_round(mesh, &random);
	leave(mesh, 1);
	return NULL;
}

static void *reader_worker(void *arg)
{
	struct mesh *mesh = arg;
	struct random random = {.state = mesh->seed};

	if (!enter(mesh, 0)) {
		mesh->refused = true;
		return NULL;
	}
	for (uint64_t i = 0; i < mesh->pair.rounds; i++)
		read_round(mesh, &random, i);
	leave(mesh, 0);
	return NULL;
}

int main(void)
{
	static struct mesh mesh;
	pthread_t reader, writer;

	lockstep_begin(&mesh.pair, stress_amount("STRESS_ROUNDS", 1000000, 50000));
	mesh.seed = random_seed();
	printf("note: SEED=%llu\n", (unsigned long long)mesh.seed);
	if (pthread_create(&reader, NULL, reader_worker, &mesh) ||
	    pthread_create(&writer, NULL, writer_worker, &mesh))
		abort();
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
	if (mesh.refused) {
		printf("skip - lanes in lock step: io_uring: %s%s\n", mesh.halves[0].why.text,
		       mesh.halves[1].why.text);
		return 0;
	}
	printf("RESULT name=mesh rounds=%llu seen=%llu rung=%llu lost=%llu\n",
	       (unsigned long long)mesh.pair.rounds, (unsigned long long)mesh.seen,
	       (unsigned long long)mesh.rung, (unsigned long long)mesh.lost);
	stress_say(mesh.seen && mesh.rung, "rounds met in both orders");
	stress_say(mesh.taken == mesh.pair.rounds && !mesh.unsent, "each message was handled once");
	stress_say(!mesh.lost, "a core that arms and looks sees the message or is rung");
	return stress_failures != 0;
}
