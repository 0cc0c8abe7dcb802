/* SPDX-License-Identifier: MIT */
/* free_list.c - beginning a list of free slots. */
#include <quoit/rings/free_list.h>

/* splitmix64 (Steele, Lea and Flood, 2014): one number for each, far from its neighbours. */
static uint64_t scatter(uint64_t n)
{
	uint64_t z = n * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t quoit_free_list_seed(void)
{
	static uint64_t given;

	/* seed: pairs with quoit_free_list_seed() */
	return quoit_add(&given, 1) + 1;
}

int quoit_free_list_init(struct quoit_free_list *list, void *slots, size_t stride_bytes,
			 size_t count, uint64_t seed)
{
	if (!count || count > QUOIT_FREE_LIST_MOST ||
	    stride_bytes < sizeof(struct quoit_free_slot) || stride_bytes % sizeof(uint64_t))
		return -EINVAL;
	list->slots = slots;
	list->stride_bytes = stride_bytes;
	list->count = (uint32_t)count;
	/* All ones is no slot either. */
	list->slot_bits = 32 - (uint32_t)__builtin_clz((unsigned)count + 1);
	for (size_t i = 0; i < count; i++) {
		struct quoit_free_slot *const slot = quoit__free_slot(list, i);

		slot->state = (uint32_t)scatter(seed << QUOIT__FREE_SLOT_BITS | i) & ~1u;
		slot->link = (uint64_t)(count - i) << 32 | (i + 1 < count ? i + 2 : 0);
	}
	list->head = 1;
	return 0;
}
