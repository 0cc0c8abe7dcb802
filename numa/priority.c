/* SPDX-License-Identifier: MIT */
/*
 * priority.c - one sched_setattr for policy, nice value, level and reset at once, so that a refusal
 * leaves nothing half done.
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/priority.h>

#include <limits.h>
#include <string.h>

#define INTERACTIVE_NICE (-5)
#define LEVEL_MOST	 99
#define DEADLINE	 6 /* SCHED_DEADLINE, which not every libc names */

static int refuse(const struct quoit__sched_attr *attr, int rc, struct quoit_reason *why)
{
	if (rc != -EPERM)
		return quoit_reason_set(why, rc, "the thread's priority stays as it was: %s",
					strerror(-rc));
	if (attr->policy == SCHED_FIFO)
		return quoit_reason_set(
			why, rc,
			"real-time level %u is not permitted: give CAP_SYS_NICE, or "
			"RLIMIT_RTPRIO of that much (ulimit -r, LimitRTPRIO=)",
			attr->priority);
	return quoit_reason_set(why, rc,
				"nice %d is not permitted to a thread that is behind it: give "
				"CAP_SYS_NICE, or RLIMIT_NICE of %d (ulimit -e, LimitNICE=)",
				attr->nice, 20 - attr->nice);
}

static int set(struct quoit__sched_attr *attr, struct quoit_reason *why)
{
	struct quoit__sched_attr now = {.size = sizeof now};
	attr->size = sizeof *attr;
	/* Two things need a right that going down does not: taking the flag back, and a nice value
	 * that falls. */
	if (quoit__sys_sched_getattr(&now) >= 0) {
		attr->flags |= now.flags & QUOIT__SCHED_RESET_ON_FORK_BIT;
		if (attr->policy == SCHED_IDLE && now.nice > 0)
			attr->nice = now.nice;
	}
	const int rc = quoit__sys_sched_setattr(attr);
	return rc < 0 ? refuse(attr, rc, why) : 0;
}

int quoit_thread_set_realtime(unsigned level, struct quoit_reason *why)
{
	if (level < 1 || level > LEVEL_MOST)
		return quoit_reason_set(why, -EINVAL, "real-time level %u: give 1 to %d", level,
					LEVEL_MOST);
	struct quoit__sched_attr attr = {
		.policy = SCHED_FIFO,
		.flags = QUOIT__SCHED_RESET_ON_FORK_BIT,
		.priority = level,
	};
	return set(&attr, why);
}

int quoit_thread_set_priority(enum quoit_priority priority, struct quoit_reason *why)
{
	struct quoit__sched_attr attr = {.policy = SCHED_OTHER};
	switch (priority) {
	case QUOIT_PRIORITY_REALTIME_AUDIO:
		return quoit_thread_set_realtime(QUOIT_REALTIME_LEVEL, why);
	case QUOIT_PRIORITY_INTERACTIVE:
		attr.nice = INTERACTIVE_NICE;
		return set(&attr, why);
	case QUOIT_PRIORITY_BACKGROUND:
		attr.policy = SCHED_IDLE;
		return set(&attr, why);
	case QUOIT_PRIORITY_DEFAULT:
		return set(&attr, why);
	}
	return quoit_reason_set(why, -EINVAL, "%d is none of enum quoit_priority", (int)priority);
}

/* --- the truth -------------------------------------------------------------------------------- */

static void name_priority(struct quoit_sched_info *info)
{
	const bool is_realtime =
		info->policy == SCHED_FIFO || info->policy == SCHED_RR || info->policy == DEADLINE;
	if (info->policy == SCHED_IDLE) {
		info->priority = QUOIT_PRIORITY_BACKGROUND;
		info->exact = true;
	} else if (is_realtime) {
		info->priority = QUOIT_PRIORITY_REALTIME_AUDIO;
		info->exact = info->policy == SCHED_FIFO && info->reset_on_fork;
	} else if (info->nice < 0) {
		info->priority = QUOIT_PRIORITY_INTERACTIVE;
		info->exact = info->policy == SCHED_OTHER && info->nice == INTERACTIVE_NICE;
	} else {
		info->priority = QUOIT_PRIORITY_DEFAULT;
		info->exact = info->policy == SCHED_OTHER && info->nice == 0;
	}
}

/* A whole number of microseconds: false if it cannot be read, or is none. -1 means no limit. */
static bool read_us(const char *path, int64_t *us)
{
	char text[32];
	const ssize_t bytes = quoit__sys_file_read(path, text, sizeof text);
	if (bytes <= 0)
		return false;
	char *end;
	*us = strtoll(text, &end, 10);
	return end != text && *us >= -1 && *us <= INT_MAX;
}

static void read_throttle(struct quoit_sched_info *info)
{
	int64_t runtime_us = 0;
	int64_t period_us = 0;
	if (!read_us("/proc/sys/kernel/sched_rt_runtime_us", &runtime_us) ||
	    !read_us("/proc/sys/kernel/sched_rt_period_us", &period_us) || period_us <= 0)
		return;
	info->rt_period_ns = (uint64_t)period_us * 1000;
	info->rt_runtime_ns = runtime_us < 0 ? info->rt_period_ns : (uint64_t)runtime_us * 1000;
}

int quoit_thread_sched(struct quoit_sched_info *info)
{
	struct quoit__sched_attr attr = {.size = sizeof attr};
	const int rc = quoit__sys_sched_getattr(&attr);
	if (rc < 0)
		return rc;
	const long slack_ns = quoit__sys_timer_slack();
	struct quoit_sched_info found = {
		.policy = (int)attr.policy,
		.nice = attr.nice,
		.level = attr.priority,
		.reset_on_fork = attr.flags & QUOIT__SCHED_RESET_ON_FORK_BIT,
		.timer_slack_ns = slack_ns > 0 ? (uint64_t)slack_ns : 0,
	};
	name_priority(&found);
	read_throttle(&found);
	*info = found;
	return 0;
}

int quoit_thread_set_timer_slack(uint64_t ns)
{
	return quoit__sys_set_timer_slack(ns);
}
