/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line of the load generator.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include "drive.h"

enum {
	OPTIONS_THREADS_MAX = 16,
	OPTIONS_CONNECTIONS_MAX = 10000,
	OPTIONS_PIPELINE_MAX = 1024,
	OPTIONS_KEYS_MAX = 1000000,
	OPTIONS_SECONDS_MAX = 86400,
};

struct options {
	struct drive_options drive;
	unsigned threads;
	bool live;
	const char *result; /* the file for the RESULT line, or NULL */
	char where[160];    /* "127.0.0.1:6379", for messages */
};

/*
 * Read the command line. Returns -1 to go on, or the exit code: 0 after --help, 2 after a mistake,
 * which has been explained on stderr.
 */
int options_read(struct options *o, int argc, char **argv);

#endif
