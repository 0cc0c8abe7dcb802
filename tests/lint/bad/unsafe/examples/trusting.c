/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char name[8];

	strcpy(name, argv[0]);			    /* BAD */
	return atoi(argv[argc - 1]) + name[0] == 0; /* BAD */
}
