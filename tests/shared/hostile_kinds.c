/* SPDX-License-Identifier: MIT */
/*
 * hostile_kinds.c - descriptors that are no ring, too many of them, files that are changed under a
 * ring, and bells that block: refused with the reason in words, or survived.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/io/hello.h>

#include <shared/hostile.h>

#define BLOCKED_AFTER_S 10
#define FLOOD		253

static unsigned open_fds(void)
{
	DIR *const folder = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!folder)
		abort();
	while (readdir(folder))
		count++;
	(void)closedir(folder);
	return count;
}

/* What they give, attached to: with that error, and that word in the reason. `fds` are closed. */
static void refuses(const char *what, const int *fds, size_t n, int error, const char *word)
{
	const struct quoit_shring_options o = hostile_options(QUOIT_SHRING_CONSUMER);
	struct quoit_shring *ring = NULL;
	struct quoit_reason why = {0};
	const unsigned before = open_fds();
	const int rc = quoit_shring_attach(fds, n, &o, &ring, &why);
	const bool good = rc == error && why.error == rc && strstr(why.text, word);
	const unsigned after = open_fds();
	char line[128];

	if (!good || after != before)
		printf("note: %s: %d, '%s', %u descriptors before and %u after\n", what, rc,
		       why.text, before, after);
	(void)snprintf(line, sizeof(line), "%s is refused, and told why", what);
	stress_say(good && after == before, line);
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static void refuses_one(const char *what, int fd, int error, const char *word)
{
	refuses(what, &fd, 1, error, word);
}

static int memory(off_t bytes, unsigned flags, int seals)
{
	const int fd = memfd_create("hostile", MFD_CLOEXEC | flags);

	if (fd < 0 || ftruncate(fd, bytes) || (seals && fcntl(fd, F_ADD_SEALS, seals)))
		abort();
	return fd;
}

static void kinds_of_descriptor(void)
{
	const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC))
		abort();
	(void)close(pair[1]);
	refuses_one("a pipe", pair[0], -ENOTSUP, "no file of memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	(void)close(pair[1]);
	refuses_one("a socket", pair[0], -ENOTSUP, "no file of memory");
	refuses_one("a folder", open("/", O_RDONLY | O_CLOEXEC), -ENOTSUP, "no file of memory");
	refuses_one("/dev/zero", open("/dev/zero", O_RDWR | O_CLOEXEC), -ENOTSUP,
		    "no file of memory");
	refuses_one("an eventfd", eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), -ENOTSUP,
		    "no file of memory");
	refuses_one("an epoll instance", epoll_create1(EPOLL_CLOEXEC), -ENOTSUP,
		    "no file of memory");
	refuses_one("a file of /proc", open("/proc/self/status", O_RDONLY | O_CLOEXEC), -ENOTSUP,
		    "no file of memory");
	refuses_one("no descriptor at all", -1, -EBADF, "descriptor");
	refuses_one("a memfd without seals", memory(4096, MFD_ALLOW_SEALING, 0), -EUCLEAN, "seals");
	refuses_one("a memfd that cannot be sealed", memory(4096, 0, 0), -EUCLEAN, "seals");
	refuses_one("a memfd that can grow",
		    memory(4096, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_SEAL), -EUCLEAN,
		    "seals");
	refuses_one("a memfd that can shrink",
		    memory(4096, MFD_ALLOW_SEALING, F_SEAL_GROW | F_SEAL_SEAL), -EUCLEAN, "seals");
	refuses_one("a memfd whose seals can be more",
		    memory(4096, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_GROW), -EUCLEAN,
		    "seals");
	refuses_one("an empty memfd", memory(0, MFD_ALLOW_SEALING, all), -EUCLEAN, "too short");
	refuses_one("half a page", memory(2048, MFD_ALLOW_SEALING, all), -EUCLEAN, "2048 bytes");
	refuses_one("a memfd of zeros", memory(4096, MFD_ALLOW_SEALING, all), -EPROTO, "begin");
	refuses_one("8 TiB that are not there", memory((off_t)8 << 40, MFD_ALLOW_SEALING, all),
		    -EFBIG, "allowed");
}

/* --- of real rings --------------------------------------------------------------------------- */

static struct quoit_shring *make(enum quoit_shring_role role, bool bells, size_t slot)
{
	struct quoit_shring_options o = hostile_options(role);
	struct quoit_shring *ring = NULL;

	o.bits = PLAY_BITS;
	o.slot_bytes = slot;
	o.bells = bells;
	if (quoit_shring_create(&o, &ring, NULL))
		abort();
	return ring;
}

static void replaced(void)
{
	struct quoit_shring *const with = make(QUOIT_SHRING_PRODUCER, true, PLAY_SLOT);
	struct quoit_shring *const wide = make(QUOIT_SHRING_PRODUCER, false, 2 * PLAY_SLOT);
	int own[QUOIT_SHRING_FDS], fds[FLOOD], pair[2];

	if (quoit_shring_fds(with, own) != 3 || pipe2(pair, O_CLOEXEC | O_NONBLOCK))
		abort();
	fds[0] = dup(quoit_shring_fd(wide));
	refuses("the file of a ring of other items", fds, 1, -EPROTO, "items");
	fds[0] = dup(own[0]);
	refuses("a ring without its bells", fds, 1, -EBADMSG, "pass all");
	fds[0] = dup(own[0]), fds[1] = pair[0], fds[2] = pair[1];
	refuses("a ring with a pipe for bells", fds, 3, -EBADMSG, "no eventfd");
	fds[0] = dup(own[0]), fds[1] = dup(own[1]), fds[2] = eventfd(0, EFD_CLOEXEC);
	refuses("a ring with a bell that blocks", fds, 3, -EBADMSG, "blocks");
	fds[0] = dup(own[1]), fds[1] = dup(own[0]), fds[2] = dup(own[2]);
	refuses("a ring whose file comes second", fds, 3, -ENOTSUP, "no file of memory");
	for (int i = 0; i < FLOOD; i++)
		fds[i] = dup(own[i % 3]);
	refuses("a flood of descriptors", fds, FLOOD, -EBADMSG, "253 were passed");
	quoit_shring_destroy(with);
	quoit_shring_destroy(wide);
}

/* A peer who sends more than a hello allows: none of them stays open. */
static void flood_of_hellos(void)
{
	const struct quoit_hello_wanted wanted = {.fds_least = 1, .fds_most = QUOIT_SHRING_FDS};
	struct quoit_hello hello = quoit_hello_make();
	struct quoit_reason why = {0};
	int fds[FLOOD], got[QUOIT_SHRING_FDS], pair[2];
	unsigned before, refused = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	for (int i = 0; i < FLOOD; i++)
		fds[i] = pair[0];
	hello.fd_count = FLOOD;
	before = open_fds();
	for (int i = 0; i < 50; i++) {
		if (quoit_hello_send(pair[0], &hello, fds, 0, NULL))
			break;
		refused += quoit_hello_recv(pair[1], &hello, got, &wanted, 0, &why) == -E2BIG;
		hello = quoit_hello_make();
		hello.fd_count = FLOOD;
	}
	stress_say(refused == 50 && open_fds() == before && why.text[0],
		   "hellos with 253 descriptors are refused, and none stays open");
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void sizes(void)
{
	struct quoit_shring *const ring = make(QUOIT_SHRING_PRODUCER, false, PLAY_SLOT);
	const int fd = quoit_shring_fd(ring);
	const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const struct quoit_shring_options o = hostile_options(QUOIT_SHRING_CONSUMER);
	char items[3 * PLAY_SLOT] = {1}, got[8 * PLAY_SLOT];
	struct quoit_shring *reader = NULL;

	stress_say(ftruncate(fd, 0) && ftruncate(fd, 1 << 20) && fallocate(fd, 0, 4096, 4096) &&
			   fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE),
		   "a ring can be made neither shorter, nor longer, nor read-only");
	if (quoit_shring_attach(&fd, 1, &o, &reader, NULL))
		abort();
	(void)quoit_shring_send(ring, items, 3);
	(void)quoit_shring_recv(reader, got, 1);
	if (fallocate(fd, hole, 0, PLAY_BYTES))
		abort();
	stress_say(quoit_shring_recv(reader, got, 8) <= 2 && !quoit_shring_recv(reader, got, 8) &&
			   quoit_shring_status(reader) && quoit_shring_why(reader)->text[0],
		   "a hole punched into a ring poisons it, and that is told");
	stress_say(!quoit_shring_send(ring, items, 3) || quoit_shring_status(ring),
		   "for whoever writes to it, too");
	quoit_shring_destroy(reader);
	quoit_shring_destroy(ring);
}

/* --- bells ----------------------------------------------------------------------------------- */

static void fill_and_block(int bell)
{
	const uint64_t full = UINT64_MAX - 1;

	if (write(bell, &full, sizeof(full)) != sizeof(full) ||
	    fcntl(bell, F_SETFL, fcntl(bell, F_GETFL) & ~O_NONBLOCK))
		abort();
}

/* It says that it sleeps, and the bell that shall wake it is full and waits for room. */
static void blocked_bells(void)
{
	struct quoit_shring *const ring = make(QUOIT_SHRING_PRODUCER, true, PLAY_SLOT);
	struct quoit_shring_header *const h = (struct quoit_shring_header *)ring->home.own_map;
	const char item[PLAY_SLOT] = {1};
	struct pollfd hushed = {.events = POLLIN};
	int fds[QUOIT_SHRING_FDS];
	uint64_t drained;

	(void)quoit_shring_fds(ring, fds);
	fill_and_block(fds[1]);
	(void)alarm(BLOCKED_AFTER_S); /* which ends us: waiting is the failure */
	for (uint32_t i = 1; i < 100; i++) {
		quoit_store(&h->consumer_waiters,
			    i * QUOIT_SHRING_SLEEP_STEP | QUOIT_SHRING_ASLEEP);
		(void)quoit_shring_send(ring, item, 1);
	}
	quoit_shring_close(ring);
	stress_say(ring->bells_rung > 50, "a bell that is full and blocks holds nobody up");
	if (fcntl(fds[2], F_SETFL, fcntl(fds[2], F_GETFL) & ~O_NONBLOCK))
		abort();
	hushed.fd = fds[2];
	quoit_shring_hush(ring);
	quoit_shring_hush(ring);
	stress_say(poll(&hushed, 1, 0) == 0, "nor does hushing one that is empty and blocks");
	if (read(fds[1], &drained, sizeof(drained)) != sizeof(drained))
		abort();
	quoit_shring_destroy(ring);
	(void)alarm(0);
}

/* A peer that rings for ever, and never sends anything. */
static void endless_bells(void)
{
	struct quoit_shring *const ring = make(QUOIT_SHRING_CONSUMER, true, PLAY_SLOT);
	const struct quoit_wait how = quoit_wait_for(QUOIT_WAIT_BLOCK, INT64_C(100000000));
	const uint64_t one = 1;
	int fds[QUOIT_SHRING_FDS], rc;
	pid_t ringer;

	(void)quoit_shring_fds(ring, fds);
	(void)fflush(stdout);
	ringer = fork();
	if (ringer < 0)
		abort();
	while (!ringer)
		if (write(fds[1], &one, sizeof(one)) < 0)
			(void)usleep(1);
	(void)alarm(BLOCKED_AFTER_S);
	rc = quoit_shring_wait_data(ring, &how);
	(void)alarm(0);
	(void)kill(ringer, SIGKILL);
	(void)waitpid(ringer, NULL, 0);
	stress_say(rc == -ETIMEDOUT, "a bell that rings for ever does not keep a deadline away");
	quoit_shring_destroy(ring);
}

void hostile_kinds(void)
{
	kinds_of_descriptor();
	replaced();
	flood_of_hellos();
	sizes();
	blocked_bells();
	endless_bells();
}
