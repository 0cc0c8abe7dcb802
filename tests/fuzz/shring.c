/* SPDX-License-Identifier: MIT */
/*
 * shring.c - a ring from another process under libFuzzer: whatever stands in its header, and
 * whatever its peer stores while we use it.
 *
 * An input is a byte of options, a header, and a script of calls and stores to the end. The file is
 * one page, which a ring of the usual shape fills to its last byte.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

#include "shared/hostile_play.h"

#define CALLS 64

static int fd = -1;
static struct quoit_shring_header *header;

static void make_file(void)
{
	fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0 && !ftruncate(fd, (off_t)PLAY_BYTES));
	header = (struct quoit_shring_header *)mmap(NULL, PLAY_BYTES, PROT_READ | PROT_WRITE,
						    MAP_SHARED, fd, 0);
	assert_true(header != MAP_FAILED);
	assert_true(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct tape tape = {.bytes = data + 1 + sizeof(*header)};
	struct quoit_shring_options o = {
		.size = sizeof(o), .slot_bytes = PLAY_SLOT, .slot_align = 8, .node = -1};
	struct quoit_shring *ring = NULL;
	struct quoit_reason why = {0};

	if (bytes < 1 + sizeof(*header))
		return -1;
	if (fd < 0)
		make_file();
	tape.left = bytes - 1 - sizeof(*header);
	memcpy(header, data + 1, sizeof(*header));
	o.role = data[0] & 1 ? QUOIT_SHRING_PRODUCER : QUOIT_SHRING_CONSUMER;
	o.trusted = data[0] & 2;
	const int rc = quoit_shring_attach(&fd, 1, &o, &ring, &why);
	assert_int_equal(why.error, rc);
	assert_int_equal(strlen(why.text) > 0, rc != 0);
	if (rc)
		return 0;
	/* What it says of itself is so, or it was to be refused. */
	assert_true(quoit_shring_capacity(ring) * PLAY_SLOT + sizeof(*header) <= PLAY_BYTES);
	play(&tape, ring, header, tape.left / 16 < CALLS ? (unsigned)(tape.left / 16) : CALLS);
	quoit_shring_destroy(ring);
	return 0;
}
