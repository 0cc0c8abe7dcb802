/* SPDX-License-Identifier: MIT */
/*
 * task.c - the threads of the program are stacks that take turns on one thread of the machine.
 *
 * Calls of the library are simulated while a task runs, and only then. A seed that is over leaves
 * its stacks as they are; the next one starts them anew.
 */
#include <sim/sim.h>

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK_BYTES (256 * 1024)

#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

static char stacks[SIM_TASKS_MAX][STACK_BYTES] __attribute__((aligned(64)));
static struct sim_task tasks[SIM_TASKS_MAX];
static unsigned task_count;
static struct sim_task *current;
static void *main_stack;
#ifdef HAS_ASAN
static void *main_fake;
static const void *main_bottom;
static size_t main_bytes;
#endif

/* --- the switch ------------------------------------------------------------------------------ */

#ifdef HAS_ASAN
static void leave(void **fake, const void *bottom, size_t bytes)
{
	__sanitizer_start_switch_fiber(fake, bottom, bytes);
}

static void arrive(void *fake)
{
	const void *bottom;
	size_t bytes;

	__sanitizer_finish_switch_fiber(fake, &bottom, &bytes);
	if (current && !main_bottom) {
		main_bottom = bottom;
		main_bytes = bytes;
	}
}
#endif

static void run_task(void);

#ifdef __x86_64__

void sim__swap(void **from, void *to);

__asm__(".text\n"
	".globl sim__swap\n"
	".type sim__swap, @function\n"
	"sim__swap:\n"
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
	".size sim__swap, . - sim__swap\n");

static void *new_stack(unsigned number)
{
	void **top = (void **)(void *)(stacks[number] + STACK_BYTES) - 2;

	*--top = NULL; /* where run_task() would return to: it does not */
	*--top = (void *)(uintptr_t)run_task;
	return memset(top - 6, 0, 6 * sizeof(void *));
}

static void swap(void **from, void *to)
{
	sim__swap(from, to);
}

#else

static ucontext_t contexts[SIM_TASKS_MAX], main_context;

static void *new_stack(unsigned number)
{
	getcontext(&contexts[number]);
	contexts[number].uc_stack.ss_sp = stacks[number];
	contexts[number].uc_stack.ss_size = STACK_BYTES;
	contexts[number].uc_link = NULL;
	makecontext(&contexts[number], run_task, 0);
	return &contexts[number];
}

static void swap(void **from, void *to)
{
	if (from == &main_stack)
		main_stack = &main_context;
	if (swapcontext(*from, to))
		_Exit(99);
}

#endif

void sim_task_step(struct sim_task *task)
{
	task->wait = SIM_RUNS;
	current = task;
	sim.active = true;
#ifdef HAS_ASAN
	leave(&main_fake, stacks[task->number], STACK_BYTES);
#endif
	swap(&main_stack, task->stack_at);
#ifdef HAS_ASAN
	arrive(main_fake);
#endif
	sim.active = false;
	current = NULL;
}

/* Back to the scheduler; returns when it has chosen this task again. */
static void give_way(void)
{
	struct sim_task *self = current;

#ifdef HAS_ASAN
	leave(self->wait == SIM_ENDED ? NULL : &self->fake_stack, main_bottom, main_bytes);
#endif
	swap(&self->stack_at, main_stack);
#ifdef HAS_ASAN
	arrive(self->fake_stack);
#endif
}

static void run_task(void)
{
#ifdef HAS_ASAN
	arrive(NULL);
#endif
	current->run(current->arg);
	current->wait = SIM_ENDED;
	sim_wake(current, true);
	give_way();
	_Exit(99); /* nobody comes back here */
}

/* --- making them, waiting -------------------------------------------------------------------- */

void sim_tasks_reset(void)
{
#ifdef HAS_ASAN
	__asan_unpoison_memory_region(stacks, sizeof(stacks));
#endif
	memset(tasks, 0, sizeof(tasks));
	task_count = 0;
	current = NULL;
}

struct sim_task *sim_task_new(const char *name, void *(*run)(void *), void *arg)
{
	struct sim_task *task;

	if (task_count == SIM_TASKS_MAX)
		return NULL;
	task = &tasks[task_count];
	*task = (struct sim_task){.name = name, .number = task_count++, .run = run, .arg = arg};
	task->stack_at = new_stack(task->number);
	return task;
}

struct sim_task *sim_task_current(void)
{
	return current;
}

struct sim_task *sim_task_at(unsigned number)
{
	return &tasks[number];
}

unsigned sim_task_count(void)
{
	return task_count;
}

bool sim_task_ended(const struct sim_task *task)
{
	return task->wait == SIM_ENDED;
}

void sim_yield(void)
{
	if (!current)
		return;
	current->wait = SIM_RUNS;
	give_way();
}

void sim_maybe_yield(unsigned one_in)
{
	if (current && sim_one_in(one_in))
		sim_yield();
}

void sim_wait_word(const void *word)
{
	current->wait = SIM_WAITS_WORD;
	current->word = word;
	give_way();
}

void sim_wait_time(uint64_t at_ns)
{
	current->wait = SIM_WAITS_TIME;
	current->wake_ns = at_ns;
	give_way();
}

void sim_wait_enter(struct sim_ring *ring, uint64_t at_ns)
{
	current->wait = SIM_WAITS_ENTER;
	current->ring = ring;
	current->wake_ns = at_ns;
	give_way();
}

void sim_abandon(void)
{
	current->wait = SIM_ENDED;
	sim.over = true;
	give_way();
	_Exit(99); /* nobody comes back here */
}

void sim_wake(const void *word, bool all)
{
	unsigned first = task_count ? (unsigned)sim_below(task_count) : 0;

	for (unsigned i = 0; i < task_count; i++) {
		struct sim_task *task = &tasks[(first + i) % task_count];

		if (task->wait != SIM_WAITS_WORD || task->word != word)
			continue;
		task->wait = SIM_RUNS;
		if (!all)
			return;
	}
}
