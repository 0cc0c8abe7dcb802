/* SPDX-License-Identifier: MIT */
/*
 * report.c - figures as text.
 */
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>

enum {
	LIVE_CORES_MAX = 4, /* more are summed up: the line has an end */
};

char *report_grouped(char out[REPORT_NUMBER], uint64_t n)
{
	char digits[REPORT_NUMBER];
	const int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *to = out;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

char *report_short(char out[REPORT_NUMBER], double n)
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;

	while (n >= 999.5 && unit < sizeof(units) - 2) {
		n /= 1000;
		unit++;
	}

	const int decimals = !unit || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;

	snprintf(out, REPORT_NUMBER, "%.*f%.*s", decimals, n, unit != 0, units + unit);
	return out;
}

static double per(uint64_t n, double d)
{
	return d > 0 ? (double)n / d : 0;
}

/* How much of what was asked for belongs to another core; false if the core does not say. */
static bool forwarded_share(const struct info_core *c, double *out)
{
	if (!info_tells(c, INFO_FORWARDED) ||
	    !(info_tells(c, INFO_LOCAL) || info_tells(c, INFO_REQUESTS)))
		return false;

	const uint64_t all = info_tells(c, INFO_LOCAL)
				     ? c->value[INFO_LOCAL] + c->value[INFO_FORWARDED]
				     : c->value[INFO_REQUESTS];

	*out = per(c->value[INFO_FORWARDED], (double)all);
	return true;
}

static bool batch_size(const struct info_core *c, double *out)
{
	if (!info_tells(c, INFO_MESSAGES_IN) || !info_tells(c, INFO_BATCHES))
		return false;
	*out = per(c->value[INFO_MESSAGES_IN], (double)c->value[INFO_BATCHES]);
	return true;
}

/* Appends to a line; what does not fit is cut off. */
static void __attribute__((format(printf, 3, 4)))
add(char *out, size_t columns, const char *format, ...)
{
	const size_t used = strlen(out);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(out + used, columns + 1 - used, format, arguments);
	va_end(arguments);
}

static void live_cores(char *out, size_t columns, const struct info *since, double interval_s)
{
	double sum = 0, least = 0, most = 0;
	char a[REPORT_NUMBER], b[REPORT_NUMBER], c[REPORT_NUMBER];

	for (unsigned i = 0; i < since->core_count; i++) {
		const double rate = per(since->cores[i].value[INFO_REQUESTS], interval_s);

		sum += rate;
		least = i == 0 || rate < least ? rate : least;
		most = rate > most ? rate : most;
		if (since->core_count <= LIVE_CORES_MAX)
			add(out, columns, "core %u %5s/s   ", i, report_short(a, rate));
	}
	if (since->core_count > LIVE_CORES_MAX)
		add(out, columns, "%u cores %s/s, each %s to %s   ", since->core_count,
		    report_short(a, sum), report_short(b, least), report_short(c, most));
}

void report_live(char *out, size_t columns, double elapsed_s, const struct info *since,
		 double interval_s)
{
	const struct info_core all = info_sum(since);
	char a[REPORT_NUMBER], b[REPORT_NUMBER];
	double share, batch;

	*out = '\0';
	add(out, columns, "%4.0f s   ", elapsed_s);
	if (!since->core_count)
		add(out, columns, "the server tells nothing about its cores");
	live_cores(out, columns, since, interval_s);
	if (forwarded_share(&all, &share))
		add(out, columns, "forwarded %2.0f %%   ", 100 * share);
	if (batch_size(&all, &batch))
		add(out, columns, "batch %4.1f   ", batch);
	if (info_tells(&all, INFO_BELLS_RUNG) && info_tells(&all, INFO_BELLS_SAVED))
		add(out, columns, "bells %s rung %s saved",
		    report_short(a, (double)all.value[INFO_BELLS_RUNG]),
		    report_short(b, (double)all.value[INFO_BELLS_SAVED]));
}

static void table_count(FILE *to, int width, const struct info_core *c, enum info_field f)
{
	char text[REPORT_NUMBER];

	fprintf(to, "%*s", width, info_tells(c, f) ? report_grouped(text, c->value[f]) : "-");
}

static void table_row(FILE *to, const char *name, const struct info_core *c, double interval_s)
{
	char text[REPORT_NUMBER] = "-";
	double share, batch;

	fprintf(to, "%6s", name);
	table_count(to, 14, c, INFO_REQUESTS);
	if (info_tells(c, INFO_REQUESTS))
		report_grouped(text, (uint64_t)(per(c->value[INFO_REQUESTS], interval_s) + 0.5));
	fprintf(to, "%13s", text);
	if (forwarded_share(c, &share))
		fprintf(to, "%10.1f %%", 100 * share);
	else
		fprintf(to, "%12s", "-");
	if (batch_size(c, &batch))
		fprintf(to, "%8.1f", batch);
	else
		fprintf(to, "%8s", "-");
	table_count(to, 13, c, INFO_BELLS_RUNG);
	table_count(to, 13, c, INFO_BELLS_SAVED);
	table_count(to, 13, c, INFO_CONNECTIONS);
	fputc('\n', to);
}

static void table_cores(FILE *to, const struct info *since, double interval_s)
{
	const struct info_core all = info_sum(since);
	char name[REPORT_NUMBER];

	fprintf(to, "%6s%14s%13s%12s%8s%13s%13s%13s\n", "core", "requests", "requests/s",
		"forwarded", "batch", "bells rung", "bells saved", "connections");
	for (unsigned i = 0; i < since->core_count; i++) {
		snprintf(name, sizeof(name), "%u", i);
		table_row(to, name, &since->cores[i], interval_s);
	}
	table_row(to, "all", &all, interval_s);
}

void report_table(FILE *to, const struct info *since, double interval_s,
		  const struct findings *findings, double busy_s)
{
	const struct histogram *const h = &findings->latency;
	char a[REPORT_NUMBER], b[REPORT_NUMBER];

	if (since->core_count)
		table_cores(to, since, interval_s);
	else
		fprintf(to, "  the server tells nothing about its cores (INFO quoit)\n");
	fprintf(to, "\n  asked    %s requests in %.1f s: %s requests/s\n",
		report_grouped(a, findings->asked), busy_s,
		report_grouped(b, (uint64_t)per(findings->answered, busy_s)));
	fprintf(to, "  latency  p50 %.2f ms   p99 %.2f ms   p99.9 %.2f ms\n",
		(double)histogram_quantile(h, 0.5) / 1e6, (double)histogram_quantile(h, 0.99) / 1e6,
		(double)histogram_quantile(h, 0.999) / 1e6);
	fprintf(to, "  checked  every byte of %s replies: %llu lost, %llu wrong\n",
		report_grouped(a, findings->answered), (unsigned long long)findings->lost,
		(unsigned long long)findings->wrong);
}

void report_difference(FILE *to, const struct difference *d)
{
	fprintf(to,
		"\n  first wrong reply: request %llu of connection %u, from byte %zu on\n"
		"    asked     %s\n    expected  %s\n    got       %s\n",
		(unsigned long long)d->request, d->connection, d->at, d->asked, d->expected,
		d->got);
}

static void result_figure(FILE *to, const char *name, bool told, double value)
{
	if (told)
		fprintf(to, " %s=%.0f", name, value);
	else
		fprintf(to, " %s=unknown", name);
}

void report_result(FILE *to, const struct info *since, const struct findings *findings)
{
	const struct info_core all = info_sum(since);
	double share = 0;
	const bool share_told = forwarded_share(&all, &share);

	fprintf(to, "RESULT name=demo requests=%llu lost=%llu wrong=%llu",
		(unsigned long long)findings->asked, (unsigned long long)findings->lost,
		(unsigned long long)findings->wrong);
	result_figure(to, "forwarded_pct", share_told, 100 * share);
	result_figure(to, "bells", info_tells(&all, INFO_BELLS_RUNG),
		      (double)all.value[INFO_BELLS_RUNG]);
	result_figure(to, "elided", info_tells(&all, INFO_BELLS_SAVED),
		      (double)all.value[INFO_BELLS_SAVED]);
	fputc('\n', to);
}
