/* SPDX-License-Identifier: MIT */
/* bufring.c - registering and laying out the receive buffers. See bufring_internal.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/bufring_internal.h>

#include <string.h>

#include <quoit/io/kernel_internal.h>

#define LINE_BYTES 64

static int register_ring(struct quoit_bufring *bufs, struct quoit_reason *why)
{
	struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)bufs->entries,
				       .ring_entries = bufs->count,
				       .bgid = QUOIT_BUFRING_GROUP};
	const int rc = quoit__uring_register(bufs->uring->ring->ring_fd, IORING_REGISTER_PBUF_RING,
					     &reg, 1);

	if (rc == -ENOMEM)
		return quoit_reason_set(why, rc,
					"no memory for %u receive buffers: raise the memlock limit "
					"(ulimit -l) or configure fewer",
					bufs->count);
	if (rc < 0)
		return quoit_reason_set(why, rc, "registering receive buffers failed: %s",
					strerror(-rc));
	return 0;
}

int quoit_bufring_open(struct quoit_bufring *bufs, struct quoit_uring *uring, uint32_t buffer_bytes,
		       uint32_t buffer_count, int node, struct quoit_reason *why)
{
	const size_t stride = (buffer_bytes + 2 * LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
	const size_t entries_bytes = buffer_count * sizeof(struct io_uring_buf);
	struct quoit_region region = {0};
	int rc = quoit_region_open(&region,
				   &(struct quoit_region_options){.bytes = stride * buffer_count +
									   entries_bytes +
									   quoit__sys_page_bytes(),
								  .node = node,
								  .dontfork = true,
								  .name = "quoit receive"},
				   why);

	if (rc < 0)
		return rc;
	*bufs = (struct quoit_bufring){.uring = uring,
				       .region = region,
				       .stride = stride,
				       .bytes = buffer_bytes,
				       .count = buffer_count,
				       .in_hand = buffer_count};
	quoit_link_init(&bufs->waiting);
	bufs->entries = quoit_region_take(&bufs->region, entries_bytes, quoit__sys_page_bytes());
	bufs->base = quoit_region_take(&bufs->region, stride * buffer_count, LINE_BYTES);
	rc = register_ring(bufs, why);
	if (rc < 0) {
		quoit_region_close(&bufs->region);
		return rc;
	}
	for (uint32_t id = 0; id < buffer_count; id++)
		quoit_bufring_give(bufs, (uint16_t)id);
	quoit_bufring_publish(bufs);
	return 0;
}

void quoit_bufring_close(struct quoit_bufring *bufs)
{
	struct io_uring_buf_reg reg = {.bgid = QUOIT_BUFRING_GROUP};

	(void)quoit__uring_register(bufs->uring->ring->ring_fd, IORING_UNREGISTER_PBUF_RING, &reg,
				    1); /* closing the ring does it too */
	quoit_region_close(&bufs->region);
}
