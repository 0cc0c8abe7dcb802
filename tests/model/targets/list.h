/* SPDX-License-Identifier: MIT */
/*
 * list.h - how a file of targets lists its cases: threads make a target, a target with a plan and
 * bounds is a case, and a case with a mutation or a flaw must be found broken.
 *
 * Whoever includes it has its shared state in `s` and the names of it in name_all(), a struct plan,
 * and says by GROUP what all its cases are called, by BREAKS_WITHIN within what bounds its mutants
 * are found.
 */
#ifndef QUOIT_TESTS_MODEL_LIST_H
#define QUOIT_TESTS_MODEL_LIST_H

#include <model/model.h>

#define THREAD(name)        \
	{                   \
#name, name \
	}

#define TARGET(target, setup_, finish_, ...)        \
	static const struct model_target target = { \
		.shared = &s,                       \
		.bytes = sizeof(s),                 \
		.name_all = name_all,               \
		.setup = setup_,                    \
		.threads = {__VA_ARGS__},           \
		.finish = finish_,                  \
	}

#define PLAN(...)            \
	&(const struct plan) \
	{                    \
		__VA_ARGS__  \
	}

/* Holds, with any number of preemptions. */
#define CORRECT(text, target_, full, few, ...)                                        \
	{                                                                             \
		.name = GROUP " " text, .target = &target_, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(full, few)                                                \
	}

/* Holds, with so many preemptions at most. */
#define BOUNDED(text, target_, full, full_stale, few, few_stale, ...)                 \
	{                                                                             \
		.name = GROUP " " text, .target = &target_, .arg = PLAN(__VA_ARGS__), \
		MODEL_PREEMPTED(full, full_stale, few, few_stale)                     \
	}

/* With this mutation the checker must find something that is told by `sign`. */
#define BREAKS(text, target_, sign, function, kind, order, ...)                               \
	{                                                                                     \
		.name = GROUP " mutant: " text, .target = &target_, .arg = PLAN(__VA_ARGS__), \
		BREAKS_WITHIN, .breaks = sign, .mutation = {                                  \
			function,                                                             \
			kind,                                                                 \
			order                                                                 \
		}                                                                             \
	}

/* The same without one: the plan has the flaw. */
#define FLAWED(text, target, sign, ...) \
	BREAKS(text, target, sign, NULL, MODEL_LOAD, MODEL_RELAXED, __VA_ARGS__)

#endif
