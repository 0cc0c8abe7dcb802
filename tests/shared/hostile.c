/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - a peer who wants us harm: headers that are none, stores between our calls, a process
 * that scribbles while we read, descriptors of every kind, bells that block.
 *
 * HOSTILE_HEADERS are attached to, HOSTILE_RECEIVES made beside the scribbler; SEED replays the
 * draws. Under the sanitizers, with pages that cannot be touched around every mapping of a file, so
 * a crash is what a failure looks like, beside an attach that should have been refused. Before that
 * an attach that accepts too much and a consumer that believes a position must be noticed.
 */
#include <shared/hostile.h>

static void self_test(uint64_t seed)
{
	struct hostile_count n = {0};
	const bool crashes = hostile_crashes(hostile_live_believing);

	hostile_headers(2000, seed, hostile_attach_blindly, &n);
	printf("RESULT name=hostile-self-test planted=2 noticed=%d\n",
	       crashes + (n.accepted_bad != 0));
	stress_say(crashes, "a consumer that believes its peer's position touches the guard page");
	stress_say(n.accepted_bad, "an attach that accepts what is no ring is noticed");
}

int main(void)
{
	const uint64_t headers = stress_amount("HOSTILE_HEADERS", 20000, 2000);
	const uint64_t receives = stress_amount("HOSTILE_RECEIVES", 2000000, 100000);
	const uint64_t seed = random_seed();
	struct hostile_count n = {0};

	printf("note: SEED=%llu HOSTILE_HEADERS=%llu HOSTILE_RECEIVES=%llu\n",
	       (unsigned long long)seed, (unsigned long long)headers, (unsigned long long)receives);
	self_test(seed);
	hostile_kinds();
	hostile_headers(headers, seed, quoit_shring_attach, &n);
	printf("note: %llu of %llu headers were accepted\n", (unsigned long long)n.accepted,
	       (unsigned long long)n.headers);
	stress_say(!n.accepted_bad && !n.refused_good && n.accepted && n.accepted < n.headers,
		   "a header is accepted if it is sound, and only then");
	hostile_live(receives, seed, &n);
	printf("note: attached %llu times beside the scribbler, poisoned %llu times\n",
	       (unsigned long long)n.attached, (unsigned long long)n.poisoned);
	/* In a short run the scribbler may hardly get a cpu. */
	stress_say(n.items > receives / 1000, "items come, whatever the scribbler writes");
	stress_say(n.poisoned || receives < 10000000,
		   "who reads beside a scribbler is never led out of the ring");
	stress_say(!n.speechless, "each refusal has its reason in words");
	/* A crash would have ended it before this line. */
	printf("RESULT name=hostile headers=%llu receives=%llu crashes=0 accepted_bad=%llu\n",
	       (unsigned long long)n.headers, (unsigned long long)n.receives,
	       (unsigned long long)n.accepted_bad);
	return stress_failures != 0;
}
