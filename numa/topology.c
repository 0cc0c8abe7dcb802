/* SPDX-License-Identifier: MIT */
/*
 * topology.c - the machine read from sysfs.
 *
 * sysfs is read directly rather than through libnuma because a test must be able to hand in another
 * machine's files. Three traps: `Node 0 MemTotal: 6645976 kB` starts with the node's number, not
 * with the figure; the columns of nodeN/distance are the online nodes in order, not node numbers;
 * and every file ends with a newline, so one without was cut short.
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/topology.h>
#include <quoit/numa/thread.h>

#include <limits.h>
#include <stdarg.h>
#include <string.h>

#define LOCAL_DISTANCE	10 /* the kernel's own defaults */
#define REMOTE_DISTANCE 20
#define FILE_BYTES	(64 * 1024) /* a list of 8192 cpus without neighbours takes 20 KiB */

struct loader {
	struct quoit_topology t;
	const char *root; /* "" for this machine */
	bool injected;
	struct quoit_reason *why;
	struct quoit_idset online; /* cpus */
	struct quoit_idset usable;
	struct quoit_idset nodes;
	struct quoit_idset mems; /* nodes the cpuset allows */
	char path[PATH_MAX];	 /* of the file read last, for messages */
	char text[FILE_BYTES];	 /* and what it held */
};

#define GUESS(l, ...)               \
	((l)->t.guesses++ ? (void)0 \
			  : (void)quoit_reason_set(&(l)->t.first_guess, -ENODATA, __VA_ARGS__))

/* Read <root>/<path> into l->text: 0 or -errno, -EINVAL for a file that was cut short. */
QUOIT_PRINTF(2, 3) static int read_file(struct loader *l, const char *format, ...)
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

/* Read one whole number from <root>/sys/devices/system/cpu/cpuN/topology/<name>. */
static int read_cpu_number(struct loader *l, unsigned cpu, const char *name, int *number)
{
	const int rc = read_file(l, "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, name);
	if (rc)
		return rc;
	char *end;
	const long value = strtol(l->text, &end, 10);
	if (end == l->text || *end != '\n' || value < -1 || value > INT_MAX)
		return -EINVAL;
	*number = (int)value;
	return 0;
}

/* Cut the list out of the line "<key>\t0-3\n" of the status file: -ENOENT if it has no such line.
 */
static int read_status_list(struct loader *l, const char *key, struct quoit_idset *set,
			    unsigned limit)
{
	/* Of this thread, which may sit in a cpuset of its own; older copies have only self. */
	int rc = read_file(l, "/proc/thread-self/status");
	if (rc == -ENOENT)
		rc = read_file(l, "/proc/self/status");
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

static int open_root(struct loader *l, const char *root)
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

/* Which cpus are online and which of them this thread may use. */
static int load_usable(struct loader *l)
{
	struct quoit_idset affinity = {0};
	const int masked =
		l->injected ? read_status_list(l, "Cpus_allowed_list:", &affinity, QUOIT_CPUS_MAX)
			    : quoit_thread_affinity(&affinity);
	int rc = read_file(l, "/sys/devices/system/cpu/online");
	if (!rc)
		rc = quoit_idset_parse(&l->online, l->text, QUOIT_CPUS_MAX);
	if (rc == -E2BIG || masked == -E2BIG)
		return quoit_reason_set(l->why, -E2BIG,
					"this machine has cpu numbers of %d or more, which quoit "
					"cannot hold",
					QUOIT_CPUS_MAX);
	if (!rc && quoit_idset_count(&l->online) == 0)
		rc = -EINVAL;
	if (rc && masked)
		return quoit_reason_set(l->why, -ENODEV,
					"neither %s (%s) nor the affinity mask (%s) can be read: "
					"mount sysfs",
					l->path, strerror(-rc), strerror(-masked));
	if (rc) {
		GUESS(l, "%s: %s; the affinity mask says which cpus are online", l->path,
		      strerror(-rc));
		l->online = affinity;
	} else if (masked && !(l->injected && masked == -ENOENT)) {
		GUESS(l, "the affinity mask cannot be read (%s); every online cpu is used",
		      strerror(-masked));
	}

	l->usable = l->online;
	if (!masked)
		quoit_idset_intersect(&l->usable, &affinity);
	if (quoit_idset_count(&l->usable) == 0) {
		char online[64];
		char mask[64];
		return quoit_reason_set(
			l->why, -ENODEV,
			"no cpu is left: online are %s, the affinity mask allows %s; "
			"widen it (taskset, cpuset)",
			quoit_idset_format(&l->online, online, sizeof online),
			masked ? "?" : quoit_idset_format(&affinity, mask, sizeof mask));
	}
	return 0;
}

/* Which nodes are online and which may give memory to this thread. */
static int load_node_lists(struct loader *l)
{
	int rc = read_file(l, "/sys/devices/system/node/online");
	if (!rc)
		rc = quoit_idset_parse(&l->nodes, l->text, QUOIT_NODES_MAX);
	if (rc == -E2BIG)
		return quoit_reason_set(l->why, rc,
					"this machine has node numbers of %d or more, which quoit "
					"cannot hold",
					QUOIT_NODES_MAX);
	if (!rc && quoit_idset_count(&l->nodes) == 0)
		rc = -EINVAL;
	l->t.numa = !rc;
	if (rc) {
		if (rc != -ENOENT) /* a kernel without NUMA has no such file: no guess */
			GUESS(l, "%s: %s; the machine is taken for one node", l->path,
			      strerror(-rc));
		quoit_idset_add(&l->nodes, 0);
		quoit_idset_add(&l->mems, 0);
		return 0;
	}

	rc = read_status_list(l, "Mems_allowed_list:", &l->mems, QUOIT_NODES_MAX);
	if (!rc) {
		quoit_idset_intersect(&l->mems, &l->nodes);
		if (quoit_idset_count(&l->mems) > 0)
			return 0;
		rc = -EINVAL;
	}
	if (rc != -ENOENT) /* a kernel without cpusets has no such line: no guess */
		GUESS(l, "%s: Mems_allowed_list: %s; memory is taken from every node", l->path,
		      strerror(-rc));
	l->mems = l->nodes;
	return 0;
}

/* The arrays whose sizes the lists have told. One node_cpus slot per usable cpu. */
static int allocate(struct loader *l)
{
	struct quoit_topology *const t = &l->t;
	size_t limit = 0;
	QUOIT_IDSET_FOR_EACH(cpu, &l->online)
	{
		limit = (size_t)cpu + 1;
	}
	t->cpu_count = quoit_idset_count(&l->usable);
	t->node_count = quoit_idset_count(&l->nodes);
	t->node_by_cpu_count = limit;
	t->cpus = calloc(t->cpu_count, sizeof *t->cpus);
	t->nodes = calloc(t->node_count, sizeof *t->nodes);
	t->node_cpus = calloc(t->cpu_count, sizeof *t->node_cpus);
	t->distances = calloc(t->node_count * t->node_count, sizeof *t->distances);
	t->node_by_cpu = calloc(limit, sizeof *t->node_by_cpu);
	if (!t->cpus || !t->nodes || !t->node_cpus || !t->distances || !t->node_by_cpu)
		return quoit_reason_set(l->why, -ENOMEM, "no memory for the topology");
	for (size_t i = 0; i < limit; i++)
		t->node_by_cpu[i] = -1;
	return 0;
}

static void load_node_memory(struct loader *l, struct quoit_topology_node *node)
{
	static const char key[] = "MemTotal:";
	const int rc = l->t.numa ? read_file(l, "/sys/devices/system/node/node%d/meminfo", node->id)
				 : read_file(l, "/proc/meminfo");
	const char *const line = rc ? NULL : strstr(l->text, key);
	if (line) {
		char *end;
		const unsigned long long kib = strtoull(line + sizeof key - 1, &end, 10);
		if (end != line + sizeof key - 1 && !strncmp(end, " kB\n", 4)) {
			node->memory_bytes = (uint64_t)kib * 1024;
			node->has_memory = kib > 0;
			return;
		}
	}
	GUESS(l, "%s: %s; the node is taken to have memory", l->path,
	      rc ? strerror(-rc) : "no MemTotal");
	node->has_memory = true;
}

static void load_node_distances(struct loader *l, size_t row)
{
	struct quoit_topology *const t = &l->t;
	uint16_t *const distances = t->distances + row * t->node_count;
	t->nodes[row].distances = distances;
	for (size_t i = 0; i < t->node_count; i++)
		distances[i] = i == row ? LOCAL_DISTANCE : REMOTE_DISTANCE;
	if (!t->numa)
		return;

	int rc = read_file(l, "/sys/devices/system/node/node%d/distance", t->nodes[row].id);
	char *at = l->text;
	for (size_t i = 0; !rc && i < t->node_count; i++) {
		char *end;
		const unsigned long distance = strtoul(at, &end, 10);
		if (end == at || distance == 0) {
			rc = -EINVAL;
			break;
		}
		distances[i] = distance > UINT16_MAX ? UINT16_MAX : (uint16_t)distance;
		at = end;
	}
	if (!rc && strspn(at, " \n") != strlen(at))
		rc = -EINVAL;
	if (!rc)
		return;
	GUESS(l, "%s: %s; unknown distances are taken to be %d", l->path, strerror(-rc),
	      REMOTE_DISTANCE);
}

/* Note which cpus belong to the node. Of two nodes that claim a cpu the first has it. */
static void load_node_cpus(struct loader *l, const struct quoit_topology_node *node)
{
	struct quoit_idset cpus = l->online;
	int rc = 0;
	if (l->t.numa)
		rc = read_file(l, "/sys/devices/system/node/node%d/cpulist", node->id);
	if (l->t.numa && !rc)
		rc = quoit_idset_parse(&cpus, l->text, QUOIT_CPUS_MAX);
	if (rc) {
		GUESS(l, "%s: %s; the node is taken to have no cpu", l->path, strerror(-rc));
		return;
	}
	quoit_idset_intersect(&cpus, &l->online);
	QUOIT_IDSET_FOR_EACH(cpu, &cpus)
	{
		int16_t *const owner = &l->t.node_by_cpu[cpu];
		if (*owner < 0)
			*owner = (int16_t)node->id;
		else
			GUESS(l, "%s: cpu %d belongs to node %d already", l->path, cpu, *owner);
	}
}

/* A cpu that no node claims goes to the first with memory: it must get its memory from somewhere.
 */
static void adopt_orphans(struct loader *l)
{
	struct quoit_topology *const t = &l->t;
	size_t home = 0;
	while (home < t->node_count && !(t->nodes[home].has_memory && t->nodes[home].allowed))
		home++;
	const int node = t->nodes[home < t->node_count ? home : 0].id;
	QUOIT_IDSET_FOR_EACH(cpu, &l->online)
	{
		if (t->node_by_cpu[cpu] >= 0)
			continue;
		GUESS(l, "no node lists cpu %d; it is taken to be on node %d", cpu, node);
		t->node_by_cpu[cpu] = (int16_t)node;
	}
}

static void load_nodes(struct loader *l)
{
	struct quoit_topology *const t = &l->t;
	size_t row = 0;
	QUOIT_IDSET_FOR_EACH(id, &l->nodes)
	{
		struct quoit_topology_node *const node = &t->nodes[row];
		node->id = id;
		node->allowed = quoit_idset_has(&l->mems, (unsigned)id);
		load_node_memory(l, node);
		load_node_distances(l, row);
		load_node_cpus(l, node);
		row++;
	}
	adopt_orphans(l);

	size_t filled = 0;
	for (row = 0; row < t->node_count; row++) {
		struct quoit_topology_node *const node = &t->nodes[row];
		node->cpus = t->node_cpus + filled;
		QUOIT_IDSET_FOR_EACH(cpu, &l->usable)
		{
			if (t->node_by_cpu[cpu] == node->id) {
				t->node_cpus[filled++] = (unsigned)cpu;
				node->cpu_count++;
			}
		}
	}
}

/* The lowest cpu of the SMT siblings. The file's name changed in Linux 5.3. */
static unsigned load_core(struct loader *l, unsigned cpu)
{
	struct quoit_idset siblings = {0};
	int rc = read_file(l, "/sys/devices/system/cpu/cpu%u/topology/core_cpus_list", cpu);
	if (rc == -ENOENT)
		rc = read_file(l, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
			       cpu);
	if (!rc)
		rc = quoit_idset_parse(&siblings, l->text, QUOIT_CPUS_MAX);
	if (!rc && !quoit_idset_has(&siblings, cpu))
		rc = -EINVAL;
	if (!rc)
		return (unsigned)quoit_idset_next(&siblings, 0);
	GUESS(l, "%s: %s; cpu %u is taken for a core of its own", l->path, strerror(-rc), cpu);
	return cpu;
}

static int load_cpus(struct loader *l)
{
	struct quoit_topology *const t = &l->t;
	unsigned *const seen = calloc(QUOIT_CPUS_MAX, sizeof *seen); /* usable siblings by core */
	if (!seen)
		return quoit_reason_set(l->why, -ENOMEM, "no memory for the topology");
	size_t i = 0;
	QUOIT_IDSET_FOR_EACH(id, &l->usable)
	{
		struct quoit_topology_cpu *const cpu = &t->cpus[i++];
		cpu->cpu = (unsigned)id;
		cpu->node = t->node_by_cpu[id];
		cpu->core = load_core(l, cpu->cpu);
		cpu->smt_index = seen[cpu->core]++;
		cpu->core_id = -1;
		cpu->package = -1;
		int rc = read_cpu_number(l, cpu->cpu, "core_id", &cpu->core_id);
		if (!rc)
			rc = read_cpu_number(l, cpu->cpu, "physical_package_id", &cpu->package);
		if (rc)
			GUESS(l, "%s: %s; left unknown", l->path, strerror(-rc));
	}
	free(seen);
	return 0;
}

int quoit_topology_load(struct quoit_topology *t, const char *root, struct quoit_reason *why)
{
	struct loader *const l = calloc(1, sizeof *l);
	if (!l)
		return quoit_reason_set(why, -ENOMEM, "no memory for the topology");
	l->why = why;
	int rc = open_root(l, root);
	if (!rc)
		rc = load_usable(l);
	if (!rc)
		rc = load_node_lists(l);
	if (!rc)
		rc = allocate(l);
	if (!rc) {
		load_nodes(l);
		rc = load_cpus(l);
	}
	if (rc)
		quoit_topology_fini(&l->t);
	else
		*t = l->t;
	free(l);
	return rc;
}

void quoit_topology_fini(struct quoit_topology *t)
{
	free(t->cpus);
	free(t->nodes);
	free(t->node_cpus);
	free(t->distances);
	free(t->node_by_cpu);
	*t = (struct quoit_topology){0};
}

int quoit_topology_node_of_cpu(const struct quoit_topology *t, unsigned cpu)
{
	if (cpu >= t->node_by_cpu_count || t->node_by_cpu[cpu] < 0)
		return -ENODEV;
	return t->node_by_cpu[cpu];
}

const struct quoit_topology_node *quoit_topology_node(const struct quoit_topology *t, int id)
{
	for (size_t i = 0; i < t->node_count; i++) {
		if (t->nodes[i].id == id)
			return &t->nodes[i];
	}
	return NULL;
}

int quoit_topology_memory_node(const struct quoit_topology *t, int node)
{
	const struct quoit_topology_node *const from = quoit_topology_node(t, node);
	if (!from)
		return -ENODEV;
	if (from->has_memory && from->allowed)
		return node;
	const struct quoit_topology_node *nearest = NULL;
	for (size_t i = 0; i < t->node_count; i++) {
		const struct quoit_topology_node *const to = &t->nodes[i];
		if (!to->has_memory || !to->allowed)
			continue;
		if (!nearest || from->distances[i] < from->distances[nearest - t->nodes])
			nearest = to;
	}
	return nearest ? nearest->id : -ENODEV;
}

int quoit_topology_distance(const struct quoit_topology *t, int from, int to)
{
	const struct quoit_topology_node *const a = quoit_topology_node(t, from);
	const struct quoit_topology_node *const b = quoit_topology_node(t, to);
	return a && b ? a->distances[b - t->nodes] : -ENODEV;
}
