#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Puts defects of older rings back, one at a time, and looks whether their regression tests notice.
#
#   defects.sh [PATTERN]       (make mutate-defects; PATTERN: only those whose name has it)
#   defects.sh --check         (make lint) only looks whether each edit finds its place
#
# Each edit replaces a piece of a source, which must be there exactly once, by the way in which the
# defect came about; the READMEs of rings/ and io/ have the list of all, with their tests.
# Works on a copy of the tree in build/defects, built in the debug variant with every contract
# checked. The test must pass before. Ends with
# `RESULT name=mutate-defects mutants=N killed=N survived=N`.

set -u
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL VARIANT O STRESS_COUNT SEED
export CMOCKA_TEST_ABORT=1
# KiB: no defect may take all memory of the machine by a memfd. An empty one of 5 GiB is needed.
ulimit -f 6291456

cd "$(dirname "$0")/../.." || exit 2
pattern=${1:-.}
copy=build/defects
mutants=0 killed=0 survived=0 lost=0
checking=
if [ "$pattern" = --check ]; then
	checking=y pattern=. copy=build/defects-check
fi

stop()
{
	echo "defects.sh: $*" >&2
	exit 2
}

# Gives whether the test passes in the copy.
passes()
{
	local program=build/debug/tests/$1
	if ! make -s -C $copy -j"$(nproc)" VARIANT=debug WERROR=0 "$program" \
		>$copy/build.log 2>&1; then
		tail -n 20 $copy/build.log >&2
		stop "the copy does not build with $name"
	fi
	# In a shell of its own, which keeps "Aborted" off the terminal.
	(
		timeout --kill-after=5 60 "$copy/$program" </dev/null >$copy/test.log 2>&1
		exit $?
	) 2>/dev/null
}

# In which case the test stopped.
told()
{
	sed -n 's/^\[ RUN      \] //p; /^not ok/p' $copy/test.log | tail -n 1
}

# edit FILE OLD NEW
edit()
{
	local text rest
	text=$(<"$copy/$1")
	rest=${text#*"$2"}
	if [ "$rest" = "$text" ] || [ "${rest#*"$2"}" != "$rest" ]; then
		echo "defects.sh: $name: $1 must have this once; write the edit anew: $2" >&2
		[ "$checking" ] || exit 2
		lost=$((lost + 1))
	fi
	printf '%s\n' "${text%%"$2"*}$3$rest" >"$copy/$1"
	edited+=("$1")
}

edit_all() # FILE OLD NEW [FILE OLD NEW]
{
	while [ $# != 0 ]; do
		edit "$1" "$2" "$3"
		shift 3
	done
}

restore()
{
	local file
	for file in "${edited[@]}"; do
		cp "$file" "$copy/$file"
	done
}

# defect NAME TEST FILE OLD NEW [FILE OLD NEW]
defect()
{
	local test=$2 edited=()
	name=$1
	[[ $name =~ $pattern ]] || return
	shift 2
	if [ "$checking" ]; then
		edit_all "$@"
		restore
		return
	fi
	passes "$test" || stop "$test fails in an unchanged copy: see $copy/test.log"
	edit_all "$@"
	mutants=$((mutants + 1))
	if passes "$test"; then
		survived=$((survived + 1))
		echo "not ok - $name: $test did not notice"
	else
		killed=$((killed + 1))
		echo "ok - $name: $test: $(told)"
	fi
	restore
}

# Anew: what was built with an edit, in a run that was cut short, would be newer than its source.
rm -rf $copy
mkdir -p $copy
cp -a Makefile config.mk numa rings io runtime examples tests $copy/ || exit 2

defect "D-02: a bell for every commit" rings/test_notify rings/notify.h \
	'	if (!notify || quoit_likely(!quoit_wake_owed(notify->wake)))
		return false;' \
	'	if (!notify)
		return false;'

defect "D-03: head moves and the cached tail does not" rings/test_spsc_read rings/spsc_read.h \
	'	if (available < n)
		available = quoit__spsc_arrived(ring);
	n = quoit_min' \
	'	available = quoit_load_acquire(&ring->tail) - ring->head_own;
	n = quoit_min'

defect "D-04: a close that wakes nobody" rings/test_spsc_wait rings/spsc.h \
	'/* close: pairs with quoit_spsc_is_closed() */
	if (ring->data_event)' \
	'/* close: pairs with quoit_spsc_is_closed() */
	return;
	if (ring->data_event)'

defect "D-05: an iterator frees and tells nobody" rings/test_spsc_wait rings/spsc_read.h \
	'	if (n)
		quoit_spsc_advance(iter->ring, n);' \
	'	iter->ring->head_own += n;
	quoit_store_release(&iter->ring->head, iter->ring->head_own);'

defect "D-06: a length of tail before head" rings/test_spsc_race rings/spsc.h \
	'	const uint64_t head =
		quoit_load_acquire(&ring->head); /* free: pairs with quoit__spsc_free() */
	const uint64_t tail =
		quoit_load_acquire(&ring->tail); /* publish: pairs with quoit_spsc_publish() */

	return quoit_min((size_t)(tail - head), quoit_spsc_capacity(ring));' \
	'	const uint64_t tail = quoit_load_acquire(&ring->tail);
	const uint64_t head = quoit_load_acquire(&ring->head);

	return (size_t)(tail - head);'

defect "D-08: a look before a sleep that skips" rings/test_mpsc_read rings/mpsc_read.h \
	'		if (quoit_spsc_has_news(&lane->ring)) {' \
	'		if (!lane->skip && quoit_spsc_has_news(&lane->ring)) {'

defect "D-09, D-73: both positions on one line" rings/test_u64 rings/spsc.h \
	'	QUOIT_ISOLATED uint64_t head; /* published' \
	'	uint64_t head; /* published'

defect "D-10: a notifier changed under its producers" rings/test_mpsc_end rings/mpsc.c \
	'	if (!channel->seats->producers ||
	    (notify && channel->seats->notify == &quoit_notify_nobody)) {' \
	'	{'

defect "D-11: a handler gets all there is" rings/test_spsc_read rings/spsc.h \
	'	const size_t n = quoit_min(most, (size_t)quoit__spsc_available(ring));' \
	'	const size_t n = most ? (size_t)quoit__spsc_available(ring) : 0;'

defect "D-12: a send that stops at the wrap" rings/test_typed rings/spsc.h \
	'		spans.rest = n - before_wrap;' '		spans.rest = 0;'

defect "D-13: a reservation after the close" rings/test_spsc rings/spsc.h \
	'	if (quoit_unlikely(!want || quoit_spsc_is_closed(ring) ||' \
	'	if (quoit_unlikely(!want ||'

defect "D-14: what can never be is called closed" rings/test_spsc_wait rings/spsc_wait.c \
	'	if (rc || !want || want > quoit_spsc_capacity(ring))
		return -EINVAL;' \
	'	if (rc || !want || want > quoit_spsc_capacity(ring))
		return -ESHUTDOWN;'

defect "D-15: a handle that two threads use" rings/test_mpsc rings/mpsc.h \
	'	QUOIT_ASSERT_HOT(quoit_load(&producer->lane->owner) == quoit__mpsc_thread());' ''

defect "D-16, D-17: counted before it is there" rings/test_mpsc_register rings/directory.c \
	'	segment = quoit__directory_segment(index, &first);' \
	'	quoit_store_release(&directory->count, index + 1);
	segment = quoit__directory_segment(index, &first);'

defect "D-17: lanes are never used again" rings/test_mpsc rings/mpsc.c \
	'	if (quoit_load(&lane->state) == QUOIT_MPSC_DRAINED) /*' '	if (false) /*'

defect "D-18: drained is closed and empty" rings/test_mpsc_end rings/mpsc.c \
	'		if (!quoit_spsc_is_drained(&quoit__mpsc_lane(channel, id)->ring))' \
	'		if (!quoit_spsc_is_empty(&quoit__mpsc_lane(channel, id)->ring))'

defect "D-19: a close beside a registration" stress/mpsc rings/mpsc.c \
	'	if (quoit_mpsc_is_closed(channel)) {
		quoit__mpsc_unlock(channel);
		return;
	}' \
	'	quoit__mpsc_unlock(channel);' \
	rings/mpsc.c \
	'	if (channel->data_event)
		quoit_event_signal(channel->data_event);
	notify = ' \
	'	quoit__mpsc_lock(channel);
	if (channel->data_event)
		quoit_event_signal(channel->data_event);
	notify = '

defect "D-20: closed is asked after the last look" rings/test_spsc_race rings/spsc_wait.c \
	'		const bool closed = quoit_spsc_is_closed(ring);

		if (quoit_spsc_has_news(ring))
			return 0;
		if (closed)' \
	'		if (quoit_spsc_has_news(ring))
			return 0;
		if (quoit_spsc_is_closed(ring))'

defect "D-20b: every call begins at the first lane" rings/test_mpsc_read rings/mpsc_read.h \
	'	QUOIT_ASSERT_HOT(!channel->reading); /* a handler must not read */
	return round;' \
	'	QUOIT_ASSERT_HOT(!channel->reading);
	channel->cursor = 0;
	return round;'

defect "D-21: what another has claimed is taken too" rings/test_lane_race rings/lane.h \
	'(!quoit_cas_release(&lane->claim, position, position + n)))' \
	'(!quoit_cas_release(&lane->claim, position, position + n) && false))'

defect "D-22: a claim beyond the end of the array" rings/test_lane rings/lane.h \
	'			n = quoit_min(n, quoit_min(most, (size_t)there));' \
	'			n = quoit_min(most, (size_t)there);'

defect "D-23: a copy on the stack of the consumer" rings/test_small_stack rings/typed_shared.h \
	'fn((T *)claim.lane->slots + claim.at, claim.n, ctx); ' \
	'T copies[64]; quoit__claim_copy(&claim, sizeof(T), copies, 0); fn(copies, claim.n, ctx);'

defect "D-24: the hottest lane by what was ever sent" rings/test_mpmc_search rings/mpmc_search.c \
	'		n = quoit_lane_occupancy(&ring->lanes[i]->lane);' \
	'		n = (size_t)quoit_load(&ring->lanes[i]->lane.tail);'

defect "D-25: shards by how many there might be" rings/test_mpmc_search rings/mpmc_search.c \
	'	const size_t consumers = (size_t)quoit_load(&ring->consumers); /*' \
	'	const size_t consumers = quoit_load(&ring->consumers) + 2; /*'

defect "D-26: counted first, refused after" rings/test_spmc_race rings/spmc.c \
	'	} while (!quoit_cas_relaxed(&ring->consumers, seated, seated + 1));' \
	'	} while (false);
	if (quoit_add(&ring->consumers, 1) >= ring->consumers_most) {
		(void)quoit_add(&ring->consumers, UINT64_MAX);
		return -EUSERS;
	}'

defect "D-27: a lost race is called empty" rings/test_lane_race rings/lane.h \
	'			return QUOIT_CLAIM_LOST;
' '			return QUOIT_CLAIM_EMPTY;
'

defect "D-29: consumers that share a line" rings/test_mpmc rings/mpmc.h \
	'struct quoit_mpmc_consumer {
	QUOIT_ISOLATED struct' \
	'struct quoit_mpmc_consumer {
	struct'

defect "D-31: a handle that is good twice" rings/test_free_list rings/free_list.h \
	'if (quoit_unlikely(!quoit__free_handle_is(list, handle, at, state)))' 'if (false)'

defect "D-32: a length that nobody looks at" rings/test_buffer_pool rings/buffer_pool.h \
	'	if (quoit_unlikely(len > pool->slab_bytes))
		return -EMSGSIZE;' ''

defect "D-33: buffers that share lines" rings/test_buffer_pool rings/buffer_pool.c \
	'(o->slab_bytes + l->align_bytes - 1) & ~(l->align_bytes - 1)' \
	'(o->slab_bytes + 7) & ~(size_t)7'

defect "D-34: a wake that leaves the word as it was" rings/test_shring_wait rings/shring_bell.c \
	'		(void)quoit_add(ring->seq, 1);' ''

defect "D-34: a sleep that was ended is not told from the next" rings/test_shring_wait \
	rings/shring_wait.h '	ring->asleep += QUOIT_SHRING_SLEEP_STEP;' ''

defect "D-34: a new owner counts its sleeps from the first" rings/test_shring_wait rings/shring.h \
	'quoit_load(ring->waiters) & ~QUOIT_SHRING_ASLEEP;' '0;'

defect "D-34: futexes of one process" rings/test_shring_process numa/sys_shared_internal.h \
	'word, FUTEX_WAKE, (long)most' 'word, FUTEX_WAKE_PRIVATE, (long)most'

defect "D-34: a close that wakes nobody" rings/test_shring_wait rings/shring_bell.c \
	'	quoit__shring_stir(ring, QUOIT_SHRING_ASLEEP); /* whatever' '	/* whatever'

defect "D-34: a bell that is waited for" rings/test_shring_hostile rings/shring_bell.c \
	'	if (quoit__sys_is_blocking(bell) != 0)' '	if (false)'

defect "D-35: a look at the clock for each commit" rings/test_shring_hot rings/shring.h \
	'	const uint64_t tail = ring->mine;' \
	'	const uint64_t tail = ring->mine;

	quoit_store(ring->beat, quoit_deadline_ns(0));'

defect "D-36: a mask that nobody compares" rings/test_shring_attach rings/shring_check.c \
	'	       id->mask == id->capacity - 1 && ' '	       '

defect "D-36: a size that is believed" rings/test_shring_attach rings/shring_check.c \
	'	if (id->total_size != size->bytes || needed > size->bytes ||
	    size->bytes - needed >= size->page_bytes)' \
	'	if (needed > id->total_size)'

defect "D-37: a ring that is not sealed" rings/test_shring rings/shring_create.c \
	'? SHRING_SEALS
							 : SHRING_SEALS_HARDENED);' \
	'? 0
							 : SHRING_SEALS_HARDENED);'

defect "D-37: seals that nobody asks for" rings/test_shring_attach rings/shring_check.c \
	'	if ((seals & wanted) != wanted)' '	if (false)'

defect "D-38: a tail that is believed" rings/test_shring_hostile rings/shring.h \
	'tail - ring->seen > ring->mask + 1 - (ring->seen - ring->mine)' 'false'

defect "D-38: a head that is believed" rings/test_shring_hostile rings/shring.h \
	'head - ring->seen > ring->published - ring->seen' 'false'

defect "D-38: a position of our own that is read back" rings/test_shring_hostile \
	rings/shring.h \
	'	const uint64_t head = ring->mine + n;' \
	'	const uint64_t head = quoit_load(ring->index) + n;'

defect "D-39: anybody is read in place" rings/test_shring rings/shring_create.c \
	'(o->role == QUOIT_SHRING_PRODUCER || o->trusted)' 'true'

defect "D-39: a hardened ring is read in place" rings/test_shring_hardened \
	rings/shring_create.c \
	'	ring->in_place = !hardened && ' '	(void)hardened;
	ring->in_place = '

defect "D-40: who is idle is dead" rings/test_shring_role rings/shring_claim.c \
	'	if (locked == 0)' \
	'	if (locked == 0 || is_stale(ring, 10000000))' \
	rings/shring_claim.c 'static enum quoit_shring_peer dead_or_alive' \
	'static bool is_stale(struct quoit_shring *ring, uint64_t stale_ns);

static enum quoit_shring_peer dead_or_alive'

defect "D-40: a pidfd that nobody looks at" rings/test_shring_role rings/shring_claim.c \
	'	if (ring->home.pidfd >= 0 && quoit__sys' '	if (false && quoit__sys'

defect "D-41: a generation that nobody compares" rings/test_shring_role rings/shring_check.c \
	'	if (o->generation && id->generation' '	if (false && id->generation'

defect "D-41: a generation that is always 1" rings/test_shring_role rings/shring_create.c \
	'	ring->home.id.generation++;' ''

defect "D-42: a role for everybody" rings/test_shring_role rings/shring_claim.c \
	'	rc = quoit__sys_lock_byte(claim, quoit__shring_lock_at(ring->role), F_WRLCK);' \
	'	rc = 0;'

defect "D-42: a new owner begins at 0" rings/test_shring_role rings/shring_create.c \
	'produces ? tail : head, produces ? head : tail);' '0, 0);'

defect "D-43: a descriptor that stays open" rings/test_shring rings/shring_create.c \
	'	close_if(home->fd);
' ''

defect "D-43: the descriptor of the caller" rings/test_shring rings/shring_create.c \
	'	rc = quoit__sys_duplicate(fds[0]);' '	rc = fds[0];'

defect "D-44: bits that nobody limits" rings/test_shring rings/shring_check.c \
	'	if (!o->bits || o->bits > QUOIT_SHRING_BITS_MAX)' '	if (!o->bits)'

defect "D-45: who attaches waits at each first touch" rings/test_shring rings/shring_memory.c \
	'	rc = bring_in(ring, at, bytes, writable, o, why);' '	rc = 0;'

defect "D-46: descriptors that survive an exec" io/test_fd_pass io/kernel_internal.h \
	'MSG_DONTWAIT | MSG_CMSG_CLOEXEC' 'MSG_DONTWAIT'

defect "D-46: what was on the stack is taken for control data" io/test_fd_refused io/fd_pass.c \
	'	memset(&control, 0, message.msg_controllen);
	rc = quoit__net_receive_message(sock, &message);' \
	'	const size_t all = message.msg_controllen;
	rc = quoit__net_receive_message(sock, &message);
	message.msg_controllen = all;'

defect "D-46: surplus descriptors stay open" io/test_fd_refused io/fd_pass.c \
	'		quoit__sys_close(fd);
		closed++;' \
	'		closed++;'

defect "D-46: surplus descriptors and no word of it" io/test_fd_refused io/fd_pass.c \
	'	if (piece->closed)' '	if (false)'

defect "D-46: lost descriptors are not noticed" io/test_fd_refused io/fd_pass.c \
	'	if (piece->flags & MSG_CTRUNC)' '	if (false)'

defect "D-46: a refused message leaves its descriptors" io/test_fd_refused io/fd_pass.c \
	'		if (rc < 0 && rc != -EINTR) {
			quoit_parcel_drop(parcel);' \
	'		if (rc < 0 && rc != -EINTR) {
			parcel->fd_count = 0;'

defect "D-46, D-48: a signal ends the wait" io/test_fd_pass io/fd_pass.c \
	'	if (rc > 0 || rc == -EINTR)' '	if (rc > 0)'

defect "D-46: a hello that nobody compares" io/test_hello io/hello.c \
	'	return rc || !wanted ? rc : check_meaning(hello, wanted, why);' \
	'	return rc || !wanted || true ? rc : check_meaning(hello, wanted, why);'

defect "D-47: whatever is at the path is removed" io/test_fd_server io/unix_place.c \
	'	if (!S_ISSOCK(status->st_mode))' '	if (false)'

defect "D-47: the path of a live server is taken" io/test_fd_server io/unix_place.c \
	'	if (rc == -ECONNREFUSED)
		return DEAD;' \
	'	if (rc == -ECONNREFUSED || rc == -EPROTOTYPE)
		return DEAD;'

defect "D-47: removed without a second look" io/test_fd_server io/unix_place.c \
	'	if (rc >= 0 && is_file(&status, device, inode))
		return' \
	'	if (rc >= 0)
		return'

defect "D-47: a race for the path of the dead" io/test_fd_server io/unix_place.c \
	'	} else if (rc == DEAD && *lock < 0) {' \
	'	} else if (rc == DEAD) {
		rc = quoit__sys_unlink_in(place->folder, place->name);
	} else if (rc == DEAD && *lock < 0) {'

defect "D-47: permissions as the umask has them" io/test_fd_accept io/unix_place.c \
	'	rc = quoit__sys_set_mode(fd, mode);' '	rc = 0 * (int)mode;'

defect "D-47: a backlog of 1" io/test_fd_accept io/fd_server.c \
	'(int)options->backlog : BACKLOG_DEFAULT' '1 : 1'

defect "D-47: the end removes what another has put there" io/test_fd_accept io/unix_place.c \
	'remove_file(place->folder, place->name, place->device, place->inode)' \
	'quoit__sys_unlink_in(place->folder, place->name)'

defect "D-47: the path is looked for from another folder" io/test_fd_accept io/unix_place.c \
	'	if (place->folder >= 0)
		(void)remove_file(place->folder,' \
	'	if (place->folder >= 0)
		(void)remove_file(AT_FDCWD,'

defect "D-47: connections that an exec inherits" io/test_fd_accept io/kernel_internal.h \
	'accept4(fd, NULL, NULL, SOCK_CLOEXEC)' 'accept4(fd, NULL, NULL, 0)'

defect "D-47: an accept without end" io/test_fd_accept io/fd_server.c \
	'quoit__sys_wait_until(server->fd, POLLIN | POLLRDHUP, deadline_ns)' \
	'quoit__sys_wait_until(server->fd, POLLIN | POLLRDHUP, deadline_ns * 0)'

defect "D-47: one who says nothing is waited for" runtime/test_greeter runtime/greeter.c \
	'	decide(greeting, -ETIMEDOUT);' ''

defect "D-48: a signal for a peer that is gone" io/test_fd_pass io/kernel_internal.h \
	'MSG_DONTWAIT | MSG_NOSIGNAL' 'MSG_DONTWAIT'

defect "D-48: a part is taken for all" io/test_fd_pass io/fd_pass.c \
	'			message->msg_controllen = 0;' \
	'			message->msg_controllen = 0;
			return 0;'

defect "D-61: spinning has no deadline" rings/test_wait rings/wait.c \
	'		if (waiter->step % PAUSES_PER_LOOK == 0)
			waiter->expired = quoit__waiter_is_late(waiter);' ''

defect "D-60: a counter that nobody writes" rings/test_metrics rings/spsc.h \
	'	quoit__meter_batch(quoit__spsc_meter(ring, consumer), n);' ''

if [ "$checking" ]; then
	rm -rf "$copy"
	[ "$lost" = 0 ]
	exit
fi
echo "RESULT name=mutate-defects mutants=$mutants killed=$killed survived=$survived"
[ "$survived" = 0 ] && [ "$mutants" != 0 ]
