/* SPDX-License-Identifier: MIT */
/*
 * rt_guard_memory.c - doubles of malloc and what dlsym() itself may need; rt_guard_calls.c has the
 * rest.
 *
 * Being defined in the program they stand before libc's, for libc's own calls too: strdup() and
 * getline() come by here. What is behind them is looked up by dlsym(), which may ask for memory
 * itself; that it gets from a small array.
 *
 * Each double is a function of ours that bears libc's name for the linker alone, so that neither
 * libc's headers nor the compiler's knowledge of malloc are in the way.
 */
#include <quoit/numa/rt_guard_internal.h>

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

void *quoit__rt_behind(void **known, const char *name)
{
	void *found = quoit_load(known); /* the same whoever finds it */

	if (quoit_likely(found != NULL))
		return found;
	/* glibc keeps an older kind of these under the same name, and dlsym() may give that. */
	if (!strncmp(name, "pthread_cond_", 13))
		found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
	if (!found)
		found = dlsym(RTLD_NEXT, name);
	quoit_store(known, found);
	return found;
}

/* --- before libc's can be asked -------------------------------------------------------------- */

static struct {
	uint64_t used;
	__attribute__((aligned(16))) char bytes[32 << 10];
} early;

/* volatile: dlsym() is declared never to call back, and does. */
static __thread volatile bool looking_up __attribute__((tls_model("initial-exec")));

/* Each block has its size in front. They are never taken back. */
static void *early_take(size_t bytes)
{
	const uint64_t all = ((uint64_t)bytes + 31) & ~(uint64_t)15;
	uint64_t at;

	if (bytes > sizeof(early.bytes))
		return NULL;
	/* early: pairs with early_take() */
	at = quoit_add(&early.used, all);
	if (at + all > sizeof(early.bytes))
		return NULL;
	memcpy(early.bytes + at, &bytes, sizeof(bytes));
	return early.bytes + at + 16;
}

static bool is_early(const void *block)
{
	return (uintptr_t)block - (uintptr_t)early.bytes < sizeof(early.bytes);
}

static size_t early_bytes(const void *block)
{
	size_t bytes;

	memcpy(&bytes, (const char *)block - 16, sizeof(bytes));
	return bytes;
}

/* --- the doubles ----------------------------------------------------------------------------- */

enum {
	FUNCTION_malloc,
	FUNCTION_calloc,
	FUNCTION_realloc,
	FUNCTION_free,
	FUNCTIONS
};

const char *const quoit__rt_memory_names[FUNCTIONS + 1] = {"malloc", "calloc", "realloc", "free"};

static void *known[FUNCTIONS];

/* NULL: it is being looked up, by this very call's callers. */
static void *behind(unsigned function)
{
	void *found = quoit_load(&known[function]); /* the same whoever finds it */

	if (quoit_likely(found != NULL))
		return found;
	if (looking_up)
		return NULL;
	looking_up = true;
	found = quoit__rt_behind(&known[function], quoit__rt_memory_names[function]);
	looking_up = false;
	return found;
}

#define BEHIND(name, type, ...) ((type(*)(__VA_ARGS__))(uintptr_t)behind(FUNCTION_##name))
#define CATCH(name)                                                                              \
	((void)quoit__rt_caught(QUOIT_BREACH_ALLOCATES, quoit__rt_memory_names[FUNCTION_##name], \
				-1))

/*
 * Outside of a section each ends in the call of what is behind it, which so sees the caller where
 * it always was: the leak sanitizer looks who that is.
 */
static void *take(size_t bytes)
{
	void *(*const real)(size_t) = BEHIND(malloc, void *, size_t);

	return quoit_likely(real != NULL) ? real(bytes) : early_take(bytes);
}

void *quoit__rt_malloc(size_t bytes) __asm__("malloc");
void *quoit__rt_malloc(size_t bytes)
{
	void *block;

	if (quoit_likely(!quoit__rt_inside()))
		return take(bytes);
	CATCH(malloc);
	block = take(bytes);
	quoit__rt_go_on();
	return block;
}

static void *take_zeroed(size_t count, size_t bytes)
{
	void *(*const real)(size_t, size_t) = BEHIND(calloc, void *, size_t, size_t);

	return quoit_likely(real != NULL) ? real(count, bytes)
					  : early_take(count * bytes); /* small, and zero */
}

void *quoit__rt_calloc(size_t count, size_t bytes) __asm__("calloc");
void *quoit__rt_calloc(size_t count, size_t bytes)
{
	void *block;

	if (quoit_likely(!quoit__rt_inside()))
		return take_zeroed(count, bytes);
	CATCH(calloc);
	block = take_zeroed(count, bytes);
	quoit__rt_go_on();
	return block;
}

/* Out of the array into memory that can be given back, where there is some. */
static void *move_early(void *old, size_t bytes)
{
	void *const block = take(bytes);

	if (block)
		memcpy(block, old, quoit_min(bytes, early_bytes(old)));
	return block;
}

static void *take_again(void *old, size_t bytes)
{
	void *(*const real)(void *, size_t) = BEHIND(realloc, void *, void *, size_t);

	if (quoit_unlikely(is_early(old)))
		return move_early(old, bytes);
	return quoit_likely(real != NULL) ? real(old, bytes)
					  : early_take(bytes); /* `old` is NULL then */
}

void *quoit__rt_realloc(void *old, size_t bytes) __asm__("realloc");
void *quoit__rt_realloc(void *old, size_t bytes)
{
	void *block;

	if (quoit_likely(!quoit__rt_inside()))
		return take_again(old, bytes);
	CATCH(realloc);
	block = take_again(old, bytes);
	quoit__rt_go_on();
	return block;
}

static void give_back(void *block)
{
	void (*const real)(void *) = BEHIND(free, void, void *);

	if (real)
		real(block);
}

void quoit__rt_free(void *block) __asm__("free");
void quoit__rt_free(void *block)
{
	if (!block || is_early(block))
		return; /* nothing is given back */
	if (quoit_likely(!quoit__rt_inside())) {
		give_back(block);
		return;
	}
	CATCH(free);
	give_back(block);
	quoit__rt_go_on();
}
