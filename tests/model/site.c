/* SPDX-License-Identifier: MIT */
/*
 * site.c - the places in the source that perform an operation, and the mutation that is in force.
 */
#include <model/model_internal.h>

#include <string.h>

static struct model_site *sites;
static const struct model_mutation *mutation;

static bool concerns(const struct model_site *site)
{
	return mutation->function && mutation->kind == site->kind &&
	       (!mutation->line || mutation->line == site->line) &&
	       !strcmp(mutation->function, site->function);
}

static void mutate(struct model_site *site)
{
	site->used = concerns(site) ? mutation->order : site->order;
}

void model__meet(struct model_site *site)
{
	site->met = true;
	if (site->known)
		return;
	site->known = true;
	site->next = sites;
	sites = site;
	mutate(site);
}

void model__sites_start(const struct model_mutation *m)
{
	mutation = m;
	for (struct model_site *site = sites; site; site = site->next) {
		site->met = false;
		mutate(site);
	}
}

const struct model_site *model__sites(void)
{
	return sites;
}

bool model__mutation_bit(void)
{
	for (const struct model_site *site = sites; site; site = site->next)
		if (site->met && concerns(site))
			return true;
	return false;
}
