/* SPDX-License-Identifier: MIT */
/*
 * refuse.c - start a program where something is refused to it.
 *
 *   refuse eperm PROGRAM ARGUMENT ...     a seccomp filter answers io_uring_setup with EPERM
 *   refuse enosys PROGRAM ARGUMENT ...    or with ENOSYS
 *   refuse memlock PROGRAM ARGUMENT ...   an unprivileged user who may lock no memory
 *
 * Exit code: the program's; 77 if the machine does not let us refuse it, with the reason.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY	     65534
#define CANNOT	     77
#define COUNT_OF(of) (sizeof(of) / sizeof(*(of)))

static int cannot(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return CANNOT;
}

static int filter(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = COUNT_OF(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return cannot("no_new_privs");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return cannot("seccomp");
	return 0;
}

static int lock_nothing(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0)
		return cannot("RLIMIT_MEMLOCK");
	if (getuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return cannot("setuid");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	int rc;

	if (!strcmp(what, "eperm")) {
		rc = filter(EPERM);
	} else if (!strcmp(what, "enosys")) {
		rc = filter(ENOSYS);
	} else if (!strcmp(what, "memlock")) {
		rc = lock_nothing();
	} else {
		fprintf(stderr, "usage: refuse eperm|enosys|memlock PROGRAM ARGUMENT ...\n");
		return 2;
	}
	if (rc)
		return rc;
	execv(argv[2], argv + 2);
	return cannot(argv[2]);
}
