/* SPDX-License-Identifier: MIT */
/*
 * main.c - loads a RESP server and believes nothing.
 *
 *     build/release/examples/load/load --port 7000 --seconds 5 --live
 *
 * What to look at: workload.c makes requests together with the replies they must get, check.c
 * compares, drive.c moves the bytes. This thread only watches: it asks the server once a second
 * what its cores are doing, over a connection of its own.
 */
#include "options.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	LIVE_COLUMNS = 120, /* where there is no terminal */
	LIVE_COLUMNS_MAX = 400,
};

struct watch {
	const struct options *options;
	struct drive drives[OPTIONS_THREADS_MAX];
	struct findings findings;
	int fd;	    /* for INFO, -1 once the server did not answer */
	bool quiet; /* it has no such section: said once */
	uint64_t start_ns;
	struct info first, last, latest, since;
};

static int stop_fd = -1;

/* Ctrl-C: finish what is outstanding, and show the table. */
static void stop_soon(int signal_number)
{
	const uint64_t one = 1;
	const int saved = errno;

	(void)signal_number;
	if (write(stop_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

static size_t terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
		return LIVE_COLUMNS;
	return size.ws_col - 1U < LIVE_COLUMNS_MAX ? size.ws_col - 1U : LIVE_COLUMNS_MAX;
}

static void look(struct watch *w)
{
	if (w->fd < 0)
		return;

	const int rc = info_fetch(&w->latest, w->fd);

	/* A server without the section may refuse the question; the load tells whether it lives. */
	if (rc < 0) {
		close(w->fd);
		w->fd = -1;
	}
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
	return (double)(to_ns - from_ns) / 1e9;
}

static void show_live(struct watch *w)
{
	const bool terminal = isatty(STDOUT_FILENO);
	char line[LIVE_COLUMNS_MAX + 1];

	if (!w->quiet)
		look(w);
	if (w->quiet || w->fd < 0)
		return;
	info_since(&w->since, &w->last, &w->latest);
	report_live(line, terminal ? terminal_columns() : LIVE_COLUMNS,
		    seconds(w->start_ns, w->latest.at_ns), &w->since,
		    seconds(w->last.at_ns, w->latest.at_ns));
	printf(terminal ? "\r%s\033[K" : "%s\n", line);
	fflush(stdout);
	w->last = w->latest;
	if (!w->latest.core_count)
		w->quiet = true;
}

static void show_live_end(void)
{
	fputs(isatty(STDOUT_FILENO) ? "\r\033[K" : "\n", stdout);
}

/* Connect all, each thread its share. */
static int connect_all(struct watch *w)
{
	const struct options *const o = w->options;
	unsigned first = 0;
	int rc = drive_connect(&o->drive);

	if (rc >= 0) {
		w->fd = rc;
		rc = 0;
	}
	for (unsigned i = 0; rc == 0 && i < o->threads; i++) {
		const unsigned count = (o->drive.connections - first) / (o->threads - i);

		rc = drive_open(&w->drives[i], &o->drive, first, count, stop_fd);
		first += count;
	}
	if (rc != 0)
		fprintf(stderr, "load: cannot connect to %s: %s\n", o->where, strerror(-rc));
	return rc;
}

static int run(struct watch *w)
{
	const struct options *const o = w->options;
	uint64_t next_ns = w->start_ns;

	for (unsigned i = 0; i < o->threads; i++) {
		const int rc = drive_start(&w->drives[i]);

		if (rc != 0) {
			fprintf(stderr, "load: cannot start a thread: %s\n", strerror(-rc));
			return rc;
		}
	}
	for (unsigned i = 0; i < o->threads;) {
		next_ns += 1000000000;
		while (i < o->threads && drive_join(&w->drives[i], next_ns))
			i++;
		if (o->live && i < o->threads)
			show_live(w);
	}
	if (o->live)
		show_live_end();
	return 0;
}

/* The reason for exit code 1, or NULL. */
static const char *verdict(const struct watch *w)
{
	if (w->findings.lost || w->findings.wrong || !w->findings.asked) {
		for (unsigned i = 0; i < w->options->threads; i++) {
			if (w->drives[i].reason[0])
				return w->drives[i].reason;
		}
		return w->findings.wrong ? "the server gave a wrong reply" : "nothing was asked";
	}
	return NULL;
}

static int write_result(const struct watch *w)
{
	FILE *const to = w->options->result ? fopen(w->options->result, "we") : stdout;

	if (!to) {
		fprintf(stderr, "load: %s: %s\n", w->options->result, strerror(errno));
		return 1;
	}
	report_result(to, &w->since, &w->findings);
	if (to != stdout)
		return fclose(to) == 0 ? 0 : 1;
	return fflush(to) == 0 ? 0 : 1;
}

static int report(struct watch *w)
{
	double busy_s = 0;

	look(w);
	info_since(&w->since, &w->first, &w->latest);
	for (unsigned i = 0; i < w->options->threads; i++) {
		const double s = (double)w->drives[i].busy_ns / 1e9;

		findings_add(&w->findings, &w->drives[i].findings);
		busy_s = s > busy_s ? s : busy_s;
	}
	report_table(stdout, &w->since, seconds(w->first.at_ns, w->latest.at_ns), &w->findings,
		     busy_s);
	if (w->findings.first.found)
		report_difference(stdout, &w->findings.first);
	fputc('\n', stdout);

	const int unwritten = write_result(w);
	const char *const why = verdict(w);

	if (!why)
		return unwritten;
	fprintf(stderr, "load: %llu lost, %llu wrong: %s\n", (unsigned long long)w->findings.lost,
		(unsigned long long)w->findings.wrong, why);
	return 1;
}

int main(int argc, char **argv)
{
	static struct options options;
	static struct watch watch = {.options = &options, .fd = -1};
	struct rlimit files;
	int rc = options_read(&options, argc, argv);

	if (rc >= 0)
		return rc;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0 || connect_all(&watch) != 0)
		return 2;

	sigaction(SIGINT, &(struct sigaction){.sa_handler = stop_soon}, NULL);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop_soon}, NULL);
	printf("%u connections to %s, %u requests pipelined on each, %g seconds\n\n",
	       options.drive.connections, options.where, options.drive.depth,
	       options.drive.seconds);
	fflush(stdout);
	look(&watch);
	watch.first = watch.last = watch.latest;
	watch.start_ns = now_ns();
	if (run(&watch) != 0)
		return 2;
	rc = report(&watch);
	for (unsigned i = 0; i < options.threads; i++)
		drive_close(&watch.drives[i]);
	return rc;
}
