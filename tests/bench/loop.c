/* SPDX-License-Identifier: MIT */
/*
 * loop.c - what the event loop adds to what the machine takes anyway.
 *
 *	loop [ROUNDS [CELL]]
 *
 * Each cell is a way through the library and the same by hand (loop_bare.h). In each round all take
 * their turn, one after the other; a ratio is the median of the ratios of the rounds' medians.
 *
 *   wake_to_handler      a thread sends one message to a sleeping loop: until its handler runs
 *   wake_lane            the same between two cores of a runtime: a post
 *   post_spinning        a post and a post back between two cores that spin
 *   call_reply_spinning  a call and its reply between them
 *   call_reply_sleeping  the same when neither may spin
 *   timer                how late a timer fires, beside a sleep until that moment
 *   idle_turn            a turn that finds nothing; also with 64 sources
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "loop_cores.h"
#include "loop_feed.h"

enum {
	TRIPS = 20000,
	WAKES = 500,
	SOURCES = 64,
};

/* A ring in memory that nobody has chosen. */
struct tube {
	struct numbers ring;
	uint64_t slots[SLOTS];
};

static struct course course;

/* --- a loop by itself ------------------------------------------------------------------------ */

static void ours_wake(struct course *c)
{
	static struct tube tube;

	feed_open(&feed, c, &tube.ring, tube.slots);
	run_both(c, lead_feed, follow_feed);
}

struct lateness {
	struct quoit_timer timer;
	struct course *course;
	unsigned got;
};

static void note_lateness(struct quoit_timer *timer, void *ctx)
{
	struct lateness *l = ctx;

	l->course->samples[l->got++] = quoit_clock_now_ns() - timer->deadline_ns;
}

static void lead_timer(struct course *c)
{
	struct quoit_loop *loop = make_loop();
	struct lateness l = {.course = c};

	while (l.got < c->count) {
		if (!quoit_timer_armed(&l.timer))
			quoit_timers_start(quoit_loop_timers(loop), &l.timer,
					   quoit_clock_now_ns() + TIMER_GAP_US * 1000,
					   note_lateness, &l);
		run_once(loop);
	}
	if (quoit_loop_destroy(loop) < 0)
		die("the loop stays");
}

static void ours_timer(struct course *c)
{
	run_both(c, lead_timer, NULL);
}

static void idle_turns(struct course *c, unsigned sources)
{
	static struct tube tubes[SOURCES];
	static struct feed feeds[SOURCES];
	struct quoit_loop *loop = make_loop();

	for (unsigned i = 0; i < sources; i++) {
		feed_open(&feeds[i], c, &tubes[i].ring, tubes[i].slots);
		quoit_spsc_attach(&tubes[i].ring.ring, &loop->notify);
		quoit_loop_add_source(loop, &feeds[i].source);
	}
	for (unsigned i = 0; i < c->count; i++) {
		const uint64_t since = quoit_ticks();

		quoit_loop_turn_for(loop, 0);
		c->samples[i] = quoit_ticks() - since;
	}
	for (unsigned i = 0; i < sources; i++)
		quoit_loop_remove_source(&feeds[i].source);
	if (quoit_loop_destroy(loop) < 0)
		die("the loop stays");
}

static void lead_idle(struct course *c)
{
	idle_turns(c, 0);
}

static void lead_idle_64(struct course *c)
{
	idle_turns(c, SOURCES);
}

static void ours_idle(struct course *c)
{
	run_both(c, lead_idle, NULL);
}

static void ours_idle_64(struct course *c)
{
	run_both(c, lead_idle_64, NULL);
}

/* --- the cells ------------------------------------------------------------------------------- */

static const struct cell {
	const char *name;
	unsigned count;
	bool in_ns; /* its samples are no ticks */
	void (*ours)(struct course *c);
	void (*bare)(struct course *c);
} cells[] = {
	{"wake_to_handler", WAKES, false, ours_wake, bare_wake},
	{"wake_lane", WAKES, false, ours_wake_lane, bare_wake},
	{"post_spinning", TRIPS, false, ours_post, bare_lines},
	{"call_reply_spinning", TRIPS, false, ours_call, bare_lines},
	{"call_reply_sleeping", WAKES, false, ours_call_sleeping, bare_bells},
	{"timer", WAKES, true, ours_timer, bare_clock},
	{"idle_turn", TRIPS, false, ours_idle, bare_look},
	{"idle_turn_64", TRIPS, false, ours_idle_64, bare_look},
};

enum {
	CELLS = sizeof(cells) / sizeof(*cells),
};

/* Of each cell and round, ours and bare, in ns: the median, and one in a hundred. */
static double p50[CELLS][2][ROUNDS_MOST], p99[CELLS][2][ROUNDS_MOST];

static void run(unsigned cell, unsigned side, unsigned round, double tick_ns)
{
	const struct cell *what = &cells[cell];
	struct course *c = &course;
	const double unit = what->in_ns ? 1 : tick_ns;

	c->count = what->count;
	alarm(PATIENCE_S);
	(side ? what->bare : what->ours)(c);
	alarm(0);
	qsort(c->samples, c->count, sizeof(c->samples[0]), by_size);
	p50[cell][side][round] = (double)c->samples[c->count / 2] * unit;
	p99[cell][side][round] = (double)c->samples[c->count - c->count / 100 - 1] * unit;
}

static void print_cell(unsigned cell, unsigned rounds, bool as_result)
{
	double ratios[ROUNDS_MOST], least = 1e9, most = 0;

	for (unsigned i = 0; i < rounds; i++) {
		ratios[i] = p50[cell][0][i] / p50[cell][1][i];
		least = ratios[i] < least ? ratios[i] : least;
		most = ratios[i] > most ? ratios[i] : most;
	}
	if (as_result)
		printf("RESULT name=bench-loop cell=%s ours_ns=%.0f bare_ns=%.0f ratio=%.3f\n",
		       cells[cell].name, median(p50[cell][0], rounds), median(p50[cell][1], rounds),
		       median(ratios, rounds));
	else
		printf("%-20s %9.0f %9.0f %9.0f %9.0f   %6.3f (%.3f-%.3f)\n", cells[cell].name,
		       median(p50[cell][0], rounds), median(p99[cell][0], rounds),
		       median(p50[cell][1], rounds), median(p99[cell][1], rounds),
		       median(ratios, rounds), least, most);
}

static bool is_wanted(unsigned cell, int argc, char **argv)
{
	return argc <= 2 || strstr(cells[cell].name, argv[2]);
}

int main(int argc, char **argv)
{
	const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 9;
	struct quoit_idset set;
	double tick_ns;
	int second;

	if (rounds < 1 || rounds > ROUNDS_MOST)
		die("ROUNDS is a count up to %d", ROUNDS_MOST);
	if (quoit_thread_affinity(&set) || quoit_idset_count(&set) < 2) {
		puts("SKIP name=bench-loop reason=\"it takes two cpus\"");
		return 0;
	}
	course.cpus[0] = (unsigned)quoit_idset_next(&set, 0);
	second = quoit_idset_next(&set, course.cpus[0] + 1);
	course.cpus[1] = (unsigned)second;
	tick_ns = ns_per_tick();
	for (unsigned round = 0; round < (unsigned)rounds; round++)
		for (unsigned i = 0; i < 2 * CELLS; i++) {
			const unsigned at = (i + round) % (2 * CELLS);

			if (!is_wanted(at / 2, argc, argv))
				continue;
			if (quoit_thread_allow(&set))
				die("the affinity is lost");
			run(at / 2, at % 2, round, tick_ns);
		}
	printf("%-20s %9s %9s %9s %9s   %s\n", "cell", "ours p50", "p99", "bare p50", "p99",
	       "ratio (min-max), ns");
	for (unsigned as_result = 0; as_result < 2; as_result++)
		for (unsigned cell = 0; cell < CELLS; cell++)
			if (is_wanted(cell, argc, argv))
				print_cell(cell, (unsigned)rounds, as_result);
	return 0;
}
