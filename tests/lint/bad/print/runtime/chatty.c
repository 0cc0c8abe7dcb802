/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

static void report(FILE *to)
{
	char line[16];

	snprintf(line, sizeof line, "fine");
	fputs(line, to);
	fprintf(stderr, "not fine\n"); /* BAD */
	printf("nor this\n");	       /* BAD */
	if (getenv("QUOIT_CHATTY"))    /* BAD */
		exit(1);
}
