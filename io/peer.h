/* SPDX-License-Identifier: MIT */
/*
 * peer.h - who is at the other end of a unix socket, and whether he may be there.
 *
 * The kernel remembers it: of whoever connected, as he was at his connect; of a server, as he was
 * when he began to listen; of both ends of a socketpair, who made it. A socket that was handed on
 * afterwards still tells of him. Credentials are translated to the reader's namespaces: a user that
 * his namespace does not know looks like the overflow user (65534), so let nobody in by that
 * number.
 *
 * Thread: any, for all of these.
 */
#ifndef QUOIT_IO_PEER_H
#define QUOIT_IO_PEER_H

#include <sys/types.h>

#include <quoit/numa/reason.h>

QUOIT_C_BEGIN

struct quoit_peer {
	pid_t pid; /* 0: a process that our namespace does not see */
	uid_t uid; /* effective */
	gid_t gid; /* effective; his supplementary groups do not count */
};

/*
 * Who may be at the other end: a user of `uids` or a group of `gids`. With neither, and so with all
 * zero, it is our own effective user, and nobody else; not even root.
 *
 * Owns: the lists stay the caller's, and must stay as long as what was given the policy.
 */
struct quoit_peer_policy {
	const uid_t *uids;
	size_t uid_count;
	const gid_t *gids;
	size_t gid_count;
	bool anyone; /* whatever the lists say */
};

/*
 * Ask the kernel who is at the other end. *peer is untouched on failure.
 *
 * Errors: -ENOTCONN for what is no connected unix socket; -EBADF, -ENOTSOCK; with the reason.
 */
QUOIT_MUST_CHECK int quoit_peer_read(int sock, struct quoit_peer *peer, struct quoit_reason *why);

/*
 * May he? `policy` may be NULL, for the same user only.
 *
 * Errors: -EACCES, with the reason.
 */
QUOIT_MUST_CHECK int quoit_peer_check(const struct quoit_peer *peer,
				      const struct quoit_peer_policy *policy,
				      struct quoit_reason *why);

/*
 * A descriptor of the process at the other end, which becomes readable when he has died. From Linux
 * 6.5 on it is surely his; before, it is looked up by his pid, which may be another's if he died
 * and was waited for already: `exact`, unless NULL, tells which.
 *
 * Owns: the caller closes it.
 * Errors: -ESRCH he has died; -ENOTCONN; -EMFILE and the like; with the reason.
 */
QUOIT_MUST_CHECK int quoit_peer_pidfd(int sock, bool *exact, struct quoit_reason *why);

QUOIT_C_END

#endif
