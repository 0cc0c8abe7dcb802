/* SPDX-License-Identifier: MIT */
/*
 * mutate.c - any operation of the code under test weakened or taken out, and all cases run on it.
 *
 *   model --sites
 *
 * lists the operations that the cases of `make test` meet, one a line, separated by tabs:
 *
 *   function  kind  order  file:line  location
 *
 * Kinds are load, store, exchange, add, cas and fence; orders are relaxed, acquire, release,
 * acq_rel and full, and for a mutation also dropped.
 *
 *   model --mutate FUNCTION:KIND:ORDER[@LINE] [NAME]
 *
 * gives every operation of that kind in that function (or on that line) the order, and works off
 * the correct cases until one is violated: it then says "killed by CASE: what was violated" and
 * exits 1. It says "survived" and exits 0 if none is, and 3 if no case meets the operation. With
 * --full the bounds are those of `make model`. What a case cannot finish within its limit counts as
 * not violated.
 */
#include <model/model_internal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_SITES UINT64_C(2000) /* executions of a case, to see which sites it meets */
#define LIMIT_QUICK UINT64_C(2000000)
#define LIMIT_FULL  UINT64_C(40000000)

static const char *const kinds[] = {
	[MODEL_LOAD] = "load", [MODEL_STORE] = "store", [MODEL_EXCHANGE] = "exchange",
	[MODEL_ADD] = "add",   [MODEL_CAS] = "cas",	[MODEL_FENCE] = "fence",
};

static const char *const orders[] = {
	[MODEL_RELAXED] = "relaxed", [MODEL_ACQUIRE] = "acquire", [MODEL_RELEASE] = "release",
	[MODEL_ACQ_REL] = "acq_rel", [MODEL_FULL] = "full",	  [MODEL_DROPPED] = "dropped",
};

/* The index of a word, or -1. */
static int find(const char *const *words, size_t n, const char *word, size_t length)
{
	for (size_t i = 0; i < n; i++)
		if (words[i] && strlen(words[i]) == length && !strncmp(words[i], word, length))
			return (int)i;
	return -1;
}

static bool read_mutation(const char *text, struct model_mutation *mutation)
{
	static char function[80];
	const char *const kind = strchr(text, ':');
	const char *const order = kind ? strchr(kind + 1, ':') : NULL;
	const char *const line = order ? strchr(order, '@') : NULL;
	int k, o;

	if (!order || (size_t)(kind - text) >= sizeof(function))
		return false;
	memcpy(function, text, (size_t)(kind - text));
	k = find(kinds, MODEL_FENCE + 1, kind + 1, (size_t)(order - kind - 1));
	o = find(orders, MODEL_DROPPED + 1, order + 1,
		 line ? (size_t)(line - order - 1) : strlen(order + 1));
	if (k < 0 || o < 0)
		return false;
	*mutation = (struct model_mutation){function, (enum model_kind)k, (enum model_order)o,
					    line ? (int)strtol(line + 1, NULL, 10) : 0};
	return true;
}

static bool is_chosen(const struct model_case *what, struct model_bounds bounds, const char *name)
{
	return !what->breaks && (bounds.preemptions || bounds.stale) &&
	       (!name || strstr(what->name, name));
}

/* Does it kill the mutant? */
static bool try_case(const struct model_case *what, const struct model_mutation *mutation,
		     struct model_bounds bounds, bool full, bool *met)
{
	struct model_case mutant = *what;
	struct model_count count;

	mutant.mutation = *mutation;
	count = model__explore(&mutant, bounds, LIMIT_SITES, false, 0);
	if (!count.violated && !model__mutation_bit())
		return false;
	*met = true;
	if (!count.violated && !count.complete)
		count = model__explore(&mutant, bounds, full ? LIMIT_FULL : LIMIT_QUICK, false, 0);
	if (count.violated)
		printf("killed by %s: %s\n", what->name, model.violation);
	return count.violated;
}

int model__mutate(const struct model_case *const *tables, const char *text, const char *name,
		  bool full)
{
	struct model_mutation mutation;
	bool met = false;

	if (!read_mutation(text, &mutation)) {
		fprintf(stderr, "'%s' is not FUNCTION:KIND:ORDER\n", text);
		return 2;
	}
	for (; *tables; tables++)
		for (const struct model_case *what = *tables; what->target; what++) {
			const struct model_bounds bounds = full ? what->bounds : what->quick;

			if (is_chosen(what, bounds, name) &&
			    try_case(what, &mutation, bounds, full, &met))
				return 1;
		}
	printf("%s\n", met ? "survived" : "never met");
	return met ? 0 : 3;
}

/* "build/model/include/quoit/rings/spsc.h" is rings/spsc.h; NULL if it is not of the library. */
static const char *path_in_tree(const char *path)
{
	const char *const found = strstr(path, "rings/");

	return strstr(path, "tests/") ? NULL : found;
}

/* An inline function has its sites in every file that uses it. */
static bool is_listed(const struct model_site *site)
{
	for (const struct model_site *other = model__sites(); other != site; other = other->next)
		if (other->line == site->line && other->kind == site->kind &&
		    !strcmp(other->function, site->function) && !strcmp(other->what, site->what))
			return true;
	return false;
}

int model__list_sites(const struct model_case *const *tables, const char *name)
{
	for (; *tables; tables++)
		for (const struct model_case *what = *tables; what->target; what++)
			if (is_chosen(what, what->quick, name))
				(void)model__explore(what, what->quick, LIMIT_SITES, false, 0);
	for (const struct model_site *site = model__sites(); site; site = site->next) {
		const char *const path = path_in_tree(site->file);

		if (path && site->kind <= MODEL_FENCE && !is_listed(site))
			printf("%s\t%s\t%s\t%s:%d\t%s\n", site->function, kinds[site->kind],
			       orders[site->order], path, site->line, site->what);
	}
	return 0;
}
