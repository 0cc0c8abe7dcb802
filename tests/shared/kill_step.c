/* SPDX-License-Identifier: MIT */
/*
 * kill_step.c - a process is led to one of its machine instructions, and killed in front of it.
 *
 * A point is counted from the last system call before it, to which the kernel leads by itself; only
 * from there on is it stepped, so a call of thousands of instructions can be killed at all of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shared/kill.h>

#define STEPS_MOST 200000 /* of one call: beyond that it does not end */

void kill_stop(void)
{
#if defined(__x86_64__)
	__asm__ volatile("int3" ::: "memory");
#else
	(void)raise(SIGTRAP);
#endif
}

/* Have the kernel say `what`, and wait until it stops again; its signal, or 0 if it has ended. */
static int go(pid_t pid, int what)
{
	int status = 0;

	if (ptrace((enum __ptrace_request)what, pid, NULL, NULL) ||
	    waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 0;
	return WSTOPSIG(status);
}

bool kill_wait_stop(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		return false;
	return !ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD);
}

void kill_end(pid_t pid)
{
	int status = 0;

	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		;
}

static bool is_at_system_call(pid_t pid)
{
#if defined(__x86_64__)
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return false;
	return (ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)regs.rip, NULL) & 0xffff) == 0x050f;
#else
	(void)pid;
	return false;
#endif
}

bool kill_measure(pid_t pid, const struct kill_talk *talk, struct kill_path *path)
{
	*path = (struct kill_path){.segments = 1};
	for (unsigned n = 0; n < STEPS_MOST; n++) {
		const bool enters = is_at_system_call(pid);

		if (!go(pid, PTRACE_SINGLESTEP))
			return false;
		if (talk->done)
			return true;
		path->steps[path->segments - 1]++;
		if (!enters)
			continue;
		if (path->segments == KILL_SEGMENTS)
			return false;
		path->segments++;
	}
	return false;
}

/* Into and out of the next system call. */
static bool pass_system_call(pid_t pid, const struct kill_talk *talk)
{
	for (int half = 0; half < 2; half++)
		if (go(pid, PTRACE_SYSCALL) != (SIGTRAP | 0x80) || talk->done)
			return false;
	return true;
}

bool kill_at(pid_t pid, const struct kill_talk *talk, const struct kill_point *point)
{
	bool there = true;

	for (unsigned i = 0; i < point->calls && there; i++)
		there = pass_system_call(pid, talk);
	for (unsigned i = 0; i < point->steps && there; i++)
		there = go(pid, PTRACE_SINGLESTEP) && !talk->done;
	kill_end(pid);
	return there;
}
