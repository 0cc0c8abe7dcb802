/* SPDX-License-Identifier: MIT */
/*
 * report.h - what people and programs read: the live line, the table, the RESULT line.
 */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "check.h"
#include "info.h"

#include <stdio.h>

enum {
	REPORT_NUMBER = 32, /* room for any number as text */
};

/* 1234567 as 1,234,567, and as 1.23M. Both return `out`. */
char *report_grouped(char out[REPORT_NUMBER], uint64_t n);
char *report_short(char out[REPORT_NUMBER], double n);

/*
 * One second of the run in one line without its end, at most `columns` wide. `since` is what the
 * server counted in that second.
 */
void report_live(char *out, size_t columns, double elapsed_s, const struct info *since,
		 double interval_s);

/* The table of the cores, and below it what the client saw. */
void report_table(FILE *to, const struct info *since, double interval_s,
		  const struct findings *findings, double busy_s);

/* How the first wrong reply differs. */
void report_difference(FILE *to, const struct difference *d);

/* The line for programs; a figure the server did not tell is `unknown`. */
void report_result(FILE *to, const struct info *since, const struct findings *findings);

#endif
