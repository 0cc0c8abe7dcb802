/* SPDX-License-Identifier: MIT */
/*
 * directory.c - rings/directory.h: somebody appends, over the end of a segment, while others walk.
 */
#include <model/model.h>

#include <quoit/rings/directory.h>

#define ENTRIES (QUOIT_DIRECTORY_FIRST + 2)

struct plan {
	uint32_t before; /* entries there are at first */
};

static struct {
	struct quoit_directory directory;
	QUOIT_ISOLATED uint64_t entries[ENTRIES];
	QUOIT_ISOLATED char arena[1024];
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.directory.count, 4, "count");
	model_name(s.directory.segments, sizeof(s.directory.segments), "segments");
	model_name(s.entries, sizeof(s.entries), "entries");
	model_name(s.arena, sizeof(s.arena), "arena");
}

static void append(uint32_t i)
{
	s.entries[i] = i + 1;
	model_check(!quoit_directory_add(&s.directory, &s.entries[i]), "appending was refused");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	model_arena(s.arena, sizeof(s.arena));
	for (uint32_t i = 0; i < plan->before; i++)
		append(i);
}

static void grower(const void *arg)
{
	const struct plan *plan = arg;

	for (uint32_t i = plan->before; i < ENTRIES; i++)
		append(i);
}

static void follow(uint32_t i)
{
	const uint64_t *entry = quoit_directory_get(&s.directory, i);

	model_check(*entry == i + 1, "an entry leads elsewhere");
}

static void walk(const void *arg)
{
	const struct plan *plan = arg;
	uint32_t last = 0;

	for (unsigned round = 0; round < 2; round++) {
		const uint32_t count = quoit_directory_count(&s.directory);

		model_check(count >= last, "the count shrank");
		for (uint32_t i = plan->before - 1; i < count; i++)
			follow(i);
		last = count;
	}
}

static void finish(const void *arg)
{
	(void)arg;
	model_check(s.directory.count == ENTRIES, "not everything was appended");
}

static const struct model_target two = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"grower", grower}, {"walker", walk}, {"walker2", walk}},
	.finish = finish,
};

#define PLAN(...)            \
	&(const struct plan) \
	{                    \
		__VA_ARGS__  \
	}

#define BREAKS(text, function_, kind_, order_)                                               \
	{                                                                                    \
		.name = "directory mutant: " text, .target = &two, .arg = PLAN(.before = 7), \
		MODEL_STALE(2, 2), .breaks = "race on", .mutation = {                        \
			.function = function_,                                               \
			.kind = kind_,                                                       \
			.order = order_                                                      \
		}                                                                            \
	}

const struct model_case model_directory_cases[] = {
	{.name = "directory grows within a segment and over its end, two walk",
	 .target = &two,
	 .arg = PLAN(.before = 7),
	 MODEL_STALE(4, 4)},
	{.name = "directory grows by a whole segment, two walk",
	 .target = &two,
	 .arg = PLAN(.before = 1),
	 MODEL_STALE(2, 1)},
	BREAKS("the entry is counted relaxed (D-16)", "quoit_directory_add", MODEL_STORE,
	       MODEL_RELAXED),
	BREAKS("the count is read relaxed", "quoit_directory_count", MODEL_LOAD, MODEL_RELAXED),
	{.target = NULL},
};
