/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slices of an array: reading, writing and filling consecutive elements under the object's lock.
 *
 *   OPEN ──► the data is in a private block, the lane's args say what goes where ──► COMMITTED ──► elements are stored
 *    ▲                                                                                                        │
 *    └────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * The store of COMMITTED is the publishing one: whoever dies before it has written nothing, and whoever dies after it
 * has his slice finished by the recovery, which finds the block in the dead lane's hand. A fill needs no block: its
 * bits are in the args. The phase is OPEN whenever the lane holds no array's lock.
 *
 * Elements are stored in order, up to eight bytes at a time, and the args count how far that came. The recovery goes
 * on from there: an element that was stored and that somebody has changed since (operations on elements take no lock)
 * is not written again. Only of the last eight bytes it can't be known whether they were stored. For them the args
 * hold what was there before, and the recovery stores an element only where that still is.
 *
 * Loads and stores of slices are atomics of an aligned word, or of an element where the slice does not cover the
 * word. As elements are aligned to their width and no wider than a word, none is ever torn, whatever the word around
 * it is doing.
 */
#include "server/objects/array.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/array_parts.h"
#include "server/objects/change.h"

/* seg_lane.args of SEG_OP_ARRAY_WRITE; offsets and lengths are in bytes of elements. */
enum {
	ARG_KIND,
	ARG_START,
	ARG_LEN,
	ARG_SOURCE, /* COPY: ref of the block with the data; FILL: the element's bits */
	ARG_DONE,   /* twice what is stored already, + 1: the next is being stored, and ARG_OLD is what it replaces */
	ARG_OLD,
};

enum { WRITE_COPY = 1, WRITE_FILL = 2 };

#define WORD sizeof(uint64_t)

/* count 0 becomes "to the end". */
static enum sabir_error check_slice(const struct array_view *a, uint64_t start, uint64_t *count)
{
	if (start > a->length || *count > a->length - start)
		return SABIR_OUT_OF_RANGE;
	if (*count == 0)
		*count = a->length - start;
	return SABIR_OK;
}

static bool whole_word(const uint8_t *at, uint64_t left)
{
	return ((uintptr_t)at & (WORD - 1)) == 0 && left >= WORD;
}

/* ---------------------------------------------------------------- reading */

static uint64_t load_element(const struct array_view *a, const uint8_t *at)
{
	switch (a->width) {
	case 1:
		return load8_relaxed(at);
	case 2:
		return load16_relaxed((const uint16_t *)at);
	case 4:
		return load32_relaxed((const uint32_t *)at);
	default:
		return load64_relaxed((const uint64_t *)at);
	}
}

static void copy_out(const struct array_view *a, const uint8_t *from, uint8_t *to, uint64_t len)
{
	for (uint64_t i = 0, step; i < len; i += step) {
		bool word = whole_word(from + i, len - i);
		uint64_t bits = word ? load64_relaxed((const uint64_t *)(from + i)) : load_element(a, from + i);
		step = word ? WORD : a->width;
		memcpy(to + i, &bits, step);
	}
	/* Pairs with the changes of elements: who sees one also sees what its writer did before. */
	fence_acquire();
}

static enum sabir_error read_slice(struct lane *lane, const struct array_view *a, uint64_t start, uint64_t count,
				   struct bytes *out)
{
	uint64_t len = count * a->width;
	if (out->limit && len > out->limit)
		return SABIR_TOO_LARGE;
	uint8_t *to = bytes_reserve(out, len);
	if (!to)
		return SABIR_NO_MEMORY;
	enum sabir_error error = lock_acquire(lane, &a->object->lock);
	if (error)
		return error;
	FAULT("array_slice.reading");
	copy_out(a, a->elements + start * a->width, to, len);
	lock_release(lane, &a->object->lock);
	bytes_commit(out, len);
	return SABIR_OK;
}

enum sabir_error array_get_slice(struct lane *lane, uint64_t handle, uint64_t start, uint64_t count, struct bytes *out,
				 uint32_t *type_code)
{
	struct array_view a;
	enum sabir_error error = array_enter(lane, SEG_OP_READ, handle, &a);
	if (error)
		return error;
	error = check_slice(&a, start, &count);
	if (!error)
		error = read_slice(lane, &a, start, count, out);
	object_leave(lane);
	if (!error)
		*type_code = a.type_code;
	return error;
}

/* ---------------------------------------------------------------- writing */

/* Every aligned word of a filled range looks like this. */
static uint64_t repeat(uint64_t bits, uint32_t width)
{
	for (uint32_t filled = width; filled < WORD; filled *= 2)
		bits |= bits << 8 * filled;
	return bits;
}

/* The step that a dead writer may have done or not: element by element, as others may have changed some of them. */
static void store_where_unchanged(const struct array_view *a, uint8_t *at, uint64_t step, uint64_t old, uint64_t bits)
{
	for (uint64_t i = 0; i < step; i += a->width)
		(void)array_swap_element(a, at + i, old >> 8 * i, bits >> 8 * i);
}

/* The whole words of a write from `done` on, of which none is doubtful and the first is aligned. Returns how much is done. */
static uint64_t store_words(struct seg_lane *writer, uint8_t *to, uint64_t done, uint64_t len, const uint8_t *data,
			    uint64_t pattern)
{
	uint64_t bits = pattern;
	for (; len - done >= WORD; done += WORD) {
		uint64_t *at = (uint64_t *)(to + done);
		if (data)
			memcpy(&bits, data + done, WORD);
		record64(&writer->args[ARG_OLD], load64_relaxed(at));
		fence_compiler();
		record64(&writer->args[ARG_DONE], 2 * done + 1);
		fence_compiler();
		FAULT("array_slice.storing");
		store64_relaxed(at, bits);
		fence_compiler();
		FAULT("array_slice.stored");
		record64(&writer->args[ARG_DONE], 2 * (done + WORD));
		fence_compiler();
	}
	return done;
}

/*
 * Stores what is left of a committed write; `data` is NULL for a fill. The args are read once each, by the caller, as
 * they may be a dead lane's.
 */
static void roll_forward(const struct array_view *a, struct seg_lane *writer, uint64_t start, uint64_t len,
			 const uint8_t *data)
{
	uint64_t pattern = data ? 0 : repeat(load64_relaxed(&writer->args[ARG_SOURCE]), a->width);
	uint64_t done = LANE_RECORDS ? load64_relaxed(&writer->args[ARG_DONE]) : 0;
	bool doubtful = done & 1;
	for (done /= 2; done < len; doubtful = false) {
		uint8_t *at = a->elements + start + done;
		bool word = whole_word(at, len - done);
		if (word && !doubtful) {
			done = store_words(writer, a->elements + start, done, len, data, pattern);
			continue;
		}
		uint64_t step = word ? WORD : a->width;
		uint64_t bits = pattern;
		if (data)
			memcpy(&bits, data + done, step);
		if (doubtful) {
			store_where_unchanged(a, at, step, load64_relaxed(&writer->args[ARG_OLD]), bits);
		} else {
			record64(&writer->args[ARG_OLD], load_element(a, at));
			fence_compiler();
			record64(&writer->args[ARG_DONE], 2 * done + 1);
			fence_compiler();
			FAULT("array_slice.storing");
			array_store_element(a, at, bits);
		}
		fence_compiler();
		FAULT("array_slice.stored");
		done += step;
		record64(&writer->args[ARG_DONE], 2 * done);
		fence_compiler();
	}
}

/* What is written where, in bytes: `data`, or NULL for a fill; and the lane's block that holds the data, or NULL. */
struct slice_write {
	uint64_t start;
	uint64_t len;
	const uint8_t *data;
	struct seg_block *block;
};

/* The slice write from the lock to the wake-up; args[ARG_SOURCE] is set already. Frees the block in any case. */
static enum sabir_error write_locked(struct lane *lane, const struct array_view *a, const struct slice_write *w)
{
	struct seg_lane *s = lane->shared;
	enum sabir_error error = lock_acquire(lane, &a->object->lock);
	if (error && w->block)
		block_free(lane, w->block);
	if (error)
		return error;
	FAULT("array_slice.locked");
	record64(&s->args[ARG_KIND], w->data ? WRITE_COPY : WRITE_FILL);
	record64(&s->args[ARG_START], w->start);
	record64(&s->args[ARG_LEN], w->len);
	record64(&s->args[ARG_DONE], 0);
	fence_compiler();
	FAULT("array_slice.prepared");
	lane_publishes(lane);
	store32_release(&s->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	FAULT("array_slice.committed");
	roll_forward(a, s, w->start, w->len, w->data);
	FAULT("array_slice.finished");
	store32_release(&s->phase, SEG_PHASE_OPEN);
	fence_compiler();
	FAULT("array_slice.open");
	if (w->block)
		block_free(lane, w->block);
	FAULT("array_slice.freed");
	change_note(lane, a->index, CHANGE_SET, w->start / a->width, w->len / a->width);
	/* Its exchange also orders the stores above before the look at the waiters below. */
	lock_release(lane, &a->object->lock);
	FAULT("array_slice.released");
	event_notify(lane->seg, a->index, SEG_EVENT_ITEMS, INT32_MAX);
	FAULT("array_slice.notified");
	return SABIR_OK;
}

/* array_enter for a slice write: what an earlier operation left in `phase` must not look like a commitment. */
static enum sabir_error enter_write(struct lane *lane, uint64_t handle, struct array_view *a)
{
	store32_relaxed(&lane->shared->phase, SEG_PHASE_OPEN);
	fence_compiler();
	return array_enter(lane, SEG_OP_ARRAY_WRITE, handle, a);
}

static enum sabir_error copy_in(struct lane *lane, const struct array_view *a, uint64_t start, struct span data)
{
	struct slice_write w = { .start = start * a->width, .len = data.len, .data = data.data };
	if (!LANE_RECORDS)
		return write_locked(lane, a, &w);
	enum sabir_error error = block_alloc(lane, sizeof(*w.block) + data.len, 0, &w.block);
	if (error)
		return error;
	FAULT("array_slice.allocated");
	w.data = memcpy(w.block + 1, data.data, data.len);
	store64_relaxed(&lane->shared->args[ARG_SOURCE], segment_ref(lane->seg, w.block));
	return write_locked(lane, a, &w);
}

static enum sabir_error set_slice_once(struct lane *lane, uint64_t handle, uint64_t start, uint32_t type_code,
				       struct span data)
{
	struct array_view a;
	enum sabir_error error = enter_write(lane, handle, &a);
	if (error)
		return error;
	if (type_code != a.type_code)
		error = SABIR_WRONG_TYPE;
	else if (start > a.length || data.len / a.width > a.length - start)
		error = SABIR_OUT_OF_RANGE;
	else if (data.len)
		error = copy_in(lane, &a, start, data);
	object_leave(lane);
	return error;
}

enum sabir_error array_set_slice(struct lane *lane, uint64_t handle, uint64_t start, uint32_t type_code,
				 struct span data)
{
	uint32_t width = scalar_width(type_code);
	if (!width || data.len % width)
		return SABIR_INVALID_ARGUMENT;
	/* Before the operation, which pins memory, and long before the lock. */
	enum sabir_error error = scalar_check(type_code, data.data, data.len / width);
	if (!error)
		error = set_slice_once(lane, handle, start, type_code, data);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = set_slice_once(lane, handle, start, type_code, data);
	return error;
}

enum sabir_error array_fill(struct lane *lane, uint64_t handle, uint64_t start, uint64_t count,
			    const struct scalar *value)
{
	struct array_view a;
	uint64_t bits;
	enum sabir_error error = enter_write(lane, handle, &a);
	if (error)
		return error;
	error = scalar_encode(a.type_code, value, &bits);
	if (!error)
		error = check_slice(&a, start, &count);
	if (!error && count) {
		store64_relaxed(&lane->shared->args[ARG_SOURCE], bits);
		error = write_locked(lane, &a, &(struct slice_write){ start * a.width, count * a.width, NULL, NULL });
	}
	object_leave(lane);
	return error;
}

/* ---------------------------------------------------------------- recovery */

/* The data of a dead lane's write: a block of its own that holds `len` bytes, else NULL. */
static const uint8_t *dead_data(const struct segment *seg, uint64_t source, uint32_t dead_id, uint64_t len)
{
	uint32_t ref = (uint32_t)source;
	struct seg_block *block = segment_at(seg, ref, sizeof(*block));
	if (source != ref || !block || block_size(seg, ref) < sizeof(*block) + len)
		return NULL;
	uint64_t word = load64_acquire(&block->word);
	bool its_own = block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == dead_id;
	return its_own ? (const uint8_t *)(block + 1) : NULL;
}

static bool fits(const struct array_view *a, uint64_t start, uint64_t len, uint64_t done)
{
	uint64_t size = a->length * a->width;
	return start <= size && len <= size - start && done <= len && !((start | len | done) % a->width);
}

enum sabir_error array_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object)
{
	struct array_view a;
	const uint8_t *data = NULL;
	if (load32_relaxed(&dead->op) != SEG_OP_ARRAY_WRITE || load32_acquire(&dead->phase) != SEG_PHASE_COMMITTED)
		return SABIR_OK;
	uint64_t kind = load64_relaxed(&dead->args[ARG_KIND]);
	uint64_t start = load64_relaxed(&dead->args[ARG_START]);
	uint64_t len = load64_relaxed(&dead->args[ARG_LEN]);
	bool good = lock_held_by(&object->lock, dead_id) && array_look(by->seg, index, object, &a) &&
		    fits(&a, start, len, load64_relaxed(&dead->args[ARG_DONE]) / 2);
	if (good && kind == WRITE_COPY)
		data = dead_data(by->seg, load64_relaxed(&dead->args[ARG_SOURCE]), dead_id, len);
	if (!good || (kind != WRITE_FILL && !data)) {
		object_damaged(object);
		return SABIR_OK;
	}
	roll_forward(&a, dead, start, len, data);
	store32_release(&dead->phase, SEG_PHASE_OPEN);
	return SABIR_OK;
}
