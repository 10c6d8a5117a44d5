/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching: beginning and ending the log of an object's changes, and reading it.
 *
 *   none ──made, CAS into the object──► linked ──the object's lock was had once──► ready ──idle, CAS out──► retired
 *
 * A writer under a lock looks for the log while he has the lock, and his stores may be seen late. So who links the log takes the lock
 * once behind it: whoever had it before has finished, and whoever has it later sees the log. Only then the first snapshot is
 * told. Writers without a lock publish with a compare-and-swap or an exchange, which orders itself.
 *
 * A reader keeps his position himself, as the sequence that he was told last. What he asks for may have been overwritten, or
 * be a gap: then he is told so, and gets the end of the log as his new position, from which on nothing is missing
 * if he looks at the object now.
 */
#include <sched.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/objects/change_parts.h"

/* How long a reader waits for a record that is being written. */
#define WRITE_SPINS 200
#define WRITE_YIELDS 50
#define OPEN_TRIES 1000u /* each means that another log was made and ended */

/* ---------------------------------------------------------------- beginning and ending */

static enum sabir_error make_log(struct lane *lane, uint32_t index)
{
	struct seg_object *o = &lane->seg->objects[index];
	struct seg_block *block;
	uint64_t none = 0;
	enum sabir_error error = block_alloc_zeroed(lane, CHANGE_LOG_SIZE, 0, 0, &block);
	if (error)
		return error;
	struct seg_changes *log = (struct seg_changes *)block;
	uint32_t ref = segment_ref(lane->seg, block);
	log->first = log->head = clock_now();
	log->asked_ns = log->first;
	/* From here on the block is in two places, and what the object leads to decides: see recover_log. */
	store64_relaxed(&lane->shared->args[0], ref);
	fence_compiler();
	block_publish(block, index);
	store32_relaxed(&lane->shared->hand[0], 0);
	FAULT("change_open.made");
	lane_publishes(lane);
	bool linked = cas64(&o->changes, &none, ref);
	FAULT("change_open.linked");
	if (!linked) {
		store32_relaxed(&lane->shared->hand[0], ref);
		fence_compiler();
		block_retract(lane, block);
		fence_compiler();
		store64_relaxed(&lane->shared->args[0], 0);
		block_free(lane, block);
		return SABIR_OK;
	}
	store64_relaxed(&lane->shared->args[0], 0);
	object_ttl_look_at(lane->seg, index, clock_deadline(CHANGE_IDLE_NS));
	return SABIR_OK;
}

/* Begins an operation on the object's log. */
static enum sabir_error enter(struct lane *lane, uint64_t handle, struct seg_object **object)
{
	struct seg_block *body;
	store64_relaxed(&lane->shared->args[0], 0);
	fence_compiler();
	return object_enter(lane, SEG_OP_WATCH, handle, 0, sizeof(*body), object, &body);
}

/* The log, made if there is none. */
static enum sabir_error open_log(struct lane *lane, uint32_t index, struct seg_object *object,
				 struct seg_changes **found)
{
	struct seg_changes *log;
	uint64_t word;
	uint32_t tries = 0;
	/* One that ends just now is followed by another. */
	while ((word = load64_seq(&object->changes)) == 0 || !(log = change_log(lane->seg, index))) {
		if ((word && word == load64_seq(&object->changes)) || ++tries > OPEN_TRIES)
			return object_damaged(object);
		enum sabir_error error = word ? SABIR_OK : make_log(lane, index);
		if (error)
			return error;
	}
	if (!load32_acquire(&log->ready)) {
		enum sabir_error error = lock_acquire(lane, &object->lock);
		if (error)
			return error;
		lock_release(lane, &object->lock);
		store32_release(&log->ready, 1);
		FAULT("change_open.ready");
	}
	*found = log;
	return SABIR_OK;
}

uint64_t change_end_ns(const struct segment *seg, uint32_t index)
{
	const struct seg_changes *log = change_log(seg, index);
	return log ? load64_relaxed(&log->asked_ns) + CHANGE_IDLE_NS : 0;
}

void change_expire(struct lane *lane, uint64_t handle, uint64_t now_ns)
{
	struct seg_object *o;
	uint32_t index = object_index(handle);
	if (enter(lane, handle, &o))
		return;
	struct seg_changes *log = change_log(lane->seg, index);
	uint64_t ref = log ? segment_ref(lane->seg, log) : 0;
	if (log && (load32_seq(&o->event[SEG_EVENT_CHANGED].waiting) ||
		    load64_relaxed(&log->asked_ns) + CHANGE_IDLE_NS > now_ns)) {
		object_ttl_look_at(lane->seg, index, now_ns + CHANGE_IDLE_NS);
	} else if (log) {
		store64_relaxed(&lane->shared->args[0], ref);
		fence_compiler();
		bool mine = cas64(&o->changes, &ref, 0);
		FAULT("change_end.unlinked");
		if (mine) {
			store32_relaxed(&lane->shared->hand[0], (uint32_t)ref);
			fence_compiler();
			block_retract(lane, &log->block);
			fence_compiler();
			store64_relaxed(&lane->shared->args[0], 0);
			FAULT("change_end.private");
			block_retire(lane, &log->block);
			/* Who has begun to wait meanwhile begins anew. */
			event_notify(lane->seg, index, SEG_EVENT_CHANGED, INT32_MAX);
		}
	}
	object_leave(lane);
}

uint64_t change_memory(const struct segment *seg, const struct seg_object *object)
{
	uint32_t ref = (uint32_t)load64_relaxed(&object->changes);
	return ref ? block_size(seg, ref) : 0;
}

/* ---------------------------------------------------------------- reading */

/* Copies the record; false: it is not there. */
static bool copy_record(struct seg_changes *log, uint64_t sequence, struct change *change)
{
	const struct seg_change *record = change_at(log, sequence);
	if (load64_acquire(&record->stamp) != sequence)
		return false;
	change->sequence = sequence;
	change->first = load64_relaxed(&record->first);
	change->count = load64_relaxed(&record->count);
	change->what = load32_relaxed(&record->what);
	change->key_len = load32_relaxed(&record->key_len);
	if (change->key_len > sizeof(change->key))
		change->key_len = 0;
	memcpy(change->key, record->key, change->key_len);
	fence_acquire();
	return load64_relaxed(&record->stamp) == sequence;
}

/* The same, and gives who is writing it a moment. */
static bool read_record(struct seg_changes *log, uint64_t sequence, struct change *change)
{
	for (int i = 0; i < WRITE_SPINS + WRITE_YIELDS; i++) {
		bool writing = load64_acquire(&log->lock) != 0;
		if (copy_record(log, sequence, change))
			return true;
		if (!writing)
			return false;
		if (i < WRITE_SPINS)
			cpu_relax();
		else
			sched_yield();
	}
	return false;
}

/* From `from` on it is not known what changed: the object is to be read as it is now. */
static void lose(struct seg_changes *log, uint64_t from, struct change_page *page)
{
	uint64_t last = load64_seq(&log->head) - 1;
	*page = (struct change_page){
		.snapshot = true, .lost = true, .lost_from = from < last ? from : last, .lost_to = last, .last = last
	};
}

/* DATA_LOSS: it began later than at its end, or at nothing, and who was told that would ask for it for ever. */
static enum sabir_error read_log(struct seg_changes *log, uint64_t after, uint32_t max, struct change *changes,
				 struct change_page *page)
{
	uint64_t head = load64_seq(&log->head), first = load64_relaxed(&log->first);
	if (head < first || head < 2)
		return SABIR_DATA_LOSS;
	uint64_t oldest = head - first > SEG_N_CHANGES ? head - SEG_N_CHANGES : first;
	*page = (struct change_page){ .last = head - 1 };
	if (after == 0) {
		page->snapshot = true;
		return SABIR_OK;
	}
	if (after >= head || after + 1 < oldest) {
		lose(log, after + 1, page);
		return SABIR_OK;
	}
	if (after + 1 == head)
		return SABIR_WOULD_BLOCK;
	for (uint64_t s = after + 1; s < head && page->n < max && read_record(log, s, &changes[page->n]); s++)
		page->n++;
	page->last = after + page->n;
	if (page->n == 0)
		lose(log, after + 1, page);
	return SABIR_OK;
}

static enum sabir_error read_once(struct lane *lane, uint64_t handle, uint64_t after, uint32_t max,
				  struct change *changes, struct change_page *page)
{
	struct seg_object *o;
	struct seg_changes *log = NULL;
	enum sabir_error error = enter(lane, handle, &o);
	if (error)
		return error;
	error = open_log(lane, object_index(handle), o, &log);
	if (!error) {
		store64_relaxed(&log->asked_ns, clock_now());
		error = read_log(log, after, max, changes, page);
		if (error == SABIR_DATA_LOSS)
			error = object_damaged(o);
	}
	object_leave(lane);
	return error;
}

bool change_ready(const struct segment *seg, uint64_t handle, uint64_t after)
{
	uint32_t index = object_index(handle);
	if (!after || index >= seg->n_objects ||
	    load64_seq(&seg->objects[index].word) != ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE))
		return true;
	const struct seg_changes *log = change_log(seg, index);
	return !log || load64_seq(&log->head) != after + 1;
}

enum sabir_error change_read(struct lane *lane, uint64_t handle, uint64_t after, uint32_t max, struct change *changes,
			     struct change_page *page)
{
	struct change_page read;
	if (!object_index(handle))
		return SABIR_NOT_FOUND;
	enum sabir_error error = read_once(lane, handle, after, max, changes, &read);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = read_once(lane, handle, after, max, changes, &read);
	if (!error)
		*page = read;
	return error;
}
