/* SPDX-License-Identifier: MIT */
/*
 * memory.c - what loads, stores, updates and fences mean: RC11 without load buffering, by views.
 *
 * A location is the list of its messages in modification order. Each thread has a view: the oldest
 * message of every location that it may still read. A store puts its message after the thread's
 * view, mostly last; a load may take any message that is not older than the view, which then
 * moves up to it (coherence). A message carries a view of its own: all that its writer knew if it
 * was a release, else what the writer knew at its last fence. An acquire load joins that view, a
 * relaxed one keeps it for the next fence. An update reads the message directly before its own and
 * passes that one's view on (the release sequence). Full fences join one view that they all share.
 *
 * After Kang, Hur, Lahav, Vafeiadis and Dreyer, "A promising semantics for relaxed-memory
 * concurrency" (POPL 2017), without promises, so a load never sees a store that its own thread's
 * later steps depend on. Release sequences are those of C++20: updates only.
 */
#include <model/model_internal.h>

#include <stdio.h>
#include <string.h>

enum model_fault model_fault;

/* --- views ----------------------------------------------------------------------------------- */

void model__join(struct view *into, const struct view *from)
{
	for (unsigned i = 0; i < LOCATIONS; i++)
		into->at[i] = into->at[i] > from->at[i] ? into->at[i] : from->at[i];
	for (unsigned i = 0; i < MODEL_THREADS; i++)
		into->clock[i] = into->clock[i] > from->clock[i] ? into->clock[i] : from->clock[i];
}

/* Order without happens-before: what full fences pass to each other. */
static void join_places(struct view *into, const struct view *from)
{
	for (unsigned i = 0; i < LOCATIONS; i++)
		into->at[i] = into->at[i] > from->at[i] ? into->at[i] : from->at[i];
}

static unsigned number_of(const struct thread *thread)
{
	return (unsigned)(thread - model.threads);
}

static void move_up(uint8_t *at, uint8_t place)
{
	if (model_fault != FAULT_NO_COHERENCE && *at < place)
		*at = place;
}

/* The thread has read or written the message at `place`. */
static void note_place(struct thread *thread, unsigned index, uint8_t place)
{
	move_up(&thread->now.at[index], place);
	move_up(&thread->heard.at[index], place);
}

/* What comes after a release must not look as if it had been released. */
static void tick(struct thread *thread)
{
	thread->now.clock[number_of(thread)]++;
	thread->heard.clock[number_of(thread)] = thread->now.clock[number_of(thread)];
}

/* --- locations ------------------------------------------------------------------------------- */

static uint64_t fetch(const volatile void *p, size_t bytes)
{
	return bytes == 8   ? *(const volatile uint64_t *)p
	       : bytes == 4 ? *(const volatile uint32_t *)p
	       : bytes == 2 ? *(const volatile uint8_t *)p
			    : *(const volatile uint8_t *)p;
}

static void put(volatile void *p, size_t bytes, uint64_t value)
{
	if (bytes == 8)
		*(volatile uint64_t *)p = value;
	else if (bytes == 4)
		*(volatile uint32_t *)p = (uint32_t)value;
	else if (bytes == 2)
		*(volatile uint8_t *)p = (uint8_t)value;
	else
		*(volatile uint8_t *)p = (uint8_t)value;
}

static uint64_t cut(uint64_t value, size_t bytes)
{
	return bytes == 8 ? value : value & ((UINT64_C(1) << 8 * bytes) - 1);
}

/* Locations keep their index through all executions of a case. */
struct location *model__location(const volatile void *p, size_t bytes, const char *what)
{
	const int found = model__race_location(p);
	struct location *location;

	if (found >= 0) {
		location = &model.locations[found];
	} else {
		unsigned i = 0;

		while (i < model.location_count && model.locations[i].address != p)
			i++;
		if (i == LOCATIONS)
			model_violated("the target has more atomic locations than a view holds");
		location = &model.locations[i];
		if (i == model.location_count) {
			model.location_count++;
			location->address = (volatile void *)(uintptr_t)p;
			location->bytes = (uint8_t)bytes;
			location->what = what;
			location->touched = false;
			model__race_atomic(p, bytes, i);
		}
	}
	if (!location->touched) {
		location->touched = true;
		location->count = 1;
		location->messages[0] = (struct message){.value = fetch(p, bytes)};
	}
	return location;
}

static unsigned index_of(const struct location *location)
{
	return (unsigned)(location - model.locations);
}

static void shift(struct view *view, unsigned index, unsigned place)
{
	if (view->at[index] >= place)
		view->at[index]++;
}

/* Somebody's store goes in front of existing ones: every view names places anew. */
static void make_room(struct location *location, unsigned place)
{
	const unsigned index = index_of(location);

	memmove(&location->messages[place + 1], &location->messages[place],
		(location->count - place) * sizeof(location->messages[0]));
	location->count++;
	for (unsigned t = 0; t < model.thread_count; t++) {
		shift(&model.threads[t].now, index, place);
		shift(&model.threads[t].heard, index, place);
		shift(&model.threads[t].offered, index, place);
	}
	shift(&model.total, index, place);
	shift(&model.kernel, index, place);
	for (unsigned i = 0; i < model.location_count; i++) {
		struct location *other = &model.locations[i];

		for (unsigned m = 0; other->touched && m < other->count; m++)
			shift(&other->messages[m].view, index, place);
	}
}

static struct message *add_message(struct location *location, unsigned place, uint64_t value,
				   bool by_update)
{
	const uint32_t serial = location->count;
	struct message *message;

	if (location->count == MESSAGES)
		model_violated("too many stores to one location: a loop without quoit_relax()?");
	if (place < location->count)
		make_room(location, place);
	else
		location->count++;
	message = &location->messages[place];
	message->value = cut(value, location->bytes);
	message->serial = serial;
	message->by_update = by_update;
	if (message == &location->messages[location->count - 1])
		put(location->address, location->bytes, value); /* for plain reads of one's own */
	return message;
}

/* --- steps ----------------------------------------------------------------------------------- */

/* Which message to take of those from `oldest` on; the newest is tried first. */
static unsigned choose_place(const struct location *location, unsigned oldest, bool for_update)
{
	const unsigned newest = location->count - 1u;
	unsigned places[MESSAGES];
	unsigned n = 0;
	unsigned chosen;

	places[n++] = newest;
	if (!model.stale_left || model_fault == FAULT_NEWEST_ONLY)
		return newest;
	for (unsigned place = newest; place-- > oldest;)
		if (!for_update || !location->messages[place + 1].by_update ||
		    model_fault == FAULT_UPDATE_SPLIT)
			places[n++] = place;
	chosen = model__choose(n);
	if (chosen)
		model__spend_stale();
	return places[chosen];
}

static void learn(struct thread *thread, const struct message *message, enum model_order order)
{
	const bool acquires = model_fault == FAULT_ALL_ACQUIRE ||
			      (order & MODEL_ACQUIRE && model_fault != FAULT_NO_ACQUIRE);

	if (acquires)
		model__join(&thread->now, &message->view);
	model__join(&thread->heard, &message->view);
}

static void publish(struct thread *thread, struct message *message, unsigned index, unsigned place,
		    enum model_order order)
{
	note_place(thread, index, (uint8_t)place);
	message->view = order & MODEL_RELEASE ? thread->now : thread->offered;
	if (message->view.at[index] < place)
		message->view.at[index] = (uint8_t)place;
	if (order & MODEL_RELEASE)
		tick(thread);
}

/*
 * For relax(): what the thread has read first since its last one. If a later read of the same
 * location found something else, the thread has learned something and does not wait.
 */
static void note_read(struct thread *thread, const struct location *location, unsigned place)
{
	const uint64_t bit = UINT64_C(1) << index_of(location);

	if (thread->reads & bit)
		return;
	thread->reads |= bit;
	thread->read_serial[index_of(location)] = location->messages[place].serial;
}

/* A thread's own message after `before` is no news to itself. */
static void note_own(struct thread *thread, const struct location *location, uint32_t before,
		     const struct message *own)
{
	if (thread->read_serial[index_of(location)] == before)
		thread->read_serial[index_of(location)] = own->serial;
}

bool model__has_news(const struct thread *thread)
{
	for (unsigned i = 0; i < model.location_count; i++) {
		const struct location *location = &model.locations[i];

		if (thread->spin_on & UINT64_C(1) << i &&
		    location->messages[location->count - 1].serial != thread->read_serial[i])
			return true;
	}
	return false;
}

/* Let others go first, perhaps; true when the operation is to be performed by the current thread.
 */
static bool begin(struct model_site *site, const struct location *location)
{
	const struct step step = {location ? (uint8_t)index_of(location) : OBJECT_FENCE,
				  site->kind == MODEL_LOAD};

	if (site->used == MODEL_DROPPED)
		return false;
	model__reach(site, step);
	if (location)
		model__race_begun(location->address, site->kind != MODEL_LOAD);
	return true;
}

static const char *name(const struct location *location)
{
	static char space[64];

	return model__name_of(location->address, space, sizeof(space));
}

/* --- what the hooks call --------------------------------------------------------------------- */

uint64_t model_load(struct model_site *site, const volatile void *p, size_t bytes)
{
	struct thread *thread = model.current;
	struct location *location;
	unsigned place;

	model__meet(site);
	if (!thread)
		return fetch(p, bytes);
	location = model__location(p, bytes, site->what);
	begin(site, location);
	place = choose_place(location, thread->now.at[index_of(location)], false);
	note_place(thread, index_of(location), (uint8_t)place);
	note_read(thread, location, place);
	learn(thread, &location->messages[place], site->used);
	model__trace(site, "%s is %llu%s", name(location),
		     (unsigned long long)location->messages[place].value,
		     place + 1u < location->count ? "   <- stale" : "");
	return location->messages[place].value;
}

/*
 * Before the newest message if the stale bound allows, but never between an update and what it
 * read. Places are counted from the message that the new one follows.
 */
void model_store(struct model_site *site, volatile void *p, size_t bytes, uint64_t value)
{
	struct thread *thread = model.current;
	struct location *location;
	struct message *message;
	unsigned place;

	model__meet(site);
	if (!thread) {
		put(p, bytes, value);
		return;
	}
	location = model__location(p, bytes, site->what);
	if (!begin(site, location))
		return;
	place = location->count;
	if (model_fault != FAULT_APPEND_ONLY)
		place = choose_place(location, thread->now.at[index_of(location)], true) + 1;
	message = add_message(location, place, value, false);
	publish(thread, message, index_of(location), place, site->used);
	note_own(thread, location, location->messages[place - 1].serial, message);
	model__trace(site, "%s := %llu%s", name(location), (unsigned long long)message->value,
		     place + 1u < location->count ? "   <- before a newer one" : "");
}

enum update {
	UPDATE_SET,
	UPDATE_ADD,
};

static uint64_t update(struct model_site *site, volatile void *p, size_t bytes, uint64_t operand,
		       enum update how)
{
	struct thread *thread = model.current;
	struct location *location;
	struct message *message;
	struct message before;
	unsigned place;

	model__meet(site);
	if (!thread) {
		before.value = fetch(p, bytes);
		put(p, bytes, how == UPDATE_ADD ? before.value + operand : operand);
		return before.value;
	}
	location = model__location(p, bytes, site->what);
	if (!begin(site, location))
		return 0;
	place = choose_place(location, thread->now.at[index_of(location)], true);
	before = location->messages[place];
	note_place(thread, index_of(location), (uint8_t)place);
	note_read(thread, location, place);
	learn(thread, &before, site->used);
	if (model_fault == FAULT_UPDATE_SPLIT)
		place = location->count - 1u;
	message = add_message(location, place + 1,
			      how == UPDATE_ADD ? before.value + operand : operand, true);
	publish(thread, message, index_of(location), place + 1, site->used);
	if (model_fault != FAULT_CHAIN_BROKEN)
		model__join(&message->view, &before.view);
	note_own(thread, location, before.serial, message);
	model__trace(site, "%s was %llu, := %llu%s", name(location),
		     (unsigned long long)before.value, (unsigned long long)message->value,
		     place + 2u < location->count ? "   <- before a newer one" : "");
	return before.value;
}

uint64_t model_exchange(struct model_site *site, volatile void *p, size_t bytes, uint64_t value)
{
	return update(site, p, bytes, value, UPDATE_SET);
}

uint64_t model_add(struct model_site *site, volatile void *p, size_t bytes, uint64_t value)
{
	return update(site, p, bytes, value, UPDATE_ADD);
}

/* A failure reads like a relaxed load; a weak one may come for no reason (within the stale bound).
 */
static bool cas_fails(struct model_site *site, struct location *location, unsigned place,
		      uint64_t *expected, bool is_weak)
{
	const struct message *message = &location->messages[place];
	bool weakly = false;

	if (message->value == *expected) {
		if (is_weak && model_fault != FAULT_CAS_STRONG && model.stale_left)
			weakly = model__choose(2);
		if (!weakly)
			return false;
		model__spend_stale();
	}
	note_place(model.current, index_of(location), (uint8_t)place);
	note_read(model.current, location, place);
	learn(model.current, message, MODEL_RELAXED);
	model__trace(site, "%s is %llu, not changed%s", name(location),
		     (unsigned long long)message->value, weakly ? "   <- failed weakly" : "");
	*expected = message->value;
	return true;
}

static bool cas(struct model_site *site, volatile void *p, size_t bytes, uint64_t *expected,
		uint64_t value, bool is_weak)
{
	struct thread *thread = model.current;
	struct location *location;
	struct message *message;
	struct message before;
	unsigned place;

	model__meet(site);
	if (!thread) {
		if (fetch(p, bytes) != *expected)
			return false;
		put(p, bytes, value);
		return true;
	}
	location = model__location(p, bytes, site->what);
	if (!begin(site, location))
		return true;
	place = choose_place(location, thread->now.at[index_of(location)], false);
	if (cas_fails(site, location, place, expected, is_weak))
		return false;
	if (place + 1u < location->count && location->messages[place + 1].by_update)
		model__end(PRUNED); /* somebody has updated this one: cannot be */
	before = location->messages[place];
	note_place(thread, index_of(location), (uint8_t)place);
	note_read(thread, location, place);
	learn(thread, &before, site->used);
	message = add_message(location, place + 1, value, true);
	publish(thread, message, index_of(location), place + 1, site->used);
	if (model_fault != FAULT_CHAIN_BROKEN)
		model__join(&message->view, &before.view);
	note_own(thread, location, before.serial, message);
	model__trace(site, "%s was %llu, := %llu", name(location), (unsigned long long)before.value,
		     (unsigned long long)message->value);
	return true;
}

bool model_cas(struct model_site *site, volatile void *p, size_t bytes, uint64_t *expected,
	       uint64_t value)
{
	return cas(site, p, bytes, expected, value, true);
}

bool model_cas_strong(struct model_site *site, volatile void *p, size_t bytes, uint64_t expected,
		      uint64_t value)
{
	return cas(site, p, bytes, &expected, value, false);
}

void model_fence(struct model_site *site)
{
	struct thread *thread = model.current;

	model__meet(site);
	if (!thread || !begin(site, NULL))
		return;
	if (site->used & MODEL_ACQUIRE)
		model__join(&thread->now, &thread->heard);
	if (site->used == MODEL_FULL) {
		join_places(&thread->now, &model.total);
		if (model_fault != FAULT_FENCE_LOCAL)
			join_places(&model.total, &thread->now);
		join_places(&thread->heard, &thread->now);
	}
	if (site->used & MODEL_RELEASE) {
		thread->offered = thread->now;
		tick(thread);
	}
	model__trace(site, "fence");
}

/* Go on only when something that was read since the last relax has changed. */
void model_relax(void)
{
	struct thread *thread = model.current;

	if (!thread)
		return;
	thread->spins = true;
	thread->spin_on = thread->reads;
	thread->reads = 0;
}

/* --- for futex.c ----------------------------------------------------------------------------- */

void model__join_place(struct view *into, const struct view *from, unsigned index)
{
	if (into->at[index] < from->at[index])
		into->at[index] = from->at[index];
}

/* The value that the kernel finds in a futex word: none that is older than the last wake saw. */
uint64_t model__read_for_kernel(struct location *location)
{
	struct thread *thread = model.current;
	const unsigned index = index_of(location);
	unsigned place;

	model__join_place(&thread->now, &model.kernel, index);
	model__join_place(&thread->heard, &model.kernel, index);
	place = choose_place(location, thread->now.at[index], false);
	note_place(thread, index, (uint8_t)place);
	return location->messages[place].value;
}

/* Wait until nobody holds it, and hold it: the newest value then, which is 0. */
void model__lock(struct model_site *take, struct model_site *lock, uint32_t *mutex)
{
	struct location *location = model__location(mutex, sizeof(*mutex), lock->what);
	struct thread *thread = model.current;
	struct message *message;
	struct message before;
	unsigned place;

	model__meet(take);
	model__reach(lock, (struct step){(uint8_t)index_of(location), false});
	place = location->count - 1u;
	before = location->messages[place];
	note_place(thread, index_of(location), (uint8_t)place);
	note_read(thread, location, place);
	learn(thread, &before, take->used);
	message = add_message(location, place + 1, 1, true);
	publish(thread, message, index_of(location), place + 1, take->used);
	model__join(&message->view, &before.view);
	note_own(thread, location, before.serial, message);
	model__trace(lock, "%s is locked", name(location));
}

uint64_t model__newest(unsigned index)
{
	return model.locations[index].messages[model.locations[index].count - 1].value;
}

/* --- an execution's beginning and end -------------------------------------------------------- */

void model__memory_start(void)
{
	for (unsigned i = 0; i < model.location_count; i++)
		model.locations[i].touched = false;
	memset(&model.total, 0, sizeof(model.total));
	memset(&model.kernel, 0, sizeof(model.kernel));
}

void model__memory_settle(void)
{
	for (unsigned i = 0; i < model.location_count; i++) {
		struct location *location = &model.locations[i];

		if (location->touched)
			put(location->address, location->bytes,
			    location->messages[location->count - 1].value);
	}
}
