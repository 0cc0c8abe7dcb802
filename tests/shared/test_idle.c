/* SPDX-License-Identifier: MIT */
/*
 * test_idle.c - who sleeps on a ring between processes sleeps: not one switch of context, in
 * either process, for as long as nothing happens; and then each is there at once.
 *
 * With bells and the peer's pidfd there is nothing that anybody would have to look up for. For
 * IDLE_MS, which is a second here; what is counted is what the kernel counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/numa/clock.h>

#include <shared/letters.h>

#define PATIENCE_NS INT64_C(10000000000)

/* What the two processes share beside their rings. */
struct board {
	volatile pid_t pid[2]; /* of each, when it has its roles */
	volatile int answer[2];
};

/* Side 0 waits for data of ring 0, side 1 for space in ring 1; each has a role in both. */
struct scene {
	int fds[2][QUOIT_SHRING_FDS];
	size_t fd_count[2];
	pid_t pids[2];
	struct board *board;
};

static unsigned idle_ms(void)
{
	const char *const given = getenv("IDLE_MS");

	return given ? (unsigned)strtoul(given, NULL, 0) : 1000;
}

static struct quoit_shring_options options(enum quoit_shring_role role)
{
	const struct quoit_shring_options o = {
		.size = sizeof(o),
		.role = role,
		.bits = 1,
		.node = QUOIT_NODE_AUTO,
		.waits = true,
		.bells = true,
	};

	return o;
}

/* Rings that nobody has a role in; the second one is full. */
static void make_rings(struct scene *s)
{
	const struct letter letters[2] = {{0}};

	for (int i = 0; i < 2; i++) {
		const struct quoit_shring_options o = options(QUOIT_SHRING_PRODUCER);
		struct letters *q = NULL;
		int fds[QUOIT_SHRING_FDS];

		assert_int_equal(letters_create(&o, &q, NULL), 0);
		if (i)
			assert_int_equal(letters_send(q, letters, 2), 2);
		s->fd_count[i] = quoit_shring_fds(&q->ring, fds);
		for (size_t f = 0; f < s->fd_count[i]; f++)
			s->fds[i][f] = dup(fds[f]);
		letters_destroy(q);
	}
}

static int sleep_in_process(struct scene *s, int side)
{
	const enum quoit_shring_role role = side ? QUOIT_SHRING_PRODUCER : QUOIT_SHRING_CONSUMER;
	const struct quoit_shring_options o = options(role);
	const struct quoit_wait how = quoit_wait_block();
	struct letters *q[2];
	int pidfd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 2; i++)
		if (letters_attach(s->fds[i], s->fd_count[i], &o, &q[i], NULL))
			return -1;
	s->board->pid[side] = getpid();
	while (!s->board->pid[!side])
		(void)usleep(1000);
	pidfd = (int)syscall(SYS_pidfd_open, s->board->pid[!side], 0);
	if (pidfd < 0 || quoit_shring_set_peer(&q[side]->ring, pidfd))
		return -2;
	return side ? quoit_shring_wait_space(&q[1]->ring, 1, &how)
		    : quoit_shring_wait_data(&q[0]->ring, &how);
}

static void start(struct scene *s, int side)
{
	s->pids[side] = fork();
	assert_true(s->pids[side] >= 0);
	if (!s->pids[side]) {
		s->board->answer[side] = sleep_in_process(s, side);
		_exit(0);
	}
}

/* Voluntary or not, of all that it has ever made. */
static uint64_t switches(pid_t pid)
{
	char path[64], line[128];
	uint64_t all = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		const char *const figure = strstr(line, "ctxt_switches:");

		if (figure)
			all += strtoull(figure + strlen("ctxt_switches:"), NULL, 10);
	}
	(void)fclose(file);
	return all;
}

static char state_of(pid_t pid)
{
	char path[64], line[256] = "";
	const char *end;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	(void)fclose(file);
	end = strrchr(line, ')');
	return end ? end[2] : '?';
}

/* It has its roles, sleeps, and has come to rest. */
static void wait_until_asleep(const struct scene *s, int side)
{
	const uint64_t late_ns = quoit_deadline_ns(PATIENCE_NS);
	uint64_t before = 0, now = 1;

	while (!s->board->pid[side] || !s->board->pid[!side] || state_of(s->pids[side]) != 'S' ||
	       now != before) {
		assert_true(quoit_clock_now_ns() < late_ns);
		before = switches(s->pids[side]);
		(void)usleep(50000);
		now = switches(s->pids[side]);
	}
}

static void end(const struct scene *s, int side)
{
	int status = 0;

	assert_int_equal(waitpid(s->pids[side], &status, 0), s->pids[side]);
	assert_int_equal(status, 0);
}

static void set_up(struct scene *s)
{
	*s = (struct scene){.board = (struct board *)mmap(NULL, sizeof(*s->board),
							  PROT_READ | PROT_WRITE,
							  MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	assert_true((void *)s->board != MAP_FAILED);
	make_rings(s);
	start(s, 0);
	start(s, 1);
	wait_until_asleep(s, 0);
	wait_until_asleep(s, 1);
}

static void tear_down(const struct scene *s)
{
	for (int i = 0; i < 2; i++)
		for (size_t f = 0; f < s->fd_count[i]; f++)
			assert_int_equal(close(s->fds[i][f]), 0);
	assert_int_equal(munmap(s->board, sizeof(*s->board)), 0);
}

/* Gives how many switches both made while nothing happened. */
static uint64_t idle_and_then_one_dies(int who)
{
	struct scene s;
	uint64_t made = 0;

	set_up(&s);
	for (int i = 0; i < 2; i++)
		made -= switches(s.pids[i]);
	(void)usleep(1000 * idle_ms());
	for (int i = 0; i < 2; i++)
		made += switches(s.pids[i]);
	assert_int_equal(made, 0);
	(void)kill(s.pids[who], SIGKILL);
	(void)waitpid(s.pids[who], NULL, 0);
	end(&s, !who);
	assert_int_equal(s.board->answer[!who], -EOWNERDEAD);
	tear_down(&s);
	return made;
}

/* One that is stopped and goes on makes some, and sleeps again. */
static void a_switch_would_be_seen(void **state)
{
	struct scene s;
	uint64_t before;

	(void)state;
	set_up(&s);
	before = switches(s.pids[0]);
	assert_int_equal(kill(s.pids[0], SIGSTOP), 0);
	assert_int_equal(waitpid(s.pids[0], NULL, WUNTRACED), s.pids[0]);
	assert_int_equal(kill(s.pids[0], SIGCONT), 0);
	wait_until_asleep(&s, 0);
	assert_true(switches(s.pids[0]) > before);
	(void)kill(s.pids[0], SIGKILL);
	(void)waitpid(s.pids[0], NULL, 0);
	end(&s, 1);
	tear_down(&s);
}

static void two_processes_asleep_on_a_ring_make_no_switch_of_context(void **state)
{
	(void)state;
	const uint64_t made = idle_and_then_one_dies(0);

	print_message("RESULT name=shared-idle ms=%u switches=%llu\n", idle_ms(),
		      (unsigned long long)made);
}

static void who_has_slept_for_long_sees_the_death_of_the_other_at_once(void **state)
{
	(void)state;
	(void)idle_and_then_one_dies(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_switch_would_be_seen),
		cmocka_unit_test(two_processes_asleep_on_a_ring_make_no_switch_of_context),
		cmocka_unit_test(who_has_slept_for_long_sees_the_death_of_the_other_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
