/* SPDX-License-Identifier: MIT */
/* peer.c - see peer.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/peer.h>

#include <string.h>

#include <quoit/io/kernel_internal.h>

#define NOBODY ((uid_t)-1) /* what sockets tell that have no peer, or know no users */

int quoit_peer_read(int sock, struct quoit_peer *peer, struct quoit_reason *why)
{
	struct ucred seen = {0};
	const int rc = quoit__net_get(sock, SOL_SOCKET, SO_PEERCRED, &seen, sizeof(seen));

	if (rc < 0)
		return quoit_reason_set(why, rc, "cannot tell who the peer is: %s", strerror(-rc));
	if (seen.uid == NOBODY)
		return quoit_reason_set(why, -ENOTCONN,
					"cannot tell who the peer is: give a unix socket that is "
					"connected");
	*peer = (struct quoit_peer){.pid = seen.pid, .uid = seen.uid, .gid = seen.gid};
	return 0;
}

static bool is_allowed(const struct quoit_peer *peer, const struct quoit_peer_policy *policy)
{
	if (!policy || (!policy->anyone && !policy->uid_count && !policy->gid_count))
		return peer->uid == quoit__sys_effective_uid();
	if (policy->anyone)
		return true;
	for (size_t i = 0; i < policy->uid_count; i++)
		if (policy->uids[i] == peer->uid)
			return true;
	for (size_t i = 0; i < policy->gid_count; i++)
		if (policy->gids[i] == peer->gid)
			return true;
	return false;
}

int quoit_peer_check(const struct quoit_peer *peer, const struct quoit_peer_policy *policy,
		     struct quoit_reason *why)
{
	if (is_allowed(peer, policy))
		return 0;
	return quoit_reason_set(
		why, -EACCES,
		"process %d of user %u and group %u is not let in: allow him in the policy",
		(int)peer->pid, (unsigned)peer->uid, (unsigned)peer->gid);
}

int quoit_peer_pidfd(int sock, bool *exact, struct quoit_reason *why)
{
	struct quoit_peer peer;
	int fd = -1;
	int rc = quoit__net_get(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, sizeof(fd));
	const bool knows = rc != -ENOPROTOOPT;

	if (!knows) {
		rc = quoit_peer_read(sock, &peer, why);
		if (rc < 0)
			return rc;
		rc = fd = peer.pid > 0 ? quoit__sys_pidfd_open(peer.pid) : -ESRCH;
	}
	if (rc == -ENODATA) /* what it says of sockets without a peer */
		return quoit_reason_set(why, -ENOTCONN,
					"cannot watch the peer: give a unix socket that is "
					"connected");
	/* Later kernels give a descriptor of the dead, earlier ones do not: of those waited for. */
	if (rc == -ESRCH || rc == -EINVAL)
		return quoit_reason_set(why, -ESRCH, "cannot watch the peer: he has ended");
	if (rc < 0)
		return quoit_reason_set(why, rc, "cannot watch the peer: %s", strerror(-rc));
	if (exact)
		*exact = knows;
	return fd;
}
