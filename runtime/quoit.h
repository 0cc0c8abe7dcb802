/* SPDX-License-Identifier: MIT */
/*
 * quoit.h - everything, for programs. Files of the library include the narrow headers.
 *
 * Read in this order: runtime.h starts the cores, core.h is one core as handlers see it, loop.h its
 * loop, or one of your own, stream.h a connection, mail.h messages between cores, timer.h and
 * ticker.h time, task.h what is done later, poll.h descriptors of others, signal.h signals, work.h
 * threads that may block, greeter.h descriptors that come from other processes, or go there:
 * unix_socket.h, fd_server.h, hello.h, fd_pass.h, peer.h; typed.h, typed_mpsc.h and typed_shared.h
 * are the rings below, typed_shring.h those between processes, handed over by shring_pass.h, and in
 * a loop a channel or a space_watch.h; then their pools, and how a thread waits or a foreign loop
 * is woken; rtm.h is memory for those who may not wait, and rt_section.h says where they may not.
 * plan.h to arena.h are the machine: who sits where, how urgent a thread is, and whose memory it
 * gets.
 */
#ifndef QUOIT_QUOIT_H
#define QUOIT_QUOIT_H

#include <quoit/runtime/runtime.h>
#include <quoit/runtime/core.h>
#include <quoit/runtime/loop.h>
#include <quoit/runtime/channel.h>
#include <quoit/runtime/space_watch.h>
#include <quoit/runtime/event_loop.h>
#include <quoit/io/stream.h>
#include <quoit/runtime/mail.h>
#include <quoit/runtime/gather.h>
#include <quoit/runtime/outsider.h>
#include <quoit/runtime/timer.h>
#include <quoit/runtime/ticker.h>
#include <quoit/runtime/task.h>
#include <quoit/runtime/poll.h>
#include <quoit/runtime/signal.h>
#include <quoit/runtime/work.h>
#include <quoit/runtime/greeter.h>
#include <quoit/io/unix_socket.h>
#include <quoit/io/shring_pass.h>
#include <quoit/runtime/stats.h>
#include <quoit/runtime/histogram.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/rings/typed_shring.h>
#include <quoit/rings/channels.h>
#include <quoit/rings/u64.h>
#include <quoit/rings/fixed_pool.h>
#include <quoit/rings/shared_pool.h>
#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/wait.h>
#include <quoit/rings/notifier.h>
#include <quoit/rings/metrics.h>
#include <quoit/rings/copy.h>
#include <quoit/numa/rtm.h>
#include <quoit/numa/rt_section.h>
#include <quoit/numa/clock.h>
#include <quoit/numa/plan.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/priority.h>
#include <quoit/numa/mem.h>
#include <quoit/numa/arena.h>

#endif
