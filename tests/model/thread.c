/* SPDX-License-Identifier: MIT */
/*
 * thread.c - the threads of a target are stacks that take turns on one thread of the machine.
 *
 * An execution that is given up leaves its stacks as they are; the next one starts them anew.
 */
#include <model/model_internal.h>

#include <string.h>

#define STACK_BYTES 65536

void model__thread_ended(void);

static char stacks[MODEL_THREADS + 1][STACK_BYTES] __attribute__((aligned(64)));

static void run_thread(void)
{
	const unsigned number = (unsigned)(model.current - model.threads);

	model.target->threads[number].run(model.what->arg);
	model__thread_ended();
}

/* finish() gets a stack of its own, so that it can be left in the middle. */
static void run_finish(void)
{
	model.target->finish(model.what->arg);
	model__switch_to(NULL, NULL);
}

static void *nowhere; /* of a stack that nobody comes back to */

/* MODEL_UCONTEXT: the portable way here too, to test it. */
#if defined(__x86_64__) && !defined(MODEL_UCONTEXT)

/* Save what a function must preserve, leave the stack's address in *from, go to the stack `to`. */
void model__swap(void **from, void *to);

__asm__(".text\n"
	".globl model__swap\n"
	".type model__swap, @function\n"
	"model__swap:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size model__swap, . - model__swap\n");

/* A stack as if it had been left at the first instruction of `run`. */
static void *new_stack(unsigned number, void (*run)(void))
{
	void **top = (void **)(void *)(stacks[number] + STACK_BYTES) - 2;

	*--top = NULL; /* where run() would return to: it does not */
	*--top = (void *)(uintptr_t)run;
	return memset(top - 6, 0, 6 * sizeof(void *));
}

static void swap(void **from, void *to)
{
	model__swap(from, to);
}

#else

#include <stdlib.h>
#include <ucontext.h>

static ucontext_t contexts[MODEL_THREADS + 1];
static ucontext_t explorer, lost;

static void *new_stack(unsigned number, void (*run)(void))
{
	ucontext_t *context = &contexts[number];

	getcontext(context);
	context->uc_stack.ss_sp = stacks[number];
	context->uc_stack.ss_size = STACK_BYTES;
	context->uc_link = NULL;
	makecontext(context, run, 0);
	return context;
}

static void swap(void **from, void *to)
{
	if (!*from)
		*from = from == &nowhere ? &lost : &explorer;
	if (swapcontext(*from, to))
		abort();
}

#endif

void model__threads_start(void)
{
	memset(model.threads, 0, model.thread_count * sizeof(model.threads[0]));
	for (unsigned t = 0; t < model.thread_count; t++) {
		struct thread *thread = &model.threads[t];

		thread->stack_at = new_stack(t, run_thread);
		thread->now.clock[t] = 1;
		thread->heard.clock[t] = 1;
	}
}

void model__switch_to(struct thread *from, struct thread *to)
{
	if (!from && !to)
		swap(&nowhere, model.main_stack);
	else
		swap(from ? &from->stack_at : &model.main_stack,
		     to ? to->stack_at : model.main_stack);
}

void model__finish(void)
{
	swap(&model.main_stack, new_stack(MODEL_THREADS, run_finish));
}
