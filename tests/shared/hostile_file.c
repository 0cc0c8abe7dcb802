/* SPDX-License-Identifier: MIT */
/*
 * hostile_file.c - a peer's memory file, and mappings with a page on each side that cannot be
 * touched: the linker leads mmap() here (--wrap), so the library's own lie between such pages too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shared/hostile.h>

#define GUARD	((size_t)4096)
#define GUARDED 64

void *__real_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes);

static void *guarded[GUARDED];

static void **find(const void *at)
{
	for (size_t i = 0; i < GUARDED; i++)
		if (guarded[i] == at)
			return &guarded[i];
	return NULL;
}

/* Every mapping of a file. */
void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	void **const place = find(NULL);
	char *around;
	void *map;

	if (fd < 0 || at || !place)
		return __real_mmap(at, bytes, prot, flags, fd, offset);
	around = (char *)__real_mmap(NULL, bytes + 2 * GUARD, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (around == MAP_FAILED)
		return MAP_FAILED;
	map = __real_mmap(around + GUARD, bytes, prot, flags | MAP_FIXED, fd, offset);
	if (map == MAP_FAILED) {
		const int error = errno;

		(void)__real_munmap(around, bytes + 2 * GUARD);
		errno = error;
		return MAP_FAILED;
	}
	*place = map;
	return map;
}

int __wrap_munmap(void *at, size_t bytes)
{
	void **const place = at ? find(at) : NULL;

	if (!place)
		return __real_munmap(at, bytes);
	*place = NULL;
	return __real_munmap((char *)at - GUARD, bytes + 2 * GUARD);
}

/* --- files ----------------------------------------------------------------------------------- */

void hostile_open(struct hostile_file *file, size_t bytes, bool hardened)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	*file = (struct hostile_file){.bytes = bytes, .hardened = hardened};
	file->fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (file->fd < 0 || ftruncate(file->fd, (off_t)bytes) ||
	    fallocate(file->fd, 0, 0, (off_t)bytes))
		abort();
	file->header = (struct quoit_shring_header *)mmap(NULL, bytes, PROT_READ | PROT_WRITE,
							  MAP_SHARED, file->fd, 0);
	if (file->header == MAP_FAILED ||
	    fcntl(file->fd, F_ADD_SEALS, hardened ? seals | F_SEAL_FUTURE_WRITE : seals))
		abort();
}

void hostile_close(struct hostile_file *file)
{
	(void)munmap(file->header, file->bytes);
	(void)close(file->fd);
}

void hostile_describe(struct hostile_file *file, uint32_t bits, uint32_t slot_bytes)
{
	memset(file->header, 0, sizeof(*file->header));
	file->header->id = (struct quoit_shring_id){
		.magic = QUOIT_SHRING_MAGIC,
		.version = QUOIT_SHRING_VERSION,
		.bits = bits,
		.capacity = UINT64_C(1) << bits,
		.mask = (UINT64_C(1) << bits) - 1,
		.slot_bytes = slot_bytes,
		.header_size = QUOIT_SHRING_HEADER,
		.total_size = file->bytes,
		.generation = 1,
		.slot_align = 8,
		.flags = file->hardened ? QUOIT_SHRING_FLAG_HARDENED : 0,
		.part = file->hardened ? QUOIT_SHRING_PRODUCER_PART : QUOIT_SHRING_WHOLE,
	};
}

struct quoit_shring_options hostile_options(enum quoit_shring_role role)
{
	const struct quoit_shring_options o = {
		.size = sizeof(o),
		.role = role,
		.slot_bytes = PLAY_SLOT,
		.slot_align = 8,
		.most_bytes = HOSTILE_MOST,
		.node = QUOIT_NODE_AUTO,
	};

	return o;
}

bool hostile_crashes(void (*run)(void))
{
	const struct rlimit none = {0};
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would explain it at length */
		(void)signal(SIGBUS, SIG_DFL);
		run();
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}
