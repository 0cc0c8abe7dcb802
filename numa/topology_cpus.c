/* SPDX-License-Identifier: MIT */
/*
 * topology_cpus.c - which cpus there are, which may be used, and which share a core.
 */
#include <quoit/numa/topology_internal.h>
#include <quoit/numa/thread.h>

int quoit_topology_load_usable(struct quoit_topology_loader *l)
{
	struct quoit_idset affinity = {0};
	const int masked = l->injected ? quoit_topology_read_status(
						 l, "Cpus_allowed_list:", &affinity, QUOIT_CPUS_MAX)
				       : quoit_thread_affinity(&affinity);
	int rc = quoit_topology_read_list(l, "/sys/devices/system/cpu/online", &l->t.online,
					  QUOIT_CPUS_MAX);
	if (rc == -E2BIG || masked == -E2BIG)
		return quoit_reason_set(l->why, -E2BIG,
					"this machine has cpu numbers of %d or more, which quoit "
					"cannot hold",
					QUOIT_CPUS_MAX);
	if (!rc && quoit_idset_count(&l->t.online) == 0)
		rc = -EINVAL;
	if (rc && masked && l->injected)
		return quoit_reason_set(l->why, -ENODEV,
					"%s: %s: that root holds no copy of sys/devices/system/cpu",
					l->path, strerror(-rc));
	if (rc && masked)
		return quoit_reason_set(l->why, -ENODEV,
					"neither %s (%s) nor the affinity mask (%s) can be read: "
					"mount sysfs",
					l->path, strerror(-rc), strerror(-masked));
	if (rc) {
		QUOIT_TOPOLOGY_GUESS(l, "%s: %s; the affinity mask says which cpus are online",
				     l->path, strerror(-rc));
		l->t.online = affinity;
		l->guessed_online = true;
	} else if (masked && !(l->injected && masked == -ENOENT)) {
		QUOIT_TOPOLOGY_GUESS(
			l, "the affinity mask cannot be read (%s); every online cpu is used",
			strerror(-masked));
	}

	l->usable = l->t.online;
	if (!masked)
		quoit_idset_intersect(&l->usable, &affinity);
	if (quoit_idset_count(&l->usable) == 0) {
		char online[64];
		char mask[64];
		return quoit_reason_set(
			l->why, -ENODEV,
			"no cpu is left: online are %s, the affinity mask allows %s; "
			"widen it (taskset, cpuset)",
			quoit_idset_format(&l->t.online, online, sizeof online),
			masked ? "?" : quoit_idset_format(&affinity, mask, sizeof mask));
	}
	return 0;
}

/*
 * A list that not every kernel has, and that means nobody where it is not there. Old ones print
 * "(null)" for a mask that was never made.
 */
static void load_optional(struct quoit_topology_loader *l, const char *path,
			  struct quoit_idset *set)
{
	const int rc = quoit_topology_read_list(l, path, set, QUOIT_CPUS_MAX);
	if (rc && rc != -ENOENT && strncmp(l->text, "(null)", 6) != 0)
		QUOIT_TOPOLOGY_GUESS(l, "%s: %s; no cpu is taken to be in it", l->path,
				     strerror(-rc));
}

/* Read one whole number from <root>/sys/devices/system/cpu/cpuN/topology/<name>. */
static int read_cpu_number(struct quoit_topology_loader *l, unsigned cpu, const char *name,
			   int *number)
{
	const int rc =
		quoit_topology_read(l, "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, name);
	if (rc)
		return rc;
	char *end;
	const long value = strtol(l->text, &end, 10);
	if (end == l->text || strcmp(end, "\n") != 0 || value < -1 || value > INT_MAX)
		return -EINVAL;
	*number = (int)value;
	return 0;
}

/* The lowest cpu of the SMT siblings. The file's name changed in Linux 5.3. */
static unsigned load_core(struct quoit_topology_loader *l, unsigned cpu)
{
	struct quoit_idset siblings = {0};
	int rc = quoit_topology_read(l, "/sys/devices/system/cpu/cpu%u/topology/core_cpus_list",
				     cpu);
	if (rc == -ENOENT)
		rc = quoit_topology_read(
			l, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
	if (!rc)
		rc = quoit_idset_parse(&siblings, l->text, QUOIT_CPUS_MAX);
	if (!rc && !quoit_idset_has(&siblings, cpu))
		rc = -EINVAL;
	if (!rc)
		return (unsigned)quoit_idset_next(&siblings, 0);
	QUOIT_TOPOLOGY_GUESS(l, "%s: %s; cpu %u is taken for a core of its own", l->path,
			     strerror(-rc), cpu);
	return cpu;
}

int quoit_topology_load_cpus(struct quoit_topology_loader *l)
{
	struct quoit_topology *const t = &l->t;
	unsigned *const seen = calloc(QUOIT_CPUS_MAX, sizeof *seen); /* usable siblings by core */
	if (!seen)
		return quoit_reason_set(l->why, -ENOMEM, "no memory for the topology");
	struct quoit_idset isolated = {0};
	struct quoit_idset tickless = {0};
	struct quoit_idset present = {0};
	load_optional(l, "/sys/devices/system/cpu/isolated", &isolated);
	load_optional(l, "/sys/devices/system/cpu/nohz_full", &tickless);
	load_optional(l, "/sys/devices/system/cpu/present", &present);
	for (size_t w = 0; w < QUOIT_CPUS_MAX / 64 && !l->guessed_online; w++)
		t->offline.words[w] = present.words[w] & ~t->online.words[w];

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
		cpu->isolated = quoit_idset_has(&isolated, cpu->cpu);
		cpu->tickless = quoit_idset_has(&tickless, cpu->cpu);
		int rc = read_cpu_number(l, cpu->cpu, "core_id", &cpu->core_id);
		if (!rc)
			rc = read_cpu_number(l, cpu->cpu, "physical_package_id", &cpu->package);
		if (rc)
			QUOIT_TOPOLOGY_GUESS(l, "%s: %s; left unknown", l->path, strerror(-rc));
	}
	free(seen);
	return 0;
}
