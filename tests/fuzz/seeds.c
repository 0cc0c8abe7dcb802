/* SPDX-License-Identifier: MIT */
/*
 * seeds.c - what the fuzzers begin with: every machine of the unit tests as one text, and their
 * lists; a good hello with descriptors; a good ring.
 *
 *     seeds FOLDER         writes FOLDER/topology/NAME, FOLDER/idset/NUMBER, FOLDER/control/hello,
 *                          FOLDER/shring/ROLE
 */
#include <ftw.h>
#include <stdint.h>
#include <sys/socket.h>

#include <quoit/io/hello.h>
#include <quoit/numa/idset.h>
#include <quoit/rings/shring_layout.h>

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

/* As control.c reads it: room for two, and three that come in two control messages. */
static void write_hello(void)
{
	struct quoit_hello hello = quoit_hello_make();
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct cmsghdr *second = (void *)(control.bytes + CMSG_SPACE(2 * sizeof(int)));
	FILE *const file = create("control", "hello");
	hello.element_bytes = 8;
	hello.generation = hello.role = 1;
	hello.fd_count = 2;
	control.align = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = 1};
	*second = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = 1};
	fputc(2, file);
	fwrite(&hello, sizeof hello, 1, file);
	fwrite(&control, sizeof control, 1, file);
	end(file);
}

/* As shring.c reads it: a ring that fills a page, with a little in it, and a script of any bytes.
 */
static void write_ring(const char *name, int options)
{
	struct quoit_shring_header header = {.tail = 5, .head = 2};
	FILE *const file = create("shring", name);

	header.id = (struct quoit_shring_id){
		.magic = QUOIT_SHRING_MAGIC,
		.version = QUOIT_SHRING_VERSION,
		.bits = 6,
		.capacity = 64,
		.mask = 63,
		.slot_bytes = 56,
		.header_size = QUOIT_SHRING_HEADER,
		.total_size = 4096,
		.generation = 1,
		.slot_align = 8,
		.flags = QUOIT_SHRING_FLAG_WAITS,
	};
	fputc(options, file);
	fwrite(&header, sizeof header, 1, file);
	for (unsigned i = 0; i < 1024; i++)
		fputc((int)(i * 167 + i / 7), file);
	end(file);
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
	write_hello();
	write_ring("consumer", 0);
	write_ring("producer", 1);
	write_ring("trusting-consumer", 2);
	printf("%zu machines, %u lists\n", MACHINES, lists);
	return 0;
}
