/* SPDX-License-Identifier: MIT */
/*
 * main.c - kv, a key-value server that speaks RESP2, sharded over all cores.
 *
 *     build/release/examples/kv/kv                        # 127.0.0.1:6379, every core
 *     build/release/examples/kv/kv --port 0 --cores 2     # a free port, two cores
 *     redis-cli -p 6379 set greeting hello
 *
 * What to look at: `redis-cli info quoit` tells per core how many requests were for keys of its
 * own, how many crossed to another core, in what batches, and how often a sleeping core had to be
 * woken. Data is in memory only: it is gone with the process.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "kv.h"

#define PORT_DEFAULT   6379
#define MEMORY_DEFAULT ((uint64_t)256 << 20)
#define MEMORY_LEAST   ((uint64_t)1 << 20)
#define TEXT_OF(x)     #x
#define TEXT(x)	       TEXT_OF(x) /* of a macro's value */
#define USAGE_STATUS   2
#define COALESCE_NS    100000 /* a busy server for many clients: throughput before 0.1 ms */

static const char usage[] =
	"usage: kv [--port N] [--bind ADDRESS] [--cores N] [--memory BYTES] [--bulk BYTES]\n"
	"          [--cpus LIST] [--spread] [--one-per-core] [--plan]\n"
	"       kv --back PATH | --front PATH ...\n"
	"\n"
	"  --port N       port to listen on, 0 for any free one (6379)\n"
	"  --bind ADDRESS numeric address to listen on (127.0.0.1); there is no password, so "
	"think\n"
	"                 twice before giving one that others can reach\n"
	"  --cores N      cores to run on, 0 for all that this process may use (0)\n"
	"  --memory BYTES most that keys and values may take together, with k, m or g (256m)\n"
	"  --bulk BYTES   longest key or value (1m)\n"
	"  --cpus LIST    only these cpus, as in 0-3,8\n"
	"  --spread       take the memory nodes in turn instead of filling one first\n"
	"  --one-per-core leave SMT siblings idle\n"
	"  --plan         tell which core runs on which cpu, and why\n"
	"  --back PATH    own the keys, and serve the fronts that come to this socket\n"
	"  --front PATH   serve clients, and ask the back there for everything (its --memory and\n"
	"                 --bulk count); either may be started first, and killed: without a\n"
	"                 back every answer is an error\n"
	"  --help         this text\n"
	"\n"
	"Stops on SIGINT or SIGTERM, after what it has read is answered. Exit status: 0 stopped "
	"in\n"
	"order, 1 something had to be cut off, 2 could not start.\n";

/* A number with an optional k, m or g; false if it is none or out of bounds. */
static bool parse_size(const char *text, uint64_t least, uint64_t most, uint64_t *size)
{
	char *end;
	unsigned long long n;
	unsigned shift = 0;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno)
		return false;
	switch (*end) {
	case 'g':
	case 'G':
		shift += 10; /* fall through */
	case 'm':
	case 'M':
		shift += 10; /* fall through */
	case 'k':
	case 'K':
		shift += 10;
		end++;
		break;
	default:
		break;
	}
	if (*end || n > most >> shift || n << shift < least)
		return false;
	*size = n << shift;
	return true;
}

/* `range` says what would be possible, or is empty. */
static int refuse(const char *option, const char *value, const char *range)
{
	fprintf(stderr, "kv: %s %s is not possible%s; see kv --help\n", option, value, range);
	return USAGE_STATUS;
}

struct options {
	const char *bind;
	const char *back;
	const char *front;
	const char *place; /* the last option of those that say where to listen, or NULL */
	const char *limit; /* of those that limit what is stored */
	uint64_t port;
	uint64_t cores;
	uint64_t memory;
	uint64_t bulk;
	struct quoit_idset cpus; /* none: all */
	int spread;
	int one_per_core;
	int plan;
};

/* A back listens to no client, and a front stores nothing: what it is told of that would be lost.
 */
static int check_roles(const struct options *o)
{
	if (o->back && o->front)
		return refuse("--back beside --front", o->front, "");
	if (o->back && o->place)
		return refuse("--back beside", o->place, " (fronts are who listens)");
	if (o->front && o->limit)
		return refuse("--front beside", o->limit, " (give it to the back, which stores)");
	return 0;
}

/* 0 go on, above: exit with that status, -1: exit with 0. */
static int read_options(int argc, char **argv, struct options *o)
{
	const struct option names[] = {
		{"port", required_argument, NULL, 'p'},
		{"bind", required_argument, NULL, 'b'},
		{"cores", required_argument, NULL, 'c'},
		{"memory", required_argument, NULL, 'm'},
		{"bulk", required_argument, NULL, 'B'},
		{"cpus", required_argument, NULL, 'C'},
		{"spread", no_argument, &o->spread, 1},
		{"one-per-core", no_argument, &o->one_per_core, 1},
		{"plan", no_argument, &o->plan, 1},
		{"back", required_argument, NULL, 'k'},
		{"front", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *range = "";
	bool good = true;
	int option;

	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (option) {
		case 'p':
			good = parse_size(optarg, 0, 65535, &o->port);
			o->place = "--port";
			break;
		case 'c':
			good = parse_size(optarg, 0, QUOIT_CORES_MAX, &o->cores);
			range = " (1 to " TEXT(QUOIT_CORES_MAX) ")";
			break;
		case 'm':
			good = parse_size(optarg, MEMORY_LEAST, (uint64_t)1 << 46, &o->memory);
			o->limit = "--memory";
			break;
		case 'B':
			good = parse_size(optarg, 1024, (uint64_t)8 << 20, &o->bulk);
			o->limit = "--bulk";
			break;
		case 'C':
			good = !quoit_idset_parse(&o->cpus, optarg, QUOIT_CPUS_MAX) &&
			       quoit_idset_count(&o->cpus) > 0;
			break;
		case 0: /* a flag, set already */
			break;
		case 'b':
			o->bind = optarg;
			o->place = "--bind";
			break;
		case 'k':
			o->back = optarg;
			break;
		case 'f':
			o->front = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			fputs("see kv --help\n", stderr);
			return USAGE_STATUS;
		}
		if (!good)
			return refuse(argv[optind - 2], optarg, range);
	}
	return optind < argc ? refuse("argument", argv[optind], "") : check_roles(o);
}

static int serve(const struct options *o)
{
	const char *format = strchr(o->bind, ':') ? "[%s]:%u" : "%s:%u";
	struct kv_server *server = aligned_alloc(QUOIT_ISOLATION, sizeof(*server));
	struct quoit_reason why = {0};
	int status;

	if (server)
		memset(server, 0, sizeof(*server));
	if (!server || hash_secret_make(&server->secret) < 0) {
		fputs("kv: no memory, or no random numbers, to start with\n", stderr);
		free(server);
		return USAGE_STATUS;
	}
	server->config.show_plan = o->plan;
	server->config.memory_bytes = o->memory;
	server->config.limits = RESP_LIMITS_DEFAULT;
	server->config.limits.request_bytes += o->bulk - server->config.limits.bulk_bytes;
	server->config.limits.bulk_bytes = o->bulk;
	snprintf(server->config.address, sizeof(server->config.address), format, o->bind,
		 (unsigned)o->port);
	server->config.path = o->back ? o->back : o->front;
	if (o->back) {
		server->back = back_open(o->back, &why);
		if (!server->back) {
			fprintf(stderr, "kv: %s\n", why.text);
			free(server);
			return USAGE_STATUS;
		}
	}
	status = quoit_run(&(struct quoit_config){
		.cores = (unsigned)o->cores,
		.start = o->front ? front_start : server_start,
		.stop = o->front ? front_stop : server_stop,
		.coalesce_ns = COALESCE_NS,
		.ctx = server,
		.spread = o->spread,
		.one_per_core = o->one_per_core,
		.cpus = quoit_idset_count(&o->cpus) ? &o->cpus : NULL,
	});
	back_close(server->back);
	free(server);
	return status;
}

int main(int argc, char **argv)
{
	struct options o = {.bind = "127.0.0.1",
			    .port = PORT_DEFAULT,
			    .memory = MEMORY_DEFAULT,
			    .bulk = RESP_LIMITS_DEFAULT.bulk_bytes};
	const int rc = read_options(argc, argv, &o);

	if (rc)
		return rc < 0 ? 0 : rc;
	return serve(&o);
}
