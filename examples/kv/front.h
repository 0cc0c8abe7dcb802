/* SPDX-License-Identifier: MIT */
/* front.h - a process that clients talk to and that has no keys: it asks a back for everything. */
#ifndef KV_FRONT_H
#define KV_FRONT_H

#include <quoit.h>

int front_start(struct quoit_core *core, void *ctx); /* ctx: struct kv_server */
void front_stop(struct quoit_core *core, void *ctx);

#endif
