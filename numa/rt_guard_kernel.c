/* SPDX-License-Identifier: MIT */
/*
 * rt_guard_kernel.c - the net behind the doubles: the kernel itself tells of system calls.
 *
 * Syscall User Dispatch: while the thread's selector says so, a system call becomes a SIGSYS, but
 * for those made from the addresses of the gate. The handler takes note, does for the program what
 * it wanted done, and gives it the answer.
 */
#include <quoit/numa/rt_guard_internal.h>

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)

#define DISPATCH_SET  59 /* PR_SET_SYSCALL_USER_DISPATCH, Linux 5.11 */
#define DISPATCH_ON   1L
#define DISPATCHED    2 /* si_code: SYS_USER_DISPATCH */
#define MASK_BYTES    8L
#define SA_RESTORER   0x04000000ul
#define SYSCALL_BYTES 2 /* of the instruction */

/* As the kernel takes it. */
struct action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/*
 * The gate and the way back from the handler. That is spelled as libc's is, byte for byte, because
 * by this debuggers and backtrace() know that a signal's frame is there.
 */
void quoit__rt_gate_return(void);
extern const char quoit__rt_gate_end[];

__asm__(".pushsection .text.quoit_rt_gate, \"ax\", @progbits\n"
	".balign 16\n"
	".globl quoit__rt_gate\n"
	".hidden quoit__rt_gate\n"
	".type quoit__rt_gate, @function\n"
	"quoit__rt_gate:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"	ret\n"
	".size quoit__rt_gate, . - quoit__rt_gate\n"
	"	nop\n" /* who looks for the caller of the next looks one byte before it */
	".balign 16\n"
	".globl quoit__rt_gate_return\n"
	".hidden quoit__rt_gate_return\n"
	".type quoit__rt_gate_return, @function\n"
	"quoit__rt_gate_return:\n"
	"	.byte 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0\n" /* mov $15, %rax */
	"	syscall\n"
	"	nop\n" /* a call is taken to come from the address behind it */
	".size quoit__rt_gate_return, . - quoit__rt_gate_return\n"
	".globl quoit__rt_gate_end\n"
	".hidden quoit__rt_gate_end\n"
	"quoit__rt_gate_end:\n"
	".popsection\n");

static struct action before; /* who had SIGSYS */

/* Not a dispatched call: somebody else's filter, or kill(2). */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	if ((uintptr_t)before.handler > (uintptr_t)SIG_IGN) {
		before.handler(signal, info, context);
		return;
	}
	(void)quoit__rt_gate(SYS_rt_sigaction, SIGSYS, (long)&before, 0, MASK_BYTES, 0, 0);
	(void)quoit__rt_gate(SYS_tgkill, quoit__rt_gate(SYS_getpid, 0, 0, 0, 0, 0, 0),
			     quoit__rt_gate(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGSYS, 0, 0, 0);
}

/* Their child would come back here, with a stack of its own: they are done where they stand. */
static bool needs_its_own_frame(long number)
{
	return number == SYS_clone || number == SYS_clone3 || number == SYS_vfork;
}

/* Do what the program wanted, in its place. */
static void perform(long number, ucontext_t *context)
{
	greg_t *const r = context->uc_mcontext.gregs;

	if (needs_its_own_frame(number)) {
		/* And the kernel tells of nothing more, until the section's next step. */
		r[REG_RIP] -= SYSCALL_BYTES;
		quoit__rt_thread.selector = 0;
		return;
	}
	r[REG_RAX] = quoit__rt_gate(number, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10],
				    r[REG_R8], r[REG_R9]);
	/* A mask that it changed would be changed back by the return from here. */
	if (number == SYS_rt_sigprocmask)
		(void)quoit__rt_gate(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&context->uc_sigmask,
				     MASK_BYTES, 0, 0);
}

static void kernel_was_called(int signal, siginfo_t *info, void *opaque)
{
	ucontext_t *const context = opaque;
	const long number = info->si_syscall;
	bool caught = false;

	if (info->si_code != DISPATCHED) {
		pass_on(signal, info, opaque);
		return;
	}
	/* The end of a handler that interrupted the section: not the section's doing. */
	if (number == SYS_rt_sigreturn) {
		context->uc_mcontext.gregs[REG_RIP] = (greg_t)quoit__rt_gate_return;
		return;
	}
	if (!quoit__rt_permits(number))
		caught = quoit__rt_caught(QUOIT_BREACH_KERNEL, "a system call", number);
	if (caught && needs_its_own_frame(number)) {
		quoit__rt_go_on();
		caught = false;
	}
	perform(number, context);
	if (caught)
		quoit__rt_go_on();
}

/* Others take SIGSYS, too, cmocka among them. What was there is theirs, and called for theirs. */
static void take_signal(void)
{
	const struct action ours = {
		.handler = kernel_was_called,
		.flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTORER,
		.restorer = quoit__rt_gate_return,
	};
	struct action old;

	if (!quoit__rt_gate(SYS_rt_sigaction, SIGSYS, (long)&ours, (long)&old, MASK_BYTES, 0, 0) &&
	    old.handler != ours.handler)
		before = old;
}

void quoit__rt_kernel_begin(struct quoit__rt_thread *t)
{
	if (!quoit__rt_kernel_arm(t))
		take_signal();
}

int quoit__rt_kernel_arm(struct quoit__rt_thread *t)
{
	const uint64_t sigsys = (uint64_t)1 << (SIGSYS - 1);
	const char *const gate = (const char *)(uintptr_t)quoit__rt_gate;

	if (t->asked)
		return t->refused;
	(void)quoit__rt_gate(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&sigsys, 0, MASK_BYTES, 0, 0);
	t->refused = (int)quoit__rt_gate(SYS_prctl, DISPATCH_SET, DISPATCH_ON, (long)gate,
					 quoit__rt_gate_end - gate, (long)&t->selector, 0);
	t->asked = true;
	return t->refused;
}

#else

/* No such net here; what the guard itself asks for goes by libc. */
long quoit__rt_gate(long number, long a, long b, long c, long d, long e, long f)
{
	static void *known;
	long (*const real)(long, ...) =
		(long (*)(long, ...))(uintptr_t)quoit__rt_behind(&known, "syscall");
	const int saved = errno;
	long answer = real(number, a, b, c, d, e, f);

	if (answer < 0)
		answer = -errno;
	errno = saved;
	return answer;
}

void quoit__rt_kernel_begin(struct quoit__rt_thread *t)
{
	(void)t;
}

int quoit__rt_kernel_arm(struct quoit__rt_thread *t)
{
	t->asked = true;
	t->refused = -ENOSYS;
	return t->refused;
}

#endif
