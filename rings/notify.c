/* SPDX-License-Identifier: MIT */
/* notify.c - the eventfd behind a notifier. The protocol itself is inline in notify.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/rings/notify.h>

#include <quoit/numa/clock.h>

static struct quoit_wake never_armed;

struct quoit_notify quoit_notify_nobody = {.wake = &never_armed, .fd = -1};

int quoit_notify_open(struct quoit_notify *notify, struct quoit_wake *wake)
{
	const int fd = quoit__sys_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return fd;
	notify->wake = wake;
	notify->fd = fd;
	return 0;
}

void quoit_notify_close(struct quoit_notify *notify)
{
	if (notify->fd >= 0)
		quoit__sys_close(notify->fd);
	notify->fd = -1;
}

int quoit_notify_ring(const struct quoit_notify *notify)
{
	const uint64_t one = 1;
	ssize_t wrote;

	if (notify->wake)
		quoit__wake_stamp(notify->wake, quoit_clock_now_ns());
	do
		wrote = quoit__sys_write(notify->fd, &one, sizeof(one));
	while (wrote == -EINTR);
	return wrote == (ssize_t)sizeof(one) || wrote == -EAGAIN ? 0 : (int)wrote;
}
