/* SPDX-License-Identifier: MIT */
/*
 * seeds.c - what the fuzzers begin with: every machine of the unit tests as one text, and their
 * lists.
 *
 *     seeds FOLDER         writes FOLDER/topology/NAME and FOLDER/idset/NUMBER
 */
#include <ftw.h>
#include <stdint.h>

#include <quoit/numa/idset.h>

#include "numa/machines.h"

static FILE *out;
static size_t root_bytes;
static const char *folder;
static unsigned lists;

static FILE *create(const char *kind, const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s/%s", folder, kind, name);
	FILE *const file = fopen(path, "we");
	if (!file)
		fake_root_fail("create", path);
	return file;
}

static void end(FILE *file)
{
	if (fclose(file))
		fake_root_fail("write", folder);
}

/* A list on its own, below the highest limit. */
static void write_list(const char *text)
{
	char name[16];
	snprintf(name, sizeof name, "%u", lists++);
	FILE *const file = create("idset", name);
	fprintf(file, "%c%c%s", QUOIT_CPUS_MAX >> 8, QUOIT_CPUS_MAX & 255, text);
	end(file);
}

static int append(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	char text[16 * 1024];
	(void)status;
	(void)walk;
	if (type != FTW_F)
		return 0;
	FILE *const file = fopen(path, "re");
	if (!file)
		fake_root_fail("read", path);
	const size_t bytes = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[bytes] = '\0';
	fprintf(out, "@%s\n%s", path + root_bytes + 1, text);
	if (strstr(path, "list") || strstr(path, "online"))
		write_list(text);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds FOLDER\n");
		return 2;
	}
	folder = argv[1];
	for (size_t i = 0; i < MACHINES; i++) {
		struct fake_root root;
		fake_root_build(&root, &machines[i].machine);
		root_bytes = strlen(root.path);
		out = create("topology", machines[i].name);
		if (nftw(root.path, append, 16, FTW_PHYS))
			fake_root_fail("walk", root.path);
		end(out);
		fake_root_remove(&root);
	}
	printf("%zu machines, %u lists\n", MACHINES, lists);
	return 0;
}
