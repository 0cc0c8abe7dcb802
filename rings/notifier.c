/* SPDX-License-Identifier: MIT */
/* notifier.c - what a notifier asks of the kernel. The protocol is inline. */
#include <quoit/numa/sys_internal.h>

#include <quoit/rings/notifier.h>

int quoit_notifier_init(struct quoit_notifier *notifier)
{
	struct quoit_notify notify;
	const int rc = quoit_notify_open(&notify, &notifier->wake);

	if (rc)
		return rc;
	*notifier = (struct quoit_notifier){.notify = notify};
	return 0;
}

int quoit_notifier_destroy(struct quoit_notifier *notifier)
{
	/* part: pairs with quoit_notifier_ref() and quoit_notifier_unref() */
	if (quoit_load_acquire(&notifier->refs))
		return -EBUSY;
	quoit_notify_close(&notifier->notify);
	return 0;
}

int quoit_notifier_signal(struct quoit_notifier *notifier)
{
	return quoit_notify_ring(&notifier->notify);
}

uint64_t quoit_notifier_consume(struct quoit_notifier *notifier)
{
	uint64_t bells;
	ssize_t got;

	do
		got = quoit__sys_read(notifier->notify.fd, &bells, sizeof(bells));
	while (got == -EINTR);
	return got == (ssize_t)sizeof(bells) ? bells : 0;
}

int quoit_notifier_register_epoll(struct quoit_notifier *notifier, int epoll, uint64_t data)
{
	return quoit__sys_epoll_ctl(epoll, EPOLL_CTL_ADD, notifier->notify.fd, EPOLLIN | EPOLLET,
				    data);
}

void quoit_notifier_unregister_epoll(struct quoit_notifier *notifier, int epoll)
{
	/* Fails where it is not in the set, which is what was asked for. */
	(void)quoit__sys_epoll_ctl(epoll, EPOLL_CTL_DEL, notifier->notify.fd, 0, 0);
}
