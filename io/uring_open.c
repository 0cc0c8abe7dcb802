/* SPDX-License-Identifier: MIT */
/*
 * uring_open.c - set an io_uring up by trying what the kernel has, and explain a refusal.
 *
 * The floor is Linux 6.1. What is newer is asked for first and dropped if the kernel says EINVAL.
 * We call the kernel ourselves, because liburing 2.3 knows nothing newer than 6.1.
 */
#include <quoit/io/uring_internal.h>

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <quoit/io/kernel_internal.h>
#include <quoit/numa/sys_internal.h>

#define FLAGS_FLOOR                                                           \
	(IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | \
	 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_TASKRUN_FLAG)
#define FEATURES_FLOOR \
	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP)
#define CQ_PER_SQ 4

/* Dropped one by one, newest first, while the kernel answers EINVAL. */
static const unsigned flags_newer[] = {IORING_SETUP_NO_SQARRAY};

static int disabled_by_sysctl(void)
{
	char text[16] = "";

	if (quoit__sys_file_read("/proc/sys/kernel/io_uring_disabled", text, sizeof(text)) <= 0)
		return 0;
	return text[0] - '0';
}

static int explain_eperm(struct quoit_reason *why)
{
	switch (disabled_by_sysctl()) {
	case 2:
		return quoit_reason_set(why, -EPERM,
					"io_uring is switched off on this machine: set "
					"kernel.io_uring_disabled=0 with sysctl");
	case 1:
		return quoit_reason_set(why, -EPERM,
					"io_uring is for privileged users here: join the group "
					"kernel.io_uring_group or set kernel.io_uring_disabled=0");
	default:
		return quoit_reason_set(
			why, -EPERM,
			"a seccomp filter refuses io_uring_setup: allow io_uring_setup, "
			"io_uring_enter and io_uring_register (container profile)");
	}
}

static int explain_enomem(struct quoit_reason *why)
{
	struct rlimit limit = {0, 0};

	(void)getrlimit(RLIMIT_MEMLOCK, &limit); /* 0 is what we print when it fails */
	return quoit_reason_set(
		why, -ENOMEM,
		"no memory for an io_uring: locked memory is limited to %llu KiB, raise "
		"it with ulimit -l or LimitMEMLOCK=, or start fewer cores",
		(unsigned long long)limit.rlim_cur / 1024);
}

static int explain_too_old(struct quoit_reason *why, int error)
{
	struct utsname name = {.release = "?"};

	(void)uname(&name); /* the question mark is what we print when it fails */
	return quoit_reason_set(
		why, error,
		"this kernel (%s) lacks what quoit needs of io_uring: run Linux 6.1 or "
		"newer",
		name.release);
}

/* One line for each way in which the kernel may say no. */
static int explain(struct quoit_reason *why, int error)
{
	switch (error) {
	case -ENOSYS:
		return quoit_reason_set(
			why, error,
			"this kernel has no io_uring, or a seccomp filter hides it: run "
			"Linux 6.1 or newer and allow io_uring_setup");
	case -EPERM:
	case -EACCES:
		return explain_eperm(why);
	case -ENOMEM:
		return explain_enomem(why);
	case -EINVAL:
		return explain_too_old(why, error);
	case -EMFILE:
	case -ENFILE:
		return quoit_reason_set(why, error,
					"no file descriptor left for an io_uring: raise ulimit -n");
	default:
		return quoit_reason_set(why, error, "io_uring_setup failed: %s", strerror(-error));
	}
}

static int set_up(struct io_uring_params *params, unsigned entries, unsigned taskrun)
{
	unsigned flags = FLAGS_FLOOR | taskrun;
	size_t dropped = 0;
	int fd;

	for (size_t i = 0; i < sizeof(flags_newer) / sizeof(*flags_newer); i++)
		flags |= flags_newer[i];
	for (;;) {
		memset(params, 0, sizeof(*params));
		params->flags = flags;
		params->cq_entries = entries * CQ_PER_SQ;
		fd = quoit__uring_setup(entries, params);
		if (fd != -EINVAL || dropped == sizeof(flags_newer) / sizeof(*flags_newer))
			return fd;
		flags &= ~flags_newer[dropped++];
	}
}

static void fill_sq(struct io_uring_sq *sq, const struct io_uring_params *params, char *base)
{
	sq->khead = (unsigned *)(void *)(base + params->sq_off.head);
	sq->ktail = (unsigned *)(void *)(base + params->sq_off.tail);
	sq->kring_mask = (unsigned *)(void *)(base + params->sq_off.ring_mask);
	sq->kring_entries = (unsigned *)(void *)(base + params->sq_off.ring_entries);
	sq->kflags = (unsigned *)(void *)(base + params->sq_off.flags);
	sq->kdropped = (unsigned *)(void *)(base + params->sq_off.dropped);
	sq->ring_mask = *sq->kring_mask;
	sq->ring_entries = *sq->kring_entries;
	if (params->flags & IORING_SETUP_NO_SQARRAY)
		return;
	sq->array = (unsigned *)(void *)(base + params->sq_off.array);
	for (unsigned i = 0; i < sq->ring_entries; i++)
		sq->array[i] = i;
}

static void fill_cq(struct io_uring_cq *cq, const struct io_uring_params *params, char *base)
{
	cq->khead = (unsigned *)(void *)(base + params->cq_off.head);
	cq->ktail = (unsigned *)(void *)(base + params->cq_off.tail);
	cq->kring_mask = (unsigned *)(void *)(base + params->cq_off.ring_mask);
	cq->kring_entries = (unsigned *)(void *)(base + params->cq_off.ring_entries);
	cq->koverflow = (unsigned *)(void *)(base + params->cq_off.overflow);
	cq->cqes = (struct io_uring_cqe *)(void *)(base + params->cq_off.cqes);
	cq->ring_mask = *cq->kring_mask;
	cq->ring_entries = *cq->kring_entries;
}

static size_t ring_bytes(const struct io_uring_params *params)
{
	const size_t sq = params->sq_off.array + params->sq_entries * sizeof(unsigned);
	const size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);

	return quoit_max(sq, cq);
}

/* Map what the kernel shares with us. SQ and CQ are one mapping (SINGLE_MMAP, part of the floor).
 */
static int map_ring(struct io_uring *ring, const struct io_uring_params *params, int fd)
{
	const int protection = PROT_READ | PROT_WRITE;
	const int flags = MAP_SHARED | MAP_POPULATE;
	void *shared = NULL;
	void *entries = NULL;
	int rc;

	ring->sq.ring_sz = ring->cq.ring_sz = ring_bytes(params);
	rc = quoit__sys_mmap(&shared, ring->sq.ring_sz, protection, flags, fd, IORING_OFF_SQ_RING);
	if (rc < 0)
		return rc;
	rc = quoit__sys_mmap(&entries, params->sq_entries * sizeof(struct io_uring_sqe), protection,
			     flags, fd, IORING_OFF_SQES);
	if (rc < 0) {
		quoit__sys_munmap(shared, ring->sq.ring_sz);
		return rc;
	}
	/* It is shared memory: a forked child would prepare entries in its parent's queue. */
	(void)quoit__sys_madvise(shared, ring->sq.ring_sz, MADV_DONTFORK);
	(void)quoit__sys_madvise(entries, params->sq_entries * sizeof(struct io_uring_sqe),
				 MADV_DONTFORK);
	ring->sq.ring_ptr = ring->cq.ring_ptr = shared;
	ring->sq.sqes = entries;
	fill_sq(&ring->sq, params, shared);
	fill_cq(&ring->cq, params, shared);
	return 0;
}

/* The registered descriptor saves a file look-up in every enter; without it all works the same. */
static void register_own_fd(struct quoit_uring *uring)
{
	struct io_uring_rsrc_update update = {.offset = -1U,
					      .data = (uint64_t)(unsigned)uring->ring->ring_fd};

	if (quoit__uring_register(uring->ring->ring_fd, IORING_REGISTER_RING_FDS, &update, 1) != 1)
		return;
	uring->enter_fd = (int)update.offset;
	uring->enter_flags |= IORING_ENTER_REGISTERED_RING;
}

static int open_ring(struct quoit_uring *uring, unsigned sq_entries, unsigned taskrun,
		     struct quoit_reason *why)
{
	struct io_uring_params params;
	const int fd = set_up(&params, sq_entries, taskrun);
	int rc;

	if (fd < 0)
		return explain(why, fd);
	if ((params.features & FEATURES_FLOOR) != FEATURES_FLOOR) {
		quoit__sys_close(fd);
		return explain_too_old(why, -EOPNOTSUPP);
	}
	memset(uring, 0, sizeof(*uring));
	uring->ring = &uring->own;
	rc = map_ring(uring->ring, &params, fd);
	if (rc < 0) {
		quoit__sys_close(fd);
		return explain(why, rc);
	}
	uring->own.flags = params.flags;
	uring->own.features = params.features;
	uring->own.ring_fd = uring->own.enter_ring_fd = uring->enter_fd = fd;
	uring->wait_flags = params.features & IORING_FEAT_NO_IOWAIT ? IORING_ENTER_NO_IOWAIT : 0;
	uring->can_gather = params.features & IORING_FEAT_MIN_TIMEOUT;
	register_own_fd(uring);
	return 0;
}

int quoit_uring_open(struct quoit_uring *uring, unsigned sq_entries, struct quoit_reason *why)
{
	return open_ring(uring, sq_entries, IORING_SETUP_DEFER_TASKRUN, why);
}

int quoit_uring_open_pollable(struct quoit_uring *uring, unsigned sq_entries,
			      struct quoit_reason *why)
{
	return open_ring(uring, sq_entries, IORING_SETUP_COOP_TASKRUN, why);
}

int quoit_uring_attach(struct quoit_uring *uring, struct io_uring *ring, struct quoit_reason *why)
{
	if (ring->flags & IORING_SETUP_IOPOLL)
		return quoit_reason_set(
			why, -EINVAL,
			"a loop cannot live on an io_uring with IORING_SETUP_IOPOLL, "
			"which has no polls: give it one without");
	if ((ring->features & FEATURES_FLOOR) != FEATURES_FLOOR)
		return explain_too_old(why, -EOPNOTSUPP);
	memset(uring, 0, sizeof(*uring));
	uring->ring = ring;
	uring->lost_seen = quoit_load(ring->cq.koverflow); /* before our time */
	uring->guest = true;
	return 0;
}

void quoit_uring_abandon(struct quoit_uring *uring)
{
	if (uring->enter_flags & IORING_ENTER_REGISTERED_RING) {
		struct io_uring_rsrc_update update = {.offset = (unsigned)uring->enter_fd};

		(void)quoit__uring_register(uring->ring->ring_fd, IORING_UNREGISTER_RING_FDS,
					    &update, 1); /* the thread's end would do it too */
	}
	quoit__sys_close(uring->ring->ring_fd);
}

void quoit_uring_close(struct quoit_uring *uring)
{
	struct io_uring_sq *sq = &uring->own.sq;

	if (uring->guest)
		return;
	quoit__sys_munmap(sq->sqes, sq->ring_entries * sizeof(struct io_uring_sqe));
	quoit__sys_munmap(sq->ring_ptr, sq->ring_sz);
	quoit_uring_abandon(uring);
}
