/* SPDX-License-Identifier: MIT */
/*
 * options.c - reads the command line, and says what is wrong with it.
 */
#include "options.h"

#include <getopt.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
	"Usage: load --port PORT [OPTION]...\n"
	"\n"
	"Load a RESP server, and check every byte of every reply. Each connection owns its keys "
	"and\n"
	"knows what it has stored, so a reply that is lost, stale, torn, doubled, out of order or\n"
	"meant for another connection is found. The keys are deleted again at the end.\n"
	"\n"
	"  --port PORT        where the server listens\n"
	"  --host HOST        127.0.0.1\n"
	"  --seconds S        how long to load it: 10\n"
	"  --connections N    50\n"
	"  --pipeline N       requests outstanding on each connection: 16\n"
	"  --keys N           keys of each connection: 1000\n"
	"  --threads N        of the load generator: one for every four cpus\n"
	"  --patience S       without a byte from the server until its replies are lost: 5\n"
	"  --live             a line each second: requests/s of each core, share forwarded to\n"
	"                     another core, messages in a batch, bells rung and saved\n"
	"  --result FILE      write the RESULT line there, not to the end of the output\n"
	"  --help\n"
	"\n"
	"Exit code: 0 if all is well, 1 if a reply was lost or wrong, 2 if there was no server to\n"
	"load or the command line is wrong.\n";

enum option_code {
	HELP = 256,
	PORT,
	HOST,
	SECONDS,
	CONNECTIONS,
	PIPELINE,
	KEYS,
	THREADS,
	PATIENCE,
	LIVE,
	RESULT,
};

static const struct option long_options[] = {
	{"help", no_argument, NULL, HELP},
	{"port", required_argument, NULL, PORT},
	{"host", required_argument, NULL, HOST},
	{"seconds", required_argument, NULL, SECONDS},
	{"connections", required_argument, NULL, CONNECTIONS},
	{"pipeline", required_argument, NULL, PIPELINE},
	{"keys", required_argument, NULL, KEYS},
	{"threads", required_argument, NULL, THREADS},
	{"patience", required_argument, NULL, PATIENCE},
	{"live", no_argument, NULL, LIVE},
	{"result", required_argument, NULL, RESULT},
	{NULL, 0, NULL, 0},
};

static bool read_number(const char *name, const char *text, double low, double high, bool whole,
			double *out)
{
	char *end;
	const double n = strtod(text, &end);

	if (end == text || *end || !(n >= low && n <= high) ||
	    (whole && n != (double)(uint64_t)n)) {
		fprintf(stderr, "load: --%s %s: not a%s number from %g to %g\n", name, text,
			whole ? " whole" : "", low, high);
		return false;
	}
	*out = n;
	return true;
}

static bool read_whole(const char *name, const char *text, unsigned low, unsigned high,
		       unsigned *out)
{
	double n;

	if (!read_number(name, text, low, high, true, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

static bool read_one(struct options *o, int option, const char *text, unsigned *port,
		     const char **host)
{
	struct drive_options *const d = &o->drive;

	switch (option) {
	case PORT:
		return read_whole("port", text, 1, 65535, port);
	case HOST:
		*host = text;
		return true;
	case SECONDS:
		return read_number("seconds", text, 0.1, OPTIONS_SECONDS_MAX, false, &d->seconds);
	case CONNECTIONS:
		return read_whole("connections", text, 1, OPTIONS_CONNECTIONS_MAX, &d->connections);
	case PIPELINE:
		return read_whole("pipeline", text, 1, OPTIONS_PIPELINE_MAX, &d->depth);
	case KEYS:
		return read_whole("keys", text, 4, OPTIONS_KEYS_MAX, &d->keys);
	case THREADS:
		return read_whole("threads", text, 1, OPTIONS_THREADS_MAX, &o->threads);
	case PATIENCE:
		return read_number("patience", text, 0.1, 3600, false, &d->patience_s);
	case LIVE:
		o->live = true;
		return true;
	case RESULT:
		o->result = text;
		return true;
	default:
		return false;
	}
}

static bool resolve(struct options *o, const char *host, unsigned port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char service[16];

	snprintf(service, sizeof(service), "%u", port);
	snprintf(o->where, sizeof(o->where), "%.100s:%u", host, port);

	const int rc = getaddrinfo(host, service, &hints, &found);

	if (rc != 0) {
		fprintf(stderr, "load: --host %s: %s\n", host, gai_strerror(rc));
		return false;
	}
	memcpy(&o->drive.to, found->ai_addr, found->ai_addrlen);
	o->drive.to_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static unsigned default_threads(void)
{
	cpu_set_t mine;
	const int cpus = sched_getaffinity(0, sizeof(mine), &mine) == 0 ? CPU_COUNT(&mine) : 4;

	if (cpus < 4)
		return 1;
	return cpus / 4 < OPTIONS_THREADS_MAX ? (unsigned)cpus / 4 : OPTIONS_THREADS_MAX;
}

int options_read(struct options *o, int argc, char **argv)
{
	const char *host = "127.0.0.1";
	unsigned port = 0;
	int option;

	*o = (struct options){
		.drive = {.connections = 50,
			  .depth = 16,
			  .keys = 1000,
			  .seconds = 10,
			  .patience_s = 5,
			  .run = now_ns() ^ (uint64_t)getpid() << 32},
		.threads = default_threads(),
	};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (!read_one(o, option, optarg, &port, &host))
			return 2;
	}
	if (optind < argc)
		fprintf(stderr, "load: what is %s? See load --help\n", argv[optind]);
	else if (!port)
		fprintf(stderr, "load: --port is missing; see load --help\n");
	else if (resolve(o, host, port)) {
		if (o->threads > o->drive.connections)
			o->threads = o->drive.connections;
		return -1;
	}
	return 2;
}
