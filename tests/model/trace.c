/* SPDX-License-Identifier: MIT */
/*
 * trace.c - the steps of one execution in words, and the names of what they touch.
 *
 * Nothing is written down while exploring; a violation's path is run once more for its trace.
 */
#include <model/model_internal.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMES 48

struct name {
	uintptr_t from;
	size_t bytes;
	const char *text;
};

struct line {
	unsigned thread;
	const struct model_site *site;
	char text[100];
};

static struct name names[NAMES];
static unsigned name_count;
static struct line lines[STEPS_MOST];
static unsigned line_count;

void model_name(const volatile void *p, size_t bytes, const char *text)
{
	if (name_count < NAMES)
		names[name_count++] = (struct name){(uintptr_t)p, bytes, text};
}

void model__names_clear(void)
{
	name_count = 0;
}

const char *model__name_of(const volatile void *p, char *space, size_t bytes)
{
	const uintptr_t address = (uintptr_t)p;

	for (unsigned i = 0; i < name_count; i++) {
		const size_t offset = address - names[i].from;

		if (offset >= names[i].bytes)
			continue;
		if (!offset)
			return names[i].text;
		snprintf(space, bytes, "%s+%zu", names[i].text, offset);
		return space;
	}
	for (unsigned i = 0; i < model.location_count; i++)
		if (model.locations[i].address == p)
			return model.locations[i].what;
	snprintf(space, bytes, "byte %zu of the shared structure",
		 (size_t)(address - (uintptr_t)model.target->shared));
	return space;
}

void model__trace_start(void)
{
	line_count = 0;
}

void model__trace(const struct model_site *site, const char *format, ...)
{
	struct line *line;
	va_list args;

	if (!model.tracing || line_count == STEPS_MOST)
		return;
	line = &lines[line_count++];
	line->thread = (unsigned)(model.current - model.threads);
	line->site = site;
	va_start(args, format);
	vsnprintf(line->text, sizeof(line->text), format, args);
	va_end(args);
}

static const char *order_of(const struct model_site *site)
{
	static const char *const orders[] = {"relaxed", "acquire", "release", "acq_rel"};

	if (!site || site->kind >= MODEL_RING)
		return "";
	return site->used == MODEL_FULL ? "full" : orders[site->used & MODEL_ACQ_REL];
}

/* "build/x/include/quoit/rings/spsc.h" is rings/spsc.h to a reader. */
static const char *short_path(const char *path)
{
	const char *const found = strstr(path, "quoit/");

	return found ? found + strlen("quoit/") : path;
}

/* What the source says on that line, so that the edge's name stands beside the step. */
static void print_edge(const struct model_site *site)
{
	FILE *file = fopen(site->file, "r");
	char text[256];
	int line = 0;
	const char *edge = NULL;

	if (!file)
		return;
	while (!edge && fgets(text, sizeof(text), file) && ++line <= site->line + 1)
		if (line >= site->line)
			edge = strstr(text, "/* ");
	fclose(file);
	if (!edge)
		return;
	edge += 3;
	printf("  [%.*s]", (int)strcspn(edge, ":*\n"), edge);
}

void model__trace_print(void)
{
	printf("    %4s  %-10s %-8s %-42s %s\n", "step", "thread", "order", "what", "where");
	for (unsigned i = 0; i < line_count; i++) {
		const struct line *line = &lines[i];

		printf("    %4u  %-10s %-8s %-42s", i + 1, model.target->threads[line->thread].name,
		       order_of(line->site), line->text);
		if (line->site) {
			printf(" %s  %s:%d", line->site->function, short_path(line->site->file),
			       line->site->line);
			print_edge(line->site);
		}
		printf("\n");
	}
	printf("    then: %s\n", model.violation);
}
