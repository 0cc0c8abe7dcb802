/* SPDX-License-Identifier: MIT */
/*
 * 11_fd_pass.c - two processes that share memory: one makes it and hands it over, the other maps it
 * and reads.
 *
 *     11_fd_pass [WORDS]
 *
 *     server                                  client
 *     memory, and an eventfd as a bell
 *     listen at a path
 *     accept: which user is it?               connect: which user listens?
 *     send a hello with both descriptors ---> compare the hello with what is wanted
 *     fill the memory, ring                   map, wait for the bell, read
 *
 * The path lies in a folder that nobody else can write to. Neither trusts the other further than he
 * must: the memory cannot be made smaller once it is sealed, and its size is asked of the kernel.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit.h>

#define PATIENCE_NS ((int64_t)10 * 1000000000)

enum role {
	READER = 1,
};

static int fail(const char *what, const struct quoit_reason *why)
{
	fprintf(stderr, "%s: %s\n", what, why->text);
	return EXIT_FAILURE;
}

/* --- the server ------------------------------------------------------------------------------ */

static int make_memory(size_t bytes)
{
	const int fd = memfd_create("words", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)))
		return -1;
	return fd;
}

static int fill(int memory, int bell, size_t words)
{
	uint64_t *const at = mmap(NULL, words * sizeof(*at), PROT_WRITE, MAP_SHARED, memory, 0);
	const uint64_t one = 1;

	if (at == MAP_FAILED)
		return EXIT_FAILURE;
	for (size_t i = 0; i < words; i++)
		at[i] = i;
	munmap(at, words * sizeof(*at));
	return write(bell, &one, sizeof(one)) == sizeof(one) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int serve(struct quoit_fd_server *server, size_t words)
{
	const int fds[] = {make_memory(words * sizeof(uint64_t)), eventfd(0, EFD_CLOEXEC)};
	const uint64_t deadline_ns = quoit_deadline_ns(PATIENCE_NS);
	struct quoit_hello hello = quoit_hello_make();
	struct quoit_reason why = {0};
	struct quoit_peer peer;
	int sock;

	hello.element_bytes = sizeof(uint64_t);
	hello.role = READER;
	hello.fd_count = 2;
	sock = quoit_fd_server_accept(server, deadline_ns, &peer, &why);
	if (sock < 0 || quoit_hello_send(sock, &hello, fds, deadline_ns, &why) < 0)
		return fail("server", &why);
	printf("handed %zu words to process %d\n", words, (int)peer.pid);
	return fill(fds[0], fds[1], words);
}

/* --- the client ------------------------------------------------------------------------------ */

static int read_words(int memory, int bell)
{
	struct stat status;
	uint64_t rung;
	size_t right = 0, words;
	const uint64_t *at;

	if (fstat(memory, &status) || !(fcntl(memory, F_GET_SEALS) & F_SEAL_SHRINK))
		return EXIT_FAILURE;
	words = (size_t)status.st_size / sizeof(*at);
	at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, memory, 0);
	if (at == MAP_FAILED || read(bell, &rung, sizeof(rung)) != sizeof(rung))
		return EXIT_FAILURE;
	for (size_t i = 0; i < words; i++)
		right += at[i] == i;
	printf("read %zu words, %zu of them right\n", words, right);
	return right == words ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int be_client(const char *path)
{
	const struct quoit_hello_wanted wanted = {.element_bytes = sizeof(uint64_t),
						  .roles = 1u << READER,
						  .fds_least = 2,
						  .fds_most = 2};
	struct quoit_hello hello;
	struct quoit_reason why = {0};
	int fds[2];
	const int sock = quoit_unix_connect(path, NULL, &why);

	if (sock < 0 ||
	    quoit_hello_recv(sock, &hello, fds, &wanted, quoit_deadline_ns(PATIENCE_NS), &why) < 0)
		return fail("client", &why);
	return read_words(fds[0], fds[1]);
}

int main(int argc, char **argv)
{
	const size_t words = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	const char *const base = getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir;
	char folder[80], path[96];
	struct quoit_fd_server server = {0};
	struct quoit_reason why = {0};
	int status = EXIT_FAILURE, client = 0;
	pid_t child;

	snprintf(folder, sizeof(folder), "%s/quoit-example-XXXXXX", base);
	if (!words || !mkdtemp(folder))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/words", folder);
	if (quoit_fd_server_listen(&server, path, NULL, &why) < 0) {
		rmdir(folder);
		return fail("server", &why);
	}
	child = fork(); /* any other program would do */
	if (!child) {
		status = be_client(path);
		fflush(stdout);
		_exit(status);
	}
	if (child > 0)
		status = serve(&server, words);
	quoit_fd_server_close(&server); /* and the path is gone */
	if (waitpid(child, &client, 0) != child || client || rmdir(folder))
		status = EXIT_FAILURE;
	return status;
}
