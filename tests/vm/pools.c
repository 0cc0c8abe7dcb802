/* SPDX-License-Identifier: MIT */
/*
 * pools.c - real-time pools on the node that was asked for: every page of them, whoever uses them,
 * also after all of it was handed out; and one whose node is refused says so.
 */
#include <vm/guest.h>

#include <string.h>

#include <quoit/numa/rtm.h>

#define TOTAL  ((size_t)256 << 10)
#define BLOCKS 64

static const char *const owners[] = {"shared", "remote free", "single"};

/* A pool stands at the beginning of its memory, and its info tells how much that is. */
static void look_at(const struct quoit_rtm_pool *pool, const char *what, int node)
{
	struct quoit_rtm_info info;

	if (!guest_say(!quoit_rtm_pool_info(pool, &info), "a pool tells about itself"))
		return;
	guest_say(info.node == node && !(info.degraded & ~(unsigned)QUOIT_REGION_UNLOCKED),
		  "a pool for node %d falls not short: %#x", node, info.degraded);
	guest_say(info.mapped_bytes > TOTAL, "a pool has %zu bytes", info.mapped_bytes);
	guest_resident(what, pool, info.mapped_bytes, node, false);
}

/* Hand out all there is, in blocks, write to it, and take it back. */
static bool use_up(struct quoit_rtm_pool *pool, int node)
{
	void *blocks[BLOCKS];
	bool good = true;

	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = quoit_rtm_alloc(pool, TOTAL / BLOCKS);
		if (!blocks[i])
			return false;
		memset(blocks[i], 0xa5, TOTAL / BLOCKS);
		good &= quoit_mem_node_of(blocks[i]) == node;
	}
	for (int i = 0; i < BLOCKS; i++)
		good &= !quoit_rtm_free(blocks[i]);
	return good && quoit_rtm_available(pool) == TOTAL;
}

static void check_pool(enum quoit_rtm_owner owner, int node)
{
	const struct quoit_rtm_options o = {.total = TOTAL,
					    .name = "guest",
					    .blocks_most = BLOCKS,
					    .owner = owner,
					    .node = node};
	struct quoit_reason why = {0};
	struct quoit_rtm_pool *pool;

	if (!guest_say(!quoit_rtm_create_pool_ex(&pool, &o, &why), "a %s pool for node %d %s",
		       owners[owner], node, why.text))
		return;
	look_at(pool, "a real-time pool", node);
	guest_say(use_up(pool, node), "its blocks are on the node, and all come back");
	look_at(pool, "a real-time pool that was used up", node);
	guest_say(!quoit_rtm_delete_pool(pool), "a %s pool is deleted", owners[owner]);
}

/* The kernel does not bind to a node without memory, or outside of the cpuset. */
static void check_refused_pool(int node)
{
	struct quoit_rtm_options o = {.total = TOTAL, .node = node};
	struct quoit_reason why = {0};
	struct quoit_rtm_info info = {0};
	struct quoit_rtm_pool *pool;

	if (guest_say(!quoit_rtm_create_pool_ex(&pool, &o, &why), "a pool for node %d all the same",
		      node)) {
		guest_say(!quoit_rtm_pool_info(pool, &info) &&
				  info.degraded & QUOIT_REGION_UNBOUND && info.degraded_error < 0 &&
				  why.error == info.degraded_error,
			  "a pool that is refused its node is degraded, %#x: %s", info.degraded,
			  why.text);
		guest_say(!quoit_rtm_delete_pool(pool), "it is deleted");
	}
	o.require = true;
	guest_say(quoit_rtm_create_pool_ex(&pool, &o, &why) < 0,
		  "it can be required, and is refused: %s", why.text);
}

void guest_check_pools(void)
{
	for (int node = 0; node < GUEST_NODES; node++) {
		if (!machine.nodes[node].present)
			continue;
		if (!guest_has_memory(node)) {
			check_refused_pool(node);
			continue;
		}
		for (enum quoit_rtm_owner owner = QUOIT_RTM_SHARED; owner <= QUOIT_RTM_SINGLE;
		     owner++)
			check_pool(owner, node);
	}
}
