/* SPDX-License-Identifier: MIT */
/*
 * race.c - plain accesses to the shared structure: two of which one writes must be ordered.
 *
 * The targets are compiled with -fsanitize=thread but linked with the functions below instead of
 * its library: the compiler thus reports every plain access of the code under test, the payload as
 * well as the fields that belong to one side of a ring, without a hook in the source. Each 4 bytes
 * remember who has written them last and who has read them since, by vector clock (FastTrack:
 * Flanagan and Freund, PLDI 2009). Two neighbours within 4 bytes count as one field.
 */
#include <model/model_internal.h>

#include <stdio.h>
#include <string.h>

#define BYTES_A_CELL 4
#define CELLS	     8192

struct cell {
	uint16_t reads[MODEL_THREADS];
	uint16_t write;
	uint8_t writer;
	uint8_t touched;
};

static uintptr_t base;
static size_t length;
static struct cell cells[CELLS];
static uint16_t touched[CELLS];
static unsigned touched_count;
static uint8_t locations[CELLS]; /* index of the atomic location there, from 1 */

void model__races_open(void *shared, size_t bytes)
{
	base = (uintptr_t)shared;
	length = bytes;
	if (bytes > (size_t)CELLS * BYTES_A_CELL || base % BYTES_A_CELL)
		__builtin_trap(); /* a target's structure is too large: raise CELLS */
	memset(cells, 0, sizeof(cells));
	memset(locations, 0, sizeof(locations));
	touched_count = 0;
}

void model__races_start(void)
{
	for (unsigned i = 0; i < touched_count; i++)
		memset(&cells[touched[i]], 0, sizeof(cells[0]));
	touched_count = 0;
}

void model__race_atomic(const volatile void *p, size_t bytes, unsigned index)
{
	const size_t offset = (uintptr_t)p - base;

	if (offset >= length)
		return;
	for (size_t i = 0; i < bytes; i += 4)
		locations[(offset + i) / 4] = (uint8_t)(index + 1);
}

int model__race_location(const volatile void *p)
{
	const size_t offset = (uintptr_t)p - base;

	return offset < length ? (int)locations[offset / 4] - 1 : -1;
}

__attribute__((noinline, noreturn, cold)) static void report(size_t cell, const char *what,
							     unsigned other)
{
	char text[200], space[64];

	snprintf(text, sizeof(text), "race on %s: %s %s",
		 model__name_of((const void *)(base + cell * BYTES_A_CELL), space, sizeof(space)),
		 what, model.target->threads[other].name);
	model_violated(text);
}

static void look(size_t at, unsigned self, const struct view *now, bool writes)
{
	struct cell *cell = &cells[at];

	if (!cell->touched) {
		cell->touched = 1;
		touched[touched_count++] = (uint16_t)at;
	}
	if (cell->write > now->clock[cell->writer])
		report(at,
		       writes ? "written while it may still be written by"
			      : "read while it may still be written by",
		       cell->writer);
	if (!writes) {
		cell->reads[self] = now->clock[self];
		return;
	}
	for (unsigned t = 0; t < model.thread_count; t++)
		if (cell->reads[t] > now->clock[t])
			report(at, "written while it may still be read by", t);
	cell->write = now->clock[self];
	cell->writer = (uint8_t)self;
}

/*
 * Whoever makes something writes it plainly before it shows it to others: that is allowed as long
 * as nobody has used it as an atomic location in this execution, and looked at when somebody does.
 */
static bool is_shared(size_t at)
{
	return locations[at] && model.locations[locations[at] - 1].touched;
}

/*
 * Nobody else writes it meanwhile, or the checker will find that out in another execution: whoever
 * holds a lock may read plainly what others read at any time.
 */
static bool is_ours(const struct thread *thread, size_t at)
{
	const unsigned index = locations[at] - 1u;

	return thread->now.at[index] == model.locations[index].count - 1;
}

void model__race_begun(const volatile void *p, bool writes)
{
	const size_t offset = (uintptr_t)p - base;
	const struct cell *cell;

	if (offset >= length || model_fault == FAULT_NO_RACES)
		return;
	cell = &cells[offset / BYTES_A_CELL];
	if (cell->touched && cell->write > model.current->now.clock[cell->writer])
		report(offset / BYTES_A_CELL, "used while it may still be set up by", cell->writer);
	for (unsigned t = 0; writes && cell->touched && t < model.thread_count; t++)
		if (cell->reads[t] > model.current->now.clock[t])
			report(offset / BYTES_A_CELL, "written while it may plainly be read by", t);
}

static inline void plain(const volatile void *p, size_t bytes, bool writes)
{
	const size_t offset = (uintptr_t)p - base;
	const struct thread *thread = model.current;

	if (offset >= length || !thread || model_fault == FAULT_NO_RACES)
		return;
	for (size_t at = offset / BYTES_A_CELL; at <= (offset + bytes - 1) / BYTES_A_CELL; at++)
		if (is_shared(at) && (writes || !is_ours(thread, at)))
			report(at, "a plain access to an atomic location, by",
			       (unsigned)(thread - model.threads));
	for (size_t at = offset / BYTES_A_CELL; at <= (offset + bytes - 1) / BYTES_A_CELL; at++)
		look(at, (unsigned)(thread - model.threads), &thread->now, writes);
}

void *model_memcpy(void *to, const void *from, size_t bytes)
{
	if (bytes) {
		plain(from, bytes, false);
		plain(to, bytes, true);
	}
	return memcpy(to, from, bytes);
}

/* --- what the compiler calls ----------------------------------------------------------------- */

#define HOOK(n)                                  \
	void __tsan_read##n(void *p);            \
	void __tsan_write##n(void *p);           \
	void __tsan_unaligned_read##n(void *p);  \
	void __tsan_unaligned_write##n(void *p); \
	void __tsan_read##n(void *p)             \
	{                                        \
		plain(p, n, false);              \
	}                                        \
	void __tsan_write##n(void *p)            \
	{                                        \
		plain(p, n, true);               \
	}                                        \
	void __tsan_unaligned_read##n(void *p)   \
	{                                        \
		plain(p, n, false);              \
	}                                        \
	void __tsan_unaligned_write##n(void *p)  \
	{                                        \
		plain(p, n, true);               \
	}

HOOK(1)
HOOK(2)
HOOK(4)
HOOK(8)
HOOK(16)

void __tsan_read_range(void *p, size_t bytes);
void __tsan_write_range(void *p, size_t bytes);
void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);

void __tsan_read_range(void *p, size_t bytes)
{
	if (bytes)
		plain(p, bytes, false);
}

void __tsan_write_range(void *p, size_t bytes)
{
	if (bytes)
		plain(p, bytes, true);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void)
{
}
