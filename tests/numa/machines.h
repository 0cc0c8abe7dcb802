/* SPDX-License-Identifier: MIT */
/*
 * machines.h - machines of many shapes, and in one line each what must be seen of them. The fuzzer
 * begins with them, too.
 */
#ifndef QUOIT_TESTS_NUMA_MACHINES_H
#define QUOIT_TESTS_NUMA_MACHINES_H

#include "numa/fake_root.h"

struct known_machine {
	const char *name;
	struct fake_machine machine;
	const char *seen; /* "usable cpus | id: cpus, memory, nearest; ..." */
};

static const struct known_machine machines[] = {
	{"desktop",
	 {.cpus_online = "0-7",
	  .cpus_present = "0-7",
	  .cpus_allowed = "0-7",
	  .mems_allowed = "0",
	  .nodes_online = "0",
	  .nodes = {{0, "0-7", 16000000, "10"}},
	  .cpus = 8,
	  .smt_stride = 4},
	 "0-7 | 0: 0-7, memory 0, nearest 0"},
	{"no-numa",
	 {.cpus_online = "0-2", .mems_allowed = "0", .cpus = 3},
	 "0-2 | 0: 0-2, memory 0, nearest 0"},
	{"two-sockets",
	 {.cpus_online = "0-7",
	  .cpus_present = "0-7",
	  .mems_allowed = "0-1",
	  .nodes_online = "0-1",
	  .nodes = {{0, "0-1,4-5", 1000, "10 21"}, {1, "2-3,6-7", 1000, "21 10"}},
	  .cpus = 8,
	  .smt_stride = 4},
	 "0-7 | 0: 0-1,4-5, memory 0, nearest 1; 1: 2-3,6-7, memory 1, nearest 0"},
	{"four-uneven",
	 {.cpus_online = "0-3",
	  .nodes_online = "0-3",
	  .nodes = {{0, "0", 1000, "10 12 20 32"},
		    {1, "1", 1000, "14 10 22 30"},
		    {2, "2", 1000, "20 22 10 12"},
		    {3, "3", 1000, "33 30 13 10"}},
	  .cpus = 4},
	 "0-3 | 0: 0, memory 0, nearest 1; 1: 1, memory 1, nearest 0; 2: 2, memory 2, nearest 3; "
	 "3: 3, memory 3, nearest 2"},
	{"twisted", /* the next number is the farthest node */
	 {.cpus_online = "0-3",
	  .nodes_online = "0-3",
	  .nodes = {{0, "0", 1000, "10 32 12 20"},
		    {1, "1", 1000, "32 10 20 12"},
		    {2, "2", 1000, "12 20 10 32"},
		    {3, "3", 1000, "20 12 32 10"}},
	  .cpus = 4},
	 "0-3 | 0: 0, memory 0, nearest 2; 1: 1, memory 1, nearest 3; 2: 2, memory 2, nearest 0; "
	 "3: 3, memory 3, nearest 1"},
	{"memoryless",
	 {.cpus_online = "0-3",
	  .nodes_online = "0-2",
	  .nodes = {{0, "0", 1000, "10 20 30"},
		    {1, "1", 1000, "20 10 15"},
		    {2, "2-3", 0, "30 15 10"}},
	  .cpus = 4},
	 "0-3 | 0: 0, memory 0, nearest 1; 1: 1, memory 1, nearest 2; 2: 2-3, memory 1, nearest 1"},
	{"cpuless",
	 {.cpus_online = "0-3",
	  .nodes_online = "0-2",
	  .nodes = {{0, "0-1", 1000, "10 20 17"},
		    {1, "2-3", 1000, "20 10 28"},
		    {2, "", 64000, "17 28 10"}},
	  .cpus = 4},
	 "0-3 | 0: 0-1, memory 0, nearest 2; 1: 2-3, memory 1, nearest 0; "
	 "2: none, memory 2, nearest 0"},
	{"holes",
	 {.cpus_online = "0-5",
	  .nodes_online = "0,2,5",
	  .nodes = {{0, "0,2-3", 1000, "10 12 15"},
		    {2, "1", 0, "12 10 13"},
		    {5, "4-5", 1000, "15 13 10"}},
	  .cpus = 6},
	 "0-5 | 0: 0,2-3, memory 0, nearest 2; 2: 1, memory 0, nearest 0; "
	 "5: 4-5, memory 5, nearest 2"},
	{"far-numbers",
	 {.cpus_online = "8,511,8191",
	  .cpus_present = "8,511,8191",
	  .nodes_online = "8,1023",
	  .nodes = {{8, "8,511", 1000, "10 40"}, {1023, "8191", 1000, "40 10"}},
	  .cpus = 0},
	 "8,511,8191 | 8: 8,511, memory 8, nearest 1023; 1023: 8191, memory 1023, nearest 8"},
	{"offline",
	 {.cpus_online = "0,2-3",
	  .cpus_present = "0-5",
	  .nodes_online = "0-1",
	  .nodes = {{0, "0", 1000, "10 20"}, {1, "2-3", 1000, "20 10"}},
	  .cpus = 6},
	 "0,2-3 | 0: 0, memory 0, nearest 1; 1: 2-3, memory 1, nearest 0"},
	{"node-without-online-cpus",
	 {.cpus_online = "0-1",
	  .cpus_present = "0-3",
	  .nodes_online = "0-1",
	  .nodes = {{0, "0-1", 1000, "10 20"}, {1, "2-3", 1000, "20 10"}},
	  .cpus = 4},
	 "0-1 | 0: 0-1, memory 0, nearest 1; 1: none, memory 1, nearest 0"},
	{"cpuset",
	 {.cpus_online = "0-7",
	  .cpus_allowed = "2-3,6",
	  .mems_allowed = "1",
	  .nodes_online = "0-1",
	  .nodes = {{0, "0-3", 1000, "10 21"}, {1, "4-7", 1000, "21 10"}},
	  .cpus = 8},
	 "2-3,6 | 0: 2-3, memory 1, nearest 1; 1: 6, memory 1, nearest 0"},
	{"isolated",
	 {.cpus_online = "0-3",
	  .cpus_present = "0-3",
	  .cpus_isolated = "2-3",
	  .cpus_tickless = "3",
	  .nodes_online = "0",
	  .nodes = {{0, "0-3", 1000, "10"}},
	  .cpus = 4},
	 "0-3 | 0: 0-3, memory 0, nearest 0"},
	{"old-kernel",
	 {.cpus_online = "0-3",
	  .cpus_tickless = "(null)",
	  .nodes_online = "0",
	  .nodes = {{0, "0-3:4/4", 1000, "10"}},
	  .cpus = 4},
	 "0-3 | 0: 0-3, memory 0, nearest 0"},
	{"interleaved-2048",
	 {.cpus_online = "0-2047",
	  .cpus_allowed = "1022-1027",
	  .nodes_online = "0-1",
	  .nodes = {{0, "0-2047:1/2", 1000, "10 20"}, {1, "1-2047:1/2", 1000, "20 10"}},
	  .cpus = 0},
	 "1022-1027 | 0: 1022,1024,1026, memory 0, nearest 1; 1: 1023,1025,1027, memory 1, "
	 "nearest 0"},
	{"nowhere-to-take-memory",
	 {.cpus_online = "0-1",
	  .mems_allowed = "1",
	  .nodes_online = "0-1",
	  .nodes = {{0, "0-1", 1000, "10 20"}, {1, "", 0, "20 10"}},
	  .cpus = 2},
	 "0-1 | 0: 0-1, memory -19, nearest 1; 1: none, memory -19, nearest 0"},
};

#define MACHINES (sizeof machines / sizeof *machines)

static inline const struct fake_machine *machine_named(const char *name)
{
	for (size_t i = 0; i < MACHINES; i++)
		if (!strcmp(machines[i].name, name))
			return &machines[i].machine;
	fprintf(stderr, "there is no machine %s\n", name);
	abort();
}

#endif
