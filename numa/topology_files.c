/* SPDX-License-Identifier: MIT */
/*
 * topology_files.c - the files that a topology is read from, all through one buffer.
 *
 * Every file of sysfs ends with a newline, so one without was cut short. What is missing is told
 * apart from what is mangled: -ENOENT may be an older kernel, anything else is worth a word.
 */
#include <quoit/numa/topology_internal.h>

#include <stdarg.h>

int quoit_topology_open_root(struct quoit_topology_loader *l, const char *root)
{
	l->root = "";
	if (!root || !strcmp(root, "/"))
		return 0;
	if (strlen(root) >= sizeof l->path)
		return quoit_reason_set(l->why, -ENAMETOOLONG, "the topology's root is too long");
	const int fd = quoit__sys_open(root, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return quoit_reason_set(l->why, fd, "the topology's root %s cannot be opened: %s",
					root, strerror(-fd));
	quoit__sys_close(fd);
	l->root = root;
	l->injected = true;
	return 0;
}

int quoit_topology_read(struct quoit_topology_loader *l, const char *format, ...)
{
	const size_t prefix = strlen(l->root);
	memcpy(l->path, l->root, prefix);
	va_list arguments;
	va_start(arguments, format);
	const int length = vsnprintf(l->path + prefix, sizeof l->path - prefix, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof l->path - prefix)
		return -ENAMETOOLONG;

	const ssize_t bytes = quoit__sys_file_read(l->path, l->text, sizeof l->text);
	if (bytes < 0)
		return (int)bytes;
	if (bytes == 0 || l->text[bytes - 1] != '\n' || strlen(l->text) != (size_t)bytes)
		return -EINVAL;
	return 0;
}

int quoit_topology_read_list(struct quoit_topology_loader *l, const char *path,
			     struct quoit_idset *set, unsigned limit)
{
	const int rc = quoit_topology_read(l, "%s", path);
	return rc ? rc : quoit_idset_parse(set, l->text, limit);
}

int quoit_topology_read_status(struct quoit_topology_loader *l, const char *key,
			       struct quoit_idset *set, unsigned limit)
{
	/* Of this thread, which may sit in a cpuset of its own; older copies have only self. */
	int rc = quoit_topology_read(l, "/proc/thread-self/status");
	if (rc == -ENOENT)
		rc = quoit_topology_read(l, "/proc/self/status");
	if (rc)
		return rc;
	for (char *line = l->text; *line;) {
		char *const end = strchr(line, '\n');
		*end = '\0';
		if (!strncmp(line, key, strlen(key)))
			return quoit_idset_parse(set, line + strlen(key), limit);
		line = end + 1;
	}
	return -ENOENT;
}
