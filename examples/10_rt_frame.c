/* SPDX-License-Identifier: MIT */
/*
 * 10_rt_frame.c - a callback every few milliseconds, and how late it was: audio, control, video.
 *
 *     build/release/examples/10_rt_frame               # 400 frames of 2.5 ms
 *     build/release/examples/10_rt_frame 1000 10000    # 1000 frames of 10 ms
 *     sudo build/release/examples/10_rt_frame          # with the right to real time
 *
 * Before the first frame everything is made ready: memory is locked, the stack is touched, the
 * thread asks for real time. What is refused is said, and the frames run all the same: then the
 * histogram shows what that costs. The last lines tell how late frames began and how long they
 * took.
 *
 * A real-time thread must sleep: until it does, nothing else runs on its cpu, not even the kernel's
 * own work. The kernel stops it after 0.95 s of each second (sched_rt_runtime_us) to be safe.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <quoit/numa/clock.h>
#include <quoit/numa/mem.h>
#include <quoit/numa/priority.h>
#include <quoit/numa/region.h>
#include <quoit/numa/thread.h>
#include <quoit/runtime/histogram.h>

#define SAMPLES	       48000 /* of sound that is already there, to mix from */
#define FRAME	       256   /* of them in a frame */
#define STACK_BYTES    (64 * 1024)
#define FRAMES_MOST    100000
#define PERIOD_US_MOST 1000000
#define BARS	       32

struct mixer {
	float *sound;
	float out[FRAME];
	size_t at;
};

struct figures {
	struct quoit_histogram late_ns, work_ns;
	uint64_t bars[BARS]; /* frames by how late they were: below 1 us, 2, 4, ... */
	uint64_t missed;     /* that began when the next was due */
};

/* --- before ---------------------------------------------------------------------------------- */

/* The stack that frames will use, touched now and not in the middle of one. */
static __attribute__((noinline)) int ready_stack(void)
{
	volatile char stack[STACK_BYTES];

	stack[0] = 0;
	return quoit_mem_prefault((void *)stack, sizeof(stack));
}

static int ready_memory(struct quoit_region *region)
{
	const struct quoit_region_options options = {
		.bytes = SAMPLES * sizeof(float),
		.node = quoit_thread_node(), /* below 0 where that is not known: anywhere */
		.lock = true,
		.guard = true,
		.name = "rt_frame sound",
	};
	struct quoit_reason why = {0};
	const int rc = quoit_region_open(region, &options, &why);

	if (rc < 0)
		fprintf(stderr, "10_rt_frame: %s\n", why.text);
	else if (region->degraded)
		printf("memory: %s\n", why.text);
	else
		printf("memory: %zu bytes locked\n", region->bytes);
	return rc < 0 ? rc : ready_stack();
}

static void ask_for_real_time(void)
{
	struct quoit_sched_info now;
	struct quoit_reason why;

	if (quoit_thread_set_timer_slack(1) < 0) /* counts where it stays an ordinary thread */
		printf("timers: the slack of sleeps stays as it was\n");
	if (quoit_thread_set_priority(QUOIT_PRIORITY_REALTIME_AUDIO, &why) < 0)
		printf("real time is refused: %s\n", why.text);
	else if (!quoit_thread_sched(&now))
		printf("real time: SCHED_FIFO, level %u, for %.0f ms of each %.0f\n", now.level,
		       (double)now.rt_runtime_ns / 1e6, (double)now.rt_period_ns / 1e6);
}

/* --- frames ---------------------------------------------------------------------------------- */

/* What has to be done in time: two voices of the sound, one a little behind. No calls, no waits. */
QUOIT_RT static void mix(struct mixer *m)
{
	for (size_t i = 0; i < FRAME; i++) {
		const size_t at = (m->at + i) % SAMPLES;

		m->out[i] = 0.7f * m->sound[at] + 0.3f * m->sound[(at + SAMPLES / 8) % SAMPLES];
	}
	m->at = (m->at + FRAME) % SAMPLES;
}

static unsigned bar_of(uint64_t late_ns)
{
	unsigned bar = 0;

	while (bar + 1 < BARS && late_ns >> bar >= 1000)
		bar++;
	return bar;
}

static void sleep_until(uint64_t at_ns)
{
	const struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000u),
				    .tv_nsec = (long)(at_ns % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
		; /* a signal: the time has not come yet */
}

static void run(struct mixer *m, uint64_t frames, uint64_t period_ns, struct figures *f)
{
	uint64_t due_ns = quoit_clock_now_ns() + period_ns;

	for (uint64_t i = 0; i < frames; i++, due_ns += period_ns) {
		uint64_t began_ns, late_ns;

		sleep_until(due_ns);
		began_ns = quoit_clock_now_ns();
		late_ns = quoit_clock_elapsed_ns(due_ns, began_ns);
		mix(m);
		quoit_histogram_record(&f->work_ns,
				       quoit_clock_elapsed_ns(began_ns, quoit_clock_now_ns()));
		quoit_histogram_record(&f->late_ns, late_ns);
		f->bars[bar_of(late_ns)]++;
		f->missed += late_ns >= period_ns;
	}
}

/* --- after ----------------------------------------------------------------------------------- */

static void tell(const char *what, const struct quoit_histogram *h)
{
	printf("%-14s half %8.1f us, 99 %% %8.1f us, all %8.1f us\n", what,
	       (double)quoit_histogram_quantile(h, 0.5) / 1e3,
	       (double)quoit_histogram_quantile(h, 0.99) / 1e3,
	       (double)quoit_histogram_quantile(h, 1) / 1e3);
}

static void draw(const struct figures *f, uint64_t frames)
{
	static const char bar[] = "##################################################";

	for (unsigned i = 0; i < BARS; i++)
		if (f->bars[i])
			printf("  below %8llu us %8llu %.*s\n", 1ull << i,
			       (unsigned long long)f->bars[i],
			       (int)((f->bars[i] * (sizeof(bar) - 1) + frames - 1) / frames), bar);
}

/* A word that is no number is none of its own choosing: it runs nothing that was not asked for. */
static uint64_t number(int argc, char **argv, int at, uint64_t otherwise, uint64_t most)
{
	char *end;
	uint64_t given;

	if (argc <= at)
		return otherwise;
	given = strtoull(argv[at], &end, 10);
	if (argv[at][0] >= '0' && argv[at][0] <= '9' && !*end && given >= 1 && given <= most)
		return given;
	fprintf(stderr, "10_rt_frame: %s is not possible: FRAMES 1 to %d, PERIOD_US 1 to %d\n",
		argv[at], FRAMES_MOST, PERIOD_US_MOST);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct mixer mixer;
	static struct figures figures;
	const uint64_t frames = number(argc, argv, 1, 400, FRAMES_MOST);
	const uint64_t period_us = number(argc, argv, 2, 2500, PERIOD_US_MOST);
	struct quoit_region region = {0};

	if (ready_memory(&region) < 0)
		return 1;
	mixer.sound = quoit_region_take(&region, SAMPLES * sizeof(float), 64);
	for (size_t i = 0; i < SAMPLES; i++)
		mixer.sound[i] = (float)(i % 441) / 441.0f;
	if (quoit_mem_lock(&mixer, sizeof(mixer)) < 0 || quoit_mem_lock(&figures, sizeof(figures)))
		printf("memory: what the frames write is not locked\n");
	ask_for_real_time();

	run(&mixer, frames, period_us * 1000, &figures);

	(void)quoit_mem_unlock(&mixer, sizeof(mixer));
	(void)quoit_mem_unlock(&figures, sizeof(figures));
	quoit_region_close(&region);
	printf("%llu frames of %llu us: %llu began a period late\n", (unsigned long long)frames,
	       (unsigned long long)period_us, (unsigned long long)figures.missed);
	tell("how late", &figures.late_ns);
	tell("how long", &figures.work_ns);
	draw(&figures, frames);
	return 0;
}
