/* SPDX-License-Identifier: MIT */
/*
 * uring_open.c - set an io_uring up by trying what the kernel has, and explain a refusal.
 *
 * The floor is Linux 6.1. What is newer is asked for first and dropped if the kernel says EINVAL.
 * We call the kernel ourselves, because liburing 2.3 knows nothing newer than 6.1. The memory of
 * the queues is uring_map.c's.
 */
#include <quoit/io/uring_internal.h>

#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <quoit/io/kernel_internal.h>
#include <quoit/io/uring_map_internal.h>
#include <quoit/numa/sys_internal.h>

#define FLAGS_FLOOR                                                           \
	(IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | \
	 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_TASKRUN_FLAG)
#define FEATURES_FLOOR \
	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP)

/*
 * Dropped one by one while the kernel answers EINVAL. The first is older than the second, but
 * kernels that know both may still refuse memory of more than one page.
 */
static const unsigned flags_newer[] = {IORING_SETUP_NO_MMAP, IORING_SETUP_NO_SQARRAY};

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

/* With `queues` open they are offered to the kernel. */
static int set_up(struct io_uring_params *params, unsigned entries, unsigned taskrun,
		  const struct quoit_region *queues)
{
	unsigned flags = FLAGS_FLOOR | taskrun;
	size_t dropped = 0;
	int fd;

	for (size_t i = 0; i < sizeof(flags_newer) / sizeof(*flags_newer); i++)
		flags |= flags_newer[i];
	if (!queues->base)
		flags &= ~flags_newer[dropped++];
	for (;;) {
		memset(params, 0, sizeof(*params));
		params->flags = flags;
		params->cq_entries = entries * QUOIT_URING_CQ_PER_SQ;
		if (flags & IORING_SETUP_NO_MMAP)
			quoit_queues_offer(queues, params, entries);
		fd = quoit__uring_setup(entries, params);
		if (fd >= 0 && flags & IORING_SETUP_NO_MMAP && !quoit_queues_fit(params, entries)) {
			quoit__sys_close(fd); /* a kernel whose heads take more than a page */
			fd = -EINVAL;
		}
		if (fd != -EINVAL || dropped == sizeof(flags_newer) / sizeof(*flags_newer))
			return fd;
		flags &= ~flags_newer[dropped++];
	}
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

/* Set one up and map it. Nothing is left open on failure, but `queues`. */
static int make_ring(struct quoit_uring *uring, struct io_uring_params *params, unsigned sq_entries,
		     unsigned taskrun, const struct quoit_region *queues, struct quoit_reason *why)
{
	const int fd = set_up(params, sq_entries, taskrun, queues);
	int rc;

	if (fd < 0)
		return explain(why, fd);
	if ((params->features & FEATURES_FLOOR) != FEATURES_FLOOR) {
		quoit__sys_close(fd);
		return explain_too_old(why, -EOPNOTSUPP);
	}
	memset(uring, 0, sizeof(*uring));
	uring->ring = &uring->own;
	rc = quoit_queues_map(uring, params, queues, sq_entries, fd);
	if (rc < 0) {
		quoit__sys_close(fd);
		return explain(why, rc);
	}
	return fd;
}

static int open_ring(struct quoit_uring *uring, unsigned sq_entries, unsigned taskrun, int node,
		     struct quoit_reason *why)
{
	struct io_uring_params params;
	struct quoit_region queues = {.node = -1};
	int fd = node < 0 ? 0 : quoit_queues_reserve(&queues, sq_entries, node, why);

	if (fd < 0)
		return fd;
	fd = make_ring(uring, &params, sq_entries, taskrun, &queues, why);
	if (fd < 0 || !(params.flags & IORING_SETUP_NO_MMAP))
		quoit_region_close(&queues); /* the kernel has its own */
	if (fd < 0)
		return fd;
	quoit_queues_verify(uring, node);
	uring->own.flags = params.flags;
	uring->own.features = params.features;
	uring->own.ring_fd = uring->own.enter_ring_fd = uring->enter_fd = fd;
	uring->wait_flags = params.features & IORING_FEAT_NO_IOWAIT ? IORING_ENTER_NO_IOWAIT : 0;
	uring->can_gather = params.features & IORING_FEAT_MIN_TIMEOUT;
	register_own_fd(uring);
	return 0;
}

int quoit_uring_open(struct quoit_uring *uring, unsigned sq_entries, int node,
		     struct quoit_reason *why)
{
	return open_ring(uring, sq_entries, IORING_SETUP_DEFER_TASKRUN, node, why);
}

int quoit_uring_open_pollable(struct quoit_uring *uring, unsigned sq_entries, int node,
			      struct quoit_reason *why)
{
	return open_ring(uring, sq_entries, IORING_SETUP_COOP_TASKRUN, node, why);
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
	if (uring->guest)
		return;
	quoit_uring_abandon(uring);
	quoit_queues_unmap(uring); /* the kernel's own ring ends with its mapping */
}
