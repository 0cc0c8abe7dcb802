/* SPDX-License-Identifier: MIT */
/*
 * 08_shared_writer.c - sends numbers to another process, 08_shared_reader.c, through memory that
 * both have mapped. Either may be killed at any time and started again.
 *
 *     08_shared_writer [COUNT [FIRST [PATH]]]
 *
 *     writer                                  reader
 *     connect to PATH                         listen at PATH
 *     ask for a ring, or offer the one    --> offer one, or take what is offered
 *       that the last reader left
 *     send; sleep when it is full             handle runs of items; sleep when it is empty
 *     wait until all is read, close           hear that it was closed; wait for the next writer
 *
 * The ring outlives whoever dies, as long as the other lives: what was committed stays in it. A
 * reader that dies in the middle of a run leaves that to be read again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <quoit.h>

#define PATIENCE_NS ((int64_t)20 * 1000000000) /* for a reader to come */
#define RETRY_US    20000
#define BATCH	    64
#define TELL_EACH   1000

struct item {
	uint64_t number;
	uint32_t writer; /* its pid */
	uint32_t zero;
};

static const struct quoit_shring_options ours = {
	.size = sizeof(ours),
	.role = QUOIT_SHRING_PRODUCER,
	.slot_bytes = sizeof(struct item),
	.slot_align = _Alignof(struct item),
};

static int fail(const struct quoit_reason *why)
{
	fprintf(stderr, "08_shared_writer: %s\n", why->text);
	return EXIT_FAILURE;
}

/* --- a reader -------------------------------------------------------------------------------- */

/* One try. *ring is what the last reader left, or NULL, and then becomes the reader's. */
static int meet(const char *path, struct quoit_shring **ring, struct quoit_reason *why)
{
	const uint64_t deadline_ns = quoit_deadline_ns(PATIENCE_NS);
	const int sock = quoit_unix_connect(path, NULL, why);
	int rc;

	if (sock < 0)
		return sock;
	if (*ring) {
		rc = quoit_shring_offer(sock, *ring, deadline_ns, why);
		if (!rc)
			rc = quoit_shring_taken(sock, *ring, deadline_ns, why);
	} else {
		rc = quoit_shring_ask(sock, &ours, deadline_ns, why);
		if (!rc)
			rc = quoit_shring_accept(sock, &ours, deadline_ns, ring, why);
	}
	close(sock); /* from now on the pidfd tells */
	return rc;
}

/* Nobody listens yet, or he is not through with the last writer. */
static int find_reader(const char *path, struct quoit_shring **ring, struct quoit_reason *why)
{
	const uint64_t until_ns = quoit_deadline_ns(PATIENCE_NS);
	int rc = meet(path, ring, why);

	if (rc)
		fprintf(stderr, "waiting for a reader at %s: %s\n", path, why->text);
	while (rc && quoit_clock_now_ns() < until_ns) {
		usleep(RETRY_US);
		rc = meet(path, ring, why);
	}
	if (!rc)
		printf("has a reader, generation %u\n", quoit_shring_generation(*ring));
	return rc;
}

/* --- numbers --------------------------------------------------------------------------------- */

static size_t make_batch(struct item *items, uint64_t next, uint64_t end)
{
	const size_t n = end - next < BATCH ? (size_t)(end - next) : BATCH;

	for (size_t i = 0; i < n; i++)
		items[i] = (struct item){.number = next + i, .writer = (uint32_t)getpid()};
	return n;
}

/*
 * Until all is sent, and read. -EOWNERDEAD: the reader has died, and what it has not read is still
 * there; -EUCLEAN: it wrote nonsense; -ESHUTDOWN: it wants no more.
 */
static int send_all(struct quoit_shring *ring, uint64_t *next, uint64_t end)
{
	const struct quoit_wait asleep = quoit_wait_block();
	struct item items[BATCH];
	int rc = 0;

	while (!rc && *next < end) {
		const size_t sent = quoit_shring_send(ring, items, make_batch(items, *next, end));

		if (!sent)
			rc = quoit_shring_wait_space(ring, 1, &asleep);
		if ((*next + sent) / TELL_EACH != *next / TELL_EACH)
			printf("committed %llu\n", (unsigned long long)(*next + sent));
		*next += sent;
	}
	return rc ? rc : quoit_shring_wait_space(ring, quoit_shring_capacity(ring), &asleep);
}

static int run(const char *path, uint64_t next, uint64_t end)
{
	struct quoit_shring *ring = NULL;
	struct quoit_reason why = {0};
	int rc = -EOWNERDEAD;

	while (rc == -EOWNERDEAD) {
		rc = find_reader(path, &ring, &why);
		if (rc)
			break;
		rc = send_all(ring, &next, end);
		why = *quoit_shring_why(ring);
		if (rc == -EOWNERDEAD)
			printf("the reader is gone at %llu; looking for another\n",
			       (unsigned long long)next);
	}
	if (ring && !rc)
		quoit_shring_close(ring);
	quoit_shring_destroy(ring);
	if (rc)
		return why.error ? fail(&why) : EXIT_FAILURE;
	printf("all is read, up to %llu\n", (unsigned long long)end);
	return EXIT_SUCCESS;
}

static uint64_t number(int argc, char **argv, int at, uint64_t otherwise)
{
	char *end;
	uint64_t given;

	if (argc <= at)
		return otherwise;
	given = strtoull(argv[at], &end, 10);
	if (argv[at][0] >= '0' && argv[at][0] <= '9' && !*end)
		return given;
	fprintf(stderr, "08_shared_writer: %s is no number: [COUNT [FIRST [PATH]]]\n", argv[at]);
	exit(2);
}

int main(int argc, char **argv)
{
	const uint64_t count = number(argc, argv, 1, 100000);
	const uint64_t first = number(argc, argv, 2, 0);
	const char *const folder = getenv("XDG_RUNTIME_DIR");
	char path[QUOIT_UNIX_PATH_MAX + 1];

	if (argc <= 3 && !folder) {
		fputs("08_shared_writer: give a PATH, or set XDG_RUNTIME_DIR\n", stderr);
		return EXIT_FAILURE;
	}
	if (argc > 3)
		snprintf(path, sizeof(path), "%s", argv[3]);
	else
		snprintf(path, sizeof(path), "%s/quoit-08-shared", folder);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run(path, first, first + count);
}
