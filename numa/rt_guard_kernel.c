/* SPDX-License-Identifier: MIT */
/*
 * rt_guard_kernel.c - the net behind the doubles: the kernel itself tells of system calls.
 *
 * Syscall User Dispatch: while the thread's selector says so, a system call becomes a SIGSYS, but
 * for those made from the addresses of the gate. The handler takes note, does for the program what
 * it wanted done, and gives it the answer.
 */
#include <quoit/numa/rt_guard_internal.h>

#include <errno.h>
#include <linux/audit.h>
#include <sched.h>
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
#define SYSCALL_BYTES 2 /* of the instruction, whichever it is */
#define SIGSYS_BIT    ((uint64_t)1 << (SIGSYS - 1))

/* As the kernel takes it. */
struct action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/*
 * The gate; a second one for what must be called where the program stands, which leads back there;
 * and the way back from the handler. That is spelled as libc's is, byte for byte, because by this
 * debuggers and backtrace() know that a signal's frame is there.
 */
void quoit__rt_gate_there(void);
void quoit__rt_gate_return(void);
extern const char quoit__rt_gate_end[];

/* Where the second leads: no register outlives a system call that the program did not count on. */
extern __thread greg_t quoit__rt_back __attribute__((tls_model("initial-exec")));
__thread greg_t quoit__rt_back;

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
	".balign 16\n"
	".globl quoit__rt_gate_there\n"
	".hidden quoit__rt_gate_there\n"
	".type quoit__rt_gate_there, @function\n"
	"quoit__rt_gate_there:\n"
	"	syscall\n"
	"	mov quoit__rt_back@gottpoff(%rip), %rcx\n" /* which a system call spoils anyway */
	"	jmp *%fs:(%rcx)\n"
	".size quoit__rt_gate_there, . - quoit__rt_gate_there\n"
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

/* --- who had SIGSYS -------------------------------------------------------------------------- */

/* So many are kept that nobody still reads the one whose place is taken. */
#define KEPT 16

static struct action kept[KEPT];
static uint64_t kept_ever;
static const struct action *before; /* the last of them */

static void keep(const struct action *old)
{
	/* sigsys: pairs with keep() */
	const struct action *const known = quoit_load_acquire(&before);
	struct action *place;

	if (known && !memcmp(known, old, sizeof(*old)))
		return;
	/* sigsys: pairs with keep(): two threads take two places */
	place = &kept[quoit_add(&kept_ever, 1) % KEPT];
	*place = *old;
	quoit_store_release(&before, place); /* sigsys: pairs with pass_on() and keep() */
}

/* Under the signals that the handler wanted blocked, but for the one that must never be. */
static void hand_over(const struct action *to, int signal, siginfo_t *info, void *context)
{
	const uint64_t blocked = to->mask & ~SIGSYS_BIT;
	uint64_t was = 0;

	(void)quoit__rt_gate(SYS_rt_sigprocmask, SIG_BLOCK, (long)&blocked, (long)&was, MASK_BYTES,
			     0, 0);
	to->handler(signal, info, context);
	(void)quoit__rt_gate(SYS_rt_sigprocmask, SIG_SETMASK, (long)&was, 0, MASK_BYTES, 0, 0);
}

/* Not a dispatched call: somebody else's filter, or kill(2). */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	/* sigsys: pairs with keep() */
	const struct action *const to = quoit_load_acquire(&before);

	if ((uintptr_t)to->handler == (uintptr_t)SIG_IGN)
		return;
	if ((uintptr_t)to->handler != (uintptr_t)SIG_DFL) {
		hand_over(to, signal, info, context);
		return;
	}
	(void)quoit__rt_gate(SYS_rt_sigaction, SIGSYS, (long)to, 0, MASK_BYTES, 0, 0);
	(void)quoit__rt_gate(SYS_tgkill, quoit__rt_gate(SYS_getpid, 0, 0, 0, 0, 0, 0),
			     quoit__rt_gate(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGSYS, 0, 0, 0);
}

/* --- what the kernel tells of ---------------------------------------------------------------- */

/* How a child is made, in the words of clone(2); 0 of all other calls. */
static uint64_t child_flags(long number, const greg_t *r)
{
	uint64_t flags = 0;

	if (number == SYS_vfork)
		return CLONE_VM | CLONE_VFORK;
	if (number == SYS_clone)
		return (uint64_t)r[REG_RDI];
	if (number == SYS_clone3)
		memcpy(&flags, (const void *)(uintptr_t)r[REG_RDI], sizeof(flags));
	return flags;
}

/* A thread comes to life with memory of its own behind %fs, and another one's behind the rest. */
static bool makes_a_thread(uint64_t flags)
{
	return (flags & CLONE_SETTLS) || (flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM;
}

/*
 * The handler's frame is not the place for these: a child comes back with a stack of its own, or to
 * one that its parent goes on to use; and the signal's stack cannot be changed by who stands on it.
 */
static bool needs_its_own_frame(long number)
{
	return number == SYS_clone || number == SYS_clone3 || number == SYS_vfork ||
	       number == SYS_sigaltstack;
}

/* The program makes the call itself, and the kernel tells of no more until its next step. */
static void look_away(greg_t *r)
{
	r[REG_RIP] -= SYSCALL_BYTES;
	quoit__rt_thread.selector = 0;
}

/* Do what the program wanted, in its place or behind its back. */
static void perform(long number, ucontext_t *context)
{
	greg_t *const r = context->uc_mcontext.gregs;
	const uint64_t flags = child_flags(number, r);

	if (makes_a_thread(flags)) {
		look_away(r);
		return;
	}
	if (needs_its_own_frame(number)) {
		quoit__rt_back = r[REG_RIP];
		quoit__rt_thread.lent = (flags & CLONE_VFORK) != 0;
		r[REG_RIP] = (greg_t)quoit__rt_gate_there;
		return;
	}
	r[REG_RAX] = quoit__rt_gate(number, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10],
				    r[REG_R8], r[REG_R9]);
	if (number != SYS_rt_sigprocmask)
		return;
	/* The return from here would change the mask back; and the next one must come. */
	(void)quoit__rt_gate(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&context->uc_sigmask,
			     MASK_BYTES, 0, 0);
	sigdelset(&context->uc_sigmask, SIGSYS);
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
	if (info->si_arch != AUDIT_ARCH_X86_64) {
		/* By `int $0x80`, with numbers and registers of its own. */
		if (quoit__rt_caught(QUOIT_BREACH_KERNEL, "a system call of 32 bits", -1))
			quoit__rt_go_on();
		look_away(context->uc_mcontext.gregs);
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
	struct action now = {0};

	(void)quoit__rt_gate(SYS_rt_sigaction, SIGSYS, 0, (long)&now, MASK_BYTES, 0, 0);
	if (now.handler == ours.handler)
		return;
	keep(&now); /* first: from then on one may come */
	(void)quoit__rt_gate(SYS_rt_sigaction, SIGSYS, (long)&ours, 0, MASK_BYTES, 0, 0);
}

void quoit__rt_kernel_begin(struct quoit__rt_thread *t)
{
	if (!quoit__rt_kernel_arm(t))
		take_signal();
}

int quoit__rt_kernel_arm(struct quoit__rt_thread *t)
{
	const uint64_t sigsys = SIGSYS_BIT;
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
