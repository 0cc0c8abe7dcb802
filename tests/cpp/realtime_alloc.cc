/* SPDX-License-Identifier: MIT */
/*
 * realtime_alloc.cc - a program in C++ that was written for BeOS's pools: its names, its default
 * argument, its forward declaration. realtime_alloc.sh builds it, warnings being errors.
 */
#include <cstdio>
#include <cstring>

struct rtm_pool; /* as headers there do */

#include <quoit/numa/realtime_alloc.h>

int main()
{
	rtm_pool *pool = nullptr;
	void *data = nullptr;
	bool good = rtm_default_pool() == nullptr && rtm_create_pool(&pool, 4096) == B_OK &&
		    rtm_create_pool(nullptr, 4096, "default") == B_OK &&
		    rtm_create_pool(nullptr, 4096) == EALREADY &&
		    rtm_delete_pool(nullptr) == B_BAD_VALUE;

	data = rtm_alloc(pool, 4);
	good = good && data && rtm_size_for(data) == 4 && rtm_phys_size_for(data) >= 4;
	if (good)
		std::memcpy(data, "abc", 4);
	good = good && rtm_realloc(&data, 1000) == B_OK && !std::strcmp((char *)data, "abc") &&
	       rtm_realloc(&data, 5000) == B_NO_MEMORY && rtm_available(pool) == 3096 &&
	       rtm_free(data) == B_OK && rtm_free(nullptr) == B_BAD_VALUE &&
	       rtm_delete_pool(pool) == B_OK;
	std::printf("%s - a program for BeOS's pools\n", good ? "ok" : "not ok");
	return !good;
}
