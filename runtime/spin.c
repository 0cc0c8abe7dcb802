/* SPDX-License-Identifier: MIT */
/* spin.c - see spin_internal.h. */
#include <quoit/runtime/spin_internal.h>

#define MEAN_OF 8 /* about as many wake-ups as the mean remembers */

void quoit_spin_init(struct quoit_spin *spin, uint64_t most_ns, bool never)
{
	*spin = (struct quoit_spin){.measured = !most_ns};
	if (!never)
		spin->most_ns = most_ns ? most_ns : QUOIT_SPIN_DEFAULT_NS;
	spin->now_ns = spin->most_ns;
}

uint64_t quoit_spin_limit_ns(const struct quoit_spin *spin)
{
	const uint64_t twice_ns = 2 * spin->wake_ns;

	if (!spin->measured || !spin->wake_ns)
		return spin->most_ns;
	return quoit_min(quoit_max(twice_ns, QUOIT_SPIN_LEAST_NS), spin->most_ns);
}

void quoit_spin_note(struct quoit_spin *spin, bool found)
{
	const uint64_t limit_ns = quoit_spin_limit_ns(spin);
	const uint64_t next_ns = found ? spin->now_ns * 2 : spin->now_ns / 2;

	spin->in_vain = !found;
	if (!found)
		spin->near = 0;
	spin->now_ns = quoit_min(quoit_max(next_ns, QUOIT_SPIN_LEAST_NS), limit_ns);
}

void quoit_spin_note_bell(struct quoit_spin *spin, uint64_t after_ns, uint64_t wake_ns)
{
	/* A thread that was not let run for a while says little about the next time. */
	const uint64_t sample = quoit_min(wake_ns, QUOIT_SPIN_DEFAULT_NS);

	spin->wake_ns = spin->wake_ns ? spin->wake_ns + sample / MEAN_OF - spin->wake_ns / MEAN_OF
				      : quoit_max(sample, 1);
	if (after_ns > quoit_spin_limit_ns(spin))
		spin->near = 0;
	else if (spin->near < QUOIT_SPIN_NEAR)
		spin->near++;
}
