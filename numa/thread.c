/* SPDX-License-Identifier: MIT */
/* thread.c - pinning with masks of any size. */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>

int quoit_thread_pin(unsigned cpu)
{
	if (cpu >= QUOIT_CPUS_MAX)
		return -EINVAL;
	struct quoit_idset one = {0};
	quoit_idset_add(&one, cpu);
	int rc = quoit_thread_allow(&one);
	if (rc)
		return rc;

	/* A cpu that goes offline right now loses its threads to others without a word: look. */
	rc = quoit_thread_cpu();
	if (rc < 0)
		return rc;
	return rc == (int)cpu ? 0 : -ENODEV;
}

int quoit_thread_allow(const struct quoit_idset *cpus)
{
	return quoit__sys_sched_setaffinity(cpus->words, sizeof cpus->words);
}

int quoit_thread_pin_node(const struct quoit_topology *topology, int node)
{
	const struct quoit_topology_node *const where = quoit_topology_node(topology, node);
	if (!where || where->cpu_count == 0)
		return -ENODEV;
	struct quoit_idset cpus = {0};
	for (size_t i = 0; i < where->cpu_count; i++)
		quoit_idset_add(&cpus, where->cpus[i]);
	return quoit_thread_allow(&cpus);
}

int quoit_thread_affinity(struct quoit_idset *cpus)
{
	struct quoit_idset mask = {0};
	const int rc = quoit__sys_sched_getaffinity(mask.words, sizeof mask.words);
	if (rc == -EINVAL)
		return -E2BIG; /* the only thing that can be invalid is our size */
	if (rc < 0)
		return rc;
	*cpus = mask;
	return 0;
}

int quoit_thread_cpu(void)
{
	return quoit__sys_getcpu();
}

int quoit_thread_node(void)
{
	return quoit__sys_getcpu_node();
}

int quoit_thread_memory_node(void)
{
	const int node = quoit_thread_node();
	struct quoit_idset allowed = {0};
	struct quoit_topology t;
	int rc;

	/* The kernel counts no node without memory among them. Where it does not tell, it is ours.
	 */
	if (node < 0 || node >= QUOIT_NODES_MAX ||
	    quoit__sys_mems_allowed(allowed.words, QUOIT_NODES_MAX) < 0 ||
	    quoit_idset_has(&allowed, (unsigned)node))
		return node;
	rc = quoit_topology_load(&t, NULL, NULL);
	if (rc)
		return rc;
	rc = quoit_topology_memory_node(&t, node);
	quoit_topology_fini(&t);
	return rc;
}

int quoit_thread_name(const char *name)
{
	return quoit__sys_thread_name(name);
}
