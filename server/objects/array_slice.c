/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slices of an array: reading, writing and filling consecutive elements under the object's lock.
 *
 *   OPEN ──► the data is in the lane's hands, its args say what goes where ──► COMMITTED ──► elements are stored
 *    ▲                                                                                              │
 *    └──────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * The store of COMMITTED is the publishing one: whoever dies before it has written nothing, and whoever dies after it
 * has his slice finished by the recovery (array_settle.c), which finds the data where the args say: what is short in the
 * lane's undo journal, which no operation on an array uses, so that it costs no block; the rest in a block of its own.
 * A fill's bits are an arg. The phase is OPEN whenever the lane holds no array's lock.
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

/* The whole words of `len` bytes from `i` on, where one begins. Returns the first byte behind them. */
static inline uint64_t store_words(uint8_t *to, const uint8_t *data, uint64_t pattern, uint64_t i, uint64_t len)
{
	uint64_t bits = pattern, end = len - (len - i) % WORD;
#pragma GCC unroll 8
	for (; i != end; i += WORD) {
		if (data)
			memcpy(&bits, data + i, WORD);
		FAULT("array_slice.storing");
		store64_relaxed((uint64_t *)(to + i), bits);
		FAULT("array_slice.stored");
	}
	return end;
}

static void store_run(const struct array_view *a, uint8_t *to, const uint8_t *data, uint64_t pattern, uint64_t len)
{
	for (uint64_t i = 0; i < len;) {
		if (whole_word(to + i, len - i)) {
			i = data ? store_words(to, data, 0, i, len) : store_words(to, NULL, pattern, i, len);
			continue;
		}
		uint64_t bits = pattern;
		if (data)
			memcpy(&bits, data + i, a->width);
		FAULT("array_slice.storing");
		array_store_element(a, to + i, bits);
		FAULT("array_slice.stored");
		i += a->width;
	}
}

/* The elements before are stored; of the next it can't be known whether they are. */
static inline void begin_step(struct seg_lane *writer, uint64_t number)
{
	/* The first word before the others: the recovery leaves out the bits of words that have another number. */
	for (uint32_t i = 0; i < ARRAY_STEP_WORDS; i++) {
		record64(&writer->args[ARRAY_ARG_STEP + i], number << 32);
		fence_compiler();
	}
	/* Before the elements. Pairs with the exchange of who changes one of them, behind which he looks at the step. */
	fence_release();
}

static inline void store_step(const struct array_view *a, const struct slice_write *w, uint64_t done, uint64_t count)
{
	uint64_t width = a->width, pattern = w->data ? 0 : repeat(w->source, a->width);
	uint8_t *to = a->elements + (w->start + done) * width;
	const uint8_t *data = w->data ? w->data + done * width : NULL;
	/* The processor knows where a loop of always the same length ends. */
	if (count * width == ARRAY_STEP * WORD && whole_word(to, ARRAY_STEP * WORD))
		data ? store_words(to, data, 0, 0, ARRAY_STEP * WORD)
		     : store_words(to, NULL, pattern, 0, ARRAY_STEP * WORD);
	else
		store_run(a, to, data, pattern, count * width);
	fence_compiler();
}

void array_write_on(const struct array_view *a, struct seg_lane *writer, const struct slice_write *w, uint64_t done)
{
	uint64_t number = load64_relaxed(&writer->args[ARRAY_ARG_STEP]) >> 32;
	for (; done < w->count; done += ARRAY_STEP) {
		begin_step(writer, ++number);
		store_step(a, w, done, w->count - done < ARRAY_STEP ? w->count - done : ARRAY_STEP);
	}
}

/* What is to be finished if we die, and the begin of the first step. The last of it is the store of COMMITTED. */
static inline void commit(struct seg_lane *s, const struct slice_write *w)
{
	uint64_t first = (uint32_t)(load64_relaxed(&s->args[ARRAY_ARG_STEP]) >> 32) + 1ull;
	record64(&s->args[ARRAY_ARG_KIND], w->kind << 32 | (uint32_t)first);
	record64(&s->args[ARRAY_ARG_RANGE], w->start << 32 | w->count);
	record64(&s->args[ARRAY_ARG_SOURCE], w->source);
	begin_step(s, first);
	FAULT("array_slice.prepared");
	store32_release(&s->phase, SEG_PHASE_COMMITTED);
	/* As in begin_step. */
	fence_release();
	FAULT("array_slice.committed");
}

/* The slice write from the lock to the wake-up. Frees the block in any case. */
static enum sabir_error write_locked(struct lane *lane, const struct array_view *a, const struct slice_write *w)
{
	struct seg_lane *s = lane->shared;
	enum sabir_error error = lock_acquire(lane, &a->object->lock);
	if (error && w->block)
		block_free(lane, w->block);
	if (error)
		return error;
	FAULT("array_slice.locked");
	lane_publishes(lane);
	commit(s, w);
	uint64_t step = !LANE_RECORDS || w->count < ARRAY_STEP ? w->count : ARRAY_STEP;
	store_step(a, w, 0, step);
	array_write_on(a, s, w, step);
	FAULT("array_slice.finished");
	store32_release(&s->phase, SEG_PHASE_OPEN);
	fence_compiler();
	FAULT("array_slice.open");
	if (w->block)
		block_free(lane, w->block);
	FAULT("array_slice.freed");
	change_note(lane, a->index, CHANGE_SET, w->start, w->count);
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

/* Before the lock: data that outlives us. */
static enum sabir_error copy_in(struct lane *lane, const struct array_view *a, uint64_t start, struct span data)
{
	struct seg_lane *s = lane->shared;
	struct slice_write w = { .start = start, .count = data.len / a->width, .data = data.data };
	if (!LANE_RECORDS)
		return write_locked(lane, a, &w);
	if (data.len <= sizeof(s->undo)) {
		w.kind = ARRAY_WRITE_SHORT;
		memcpy(s->undo, data.data, data.len);
		return write_locked(lane, a, &w);
	}
	enum sabir_error error = block_alloc(lane, sizeof(*w.block) + data.len, 0, &w.block);
	if (error)
		return error;
	FAULT("array_slice.allocated");
	w.kind = ARRAY_WRITE_BLOCK;
	w.source = segment_ref(lane->seg, w.block);
	memcpy(w.block + 1, data.data, data.len);
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
		struct slice_write w = { .kind = ARRAY_WRITE_FILL, .start = start, .count = count, .source = bits };
		error = write_locked(lane, &a, &w);
	}
	object_leave(lane);
	return error;
}
