/* SPDX-License-Identifier: MIT */
/*
 * topology.c - the topology loader under libFuzzer: whatever the files of sysfs hold, what comes of
 * them is sound, or refused with a reason.
 *
 * An input is a whole root in text: a line "@sys/devices/system/cpu/online" begins a file, and what
 * follows up to the next such line is what it holds. Nothing is written anywhere: open, read and
 * close are led here by the linker (--wrap) for paths below the made-up root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "numa/topology_checks.h"

#include <quoit/numa/plan.h>

#define ROOT	  "/fuzzed"
#define FILES	  256
#define FIRST_FD  (1 << 20) /* far above what the process has */
#define MAX_BYTES (32 * 1024)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *data, size_t bytes);
ssize_t __wrap_read(int fd, void *data, size_t bytes);
int __real_close(int fd);
int __wrap_close(int fd);

static struct {
	const char *name, *text;
	size_t name_bytes, bytes, at;
} files[FILES];
static size_t file_count;
static int open_files;

int __wrap_open(const char *path, int flags, ...)
{
	const size_t prefix = sizeof ROOT - 1;
	va_list arguments;
	va_start(arguments, flags);
	const int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
	va_end(arguments);
	if (strncmp(path, ROOT, prefix) != 0)
		return __real_open(path, flags, mode);
	open_files++;
	if (path[prefix] == '\0')
		return FIRST_FD + FILES;
	for (size_t i = 0; i < file_count; i++) {
		if (strlen(path + prefix + 1) == files[i].name_bytes &&
		    !memcmp(path + prefix + 1, files[i].name, files[i].name_bytes)) {
			files[i].at = 0;
			return FIRST_FD + (int)i;
		}
	}
	open_files--;
	errno = ENOENT;
	return -1;
}

ssize_t __wrap_read(int fd, void *data, size_t bytes)
{
	if (fd < FIRST_FD)
		return __real_read(fd, data, bytes);
	const size_t i = (size_t)(fd - FIRST_FD);
	const size_t left = files[i].bytes - files[i].at;
	const size_t n = bytes < left ? bytes : left;
	memcpy(data, files[i].text + files[i].at, n);
	files[i].at += n;
	return (ssize_t)n;
}

int __wrap_close(int fd)
{
	if (fd < FIRST_FD)
		return __real_close(fd);
	open_files--;
	return 0;
}

/* Cut the input into files. */
static void lay_out(const char *data, size_t bytes)
{
	const char *const end = data + bytes;
	file_count = 0;
	while (data < end && file_count < FILES) {
		const char *const line_end = memchr(data, '\n', (size_t)(end - data));
		if (*data != '@' || !line_end)
			return;
		const char *text = line_end + 1;
		const char *next = text;
		while (next < end && *next != '@') {
			const char *const newline = memchr(next, '\n', (size_t)(end - next));
			next = newline ? newline + 1 : end;
		}
		files[file_count].name = data + 1;
		files[file_count].name_bytes = (size_t)(line_end - data - 1);
		files[file_count].text = text;
		files[file_count++].bytes = (size_t)(next - text);
		data = next;
	}
}

/* Every loop of a plan has a usable cpu, and shares no more than it must. */
static void check_plan(const struct quoit_topology *t, unsigned loops, bool spread)
{
	const struct quoit_plan_options options = {.loops = loops, .spread = spread};
	struct quoit_plan plan;
	char text[256];
	if (quoit_plan_make(&plan, t, &options, NULL))
		abort();
	assert_true(plan.cores <= plan.cpus && plan.cpus == t->cpu_count);
	for (unsigned i = 0; i < plan.count; i++) {
		assert_true(quoit_topology_cpu(t, plan.loops[i].cpu) != NULL);
		assert_true(plan.loops[i].shares < 0 || i >= plan.cpus);
		assert_true(plan.loops[i].beside < 0 || i >= plan.cores);
		assert_true(strlen(quoit_plan_reason(&plan, i, text, sizeof text)) > 0);
	}
	quoit_plan_format(&plan, text, sizeof text);
	quoit_plan_fini(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct quoit_topology t;
	struct quoit_reason why = {0};
	if (bytes > MAX_BYTES)
		return -1;
	lay_out((const char *)data, bytes);
	const int rc = quoit_topology_load(&t, ROOT, &why);
	assert_int_equal(open_files, 0);
	assert_int_equal(why.error, rc);
	if (rc) {
		assert_true(strlen(why.text) > 0);
		return 0;
	}
	check_sound(&t);
	if (t.cpu_count <= 64) { /* a plan of thousands is right as well, but slow */
		check_plan(&t, 0, bytes & 1);
		check_plan(&t, 7, bytes & 1);
	}
	for (size_t i = 0; i < t.node_count && i < 8; i++)
		assert_true(quoit_topology_nearest(&t, t.nodes[i].id) >= 0);
	assert_int_equal(quoit_topology_refresh(&t, &why), 0); /* the same files say the same */
	assert_int_equal(open_files, 0);
	quoit_topology_fini(&t);
	return 0;
}
