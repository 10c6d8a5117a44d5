/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared list: a fixed number of slots in one block.
 *
 * An element's room has two halves, and its slot's word says which one counts, how long it is, and how often it was
 * changed. Who changes it holds the object's lock, writes the other half and stores the word: one store publishes,
 * and a writer that dies leaves a lock to release and nothing to repair. A reader copies the half and looks at the
 * word again, after some attempts under the lock.
 *
 * The slots' places never change after the list was made, but they lie in memory that others can write: each is read
 * once and checked.
 */
#include "server/objects/shared_list.h"

#include <limits.h>
#include <string.h>

#include "server/base/fault.h"
#include "server/base/value_order.h"
#include "server/base/wire.h"
#include "server/objects/change.h"
#include "server/objects/keep.h"

#define ROOM_STEP 8u
#define LEAST_ROOM (VALUE_MAX_HEAD + ROOM_STEP)
#define MOST_LOOKS 1000u /* that met a change, before one is made under the lock */

/* A shared list as it was found and checked. */
struct view {
	struct seg_object *object;
	uint8_t *block;
	struct seg_shared_slot *slots;
	uint64_t length;
	uint64_t size; /* of the block */
	uint64_t left; /* of its bytes, for the rooms that a walk has yet to come to */
	uint32_t index;
};

/* One slot of it, read and checked. */
struct slot {
	struct seg_shared_slot *at;
	uint8_t *half[2];
	uint32_t room;
	uint64_t number;
};

static bool look_at(const struct segment *seg, uint32_t index, struct seg_object *object, struct view *v)
{
	uint32_t ref = load32_relaxed(&object->body);
	struct seg_shared_list *body = segment_at(seg, ref, sizeof(*body));
	uint64_t size = block_size(seg, ref);
	if (!body || size < sizeof(*body))
		return false;
	uint64_t word = load64_acquire(&body->block.word), length = load64_relaxed(&body->length);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != index ||
	    length > (size - sizeof(*body)) / sizeof(struct seg_shared_slot))
		return false;
	*v = (struct view){ object, (uint8_t *)body, (struct seg_shared_slot *)(body + 1), length, size, 0, index };
	v->left = size - sizeof(*body) - length * sizeof(*v->slots);
	return true;
}

static enum sabir_error enter(struct lane *lane, uint32_t op, uint64_t handle, struct view *v)
{
	struct seg_object *object;
	struct seg_shared_list *body;
	enum sabir_error error = object_enter(lane, op, handle, SEG_KIND_SHARED_LIST, sizeof(*body), &object, &body);
	if (error)
		return error;
	if (look_at(lane->seg, object_index(handle), object, v))
		return SABIR_OK;
	error = object_damaged(object);
	object_leave(lane);
	return error;
}

static enum sabir_error open_slot(const struct view *v, uint64_t i, struct slot *slot)
{
	struct seg_shared_slot *at = &v->slots[i];
	uint64_t off = load32_relaxed(&at->room_off), room = load32_relaxed(&at->room);
	if (off > v->size || 2 * room > v->size - off)
		return object_damaged(v->object);
	*slot = (struct slot){ at, { v->block + off, v->block + off + room }, (uint32_t)room, i };
	return SABIR_OK;
}

/* The same in a walk: all rooms stand in the block, beside each other. So no more is looked at than it has bytes. */
static enum sabir_error next_slot(struct view *v, uint64_t i, struct slot *slot)
{
	enum sabir_error error = open_slot(v, i, slot);
	if (error)
		return error;
	if (2 * (uint64_t)slot->room > v->left)
		return object_damaged(v->object);
	v->left -= 2 * (uint64_t)slot->room;
	return SABIR_OK;
}

static enum sabir_error find_slot(const struct view *v, int64_t index, struct slot *slot)
{
	int64_t i = index < 0 ? index + (int64_t)v->length : index; /* the length is that of a block */
	if (i < 0 || (uint64_t)i >= v->length)
		return SABIR_OUT_OF_RANGE;
	return open_slot(v, (uint64_t)i, slot);
}

static bool word_second(uint64_t word)
{
	return (word & SEG_SLOT_SECOND) != 0;
}

static uint32_t word_len(uint64_t word)
{
	return (uint32_t)(word & (SEG_SLOT_SECOND - 1));
}

/* Adds the element to `out`; EMPTY: it would pass the limit; BUSY: it was changed meanwhile. */
static enum sabir_error copy_once(const struct slot *slot, struct bytes *out)
{
	uint64_t word = load64_acquire(&slot->at->word);
	uint32_t len = word_len(word);
	if (len > slot->room)
		return SABIR_DATA_LOSS;
	if (!bytes_fits(out, len))
		return SABIR_EMPTY;
	uint8_t *to = bytes_reserve(out, len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, slot->half[word_second(word)], len);
	FAULT("shared_list.copied");
	fence_acquire();
	if (load64_relaxed(&slot->at->word) != word)
		return SABIR_BUSY;
	bytes_commit(out, len);
	return SABIR_OK;
}

/* Nobody changes it meanwhile, or he must not. */
static enum sabir_error copy_locked(struct lane *lane, const struct view *v, const struct slot *slot, struct bytes *out)
{
	enum sabir_error error = lock_acquire(lane, &v->object->lock);
	if (error)
		return error;
	error = copy_once(slot, out);
	lock_release(lane, &v->object->lock);
	return error == SABIR_BUSY ? SABIR_DATA_LOSS : error;
}

/* Adds the element to `out`; EMPTY: it would pass the limit. */
static enum sabir_error copy_slot(struct lane *lane, const struct view *v, const struct slot *slot, struct bytes *out)
{
	enum sabir_error error = copy_once(slot, out);
	for (uint32_t tries = 1; error == SABIR_BUSY && tries < MOST_LOOKS; tries++) {
		cpu_relax();
		error = copy_once(slot, out);
	}
	if (error == SABIR_BUSY)
		error = copy_locked(lane, v, slot, out);
	return error == SABIR_DATA_LOSS ? object_damaged(v->object) : error;
}

/* ---------------------------------------------------------------- elements */

bool shared_list_takes(struct span value)
{
	struct value_view v;
	return !value_view(value, &v) && v.kind >= VALUE_NULL && v.kind <= VALUE_BINARY;
}

/* The bytes of text and bytes; numbers and the like have none. */
static uint64_t content_len(struct span value)
{
	struct value_view v;
	return !value_view(value, &v) && v.kind >= VALUE_TEXT ? v.bytes.len : 0;
}

/* ---------------------------------------------------------------- operations */

enum sabir_error shared_list_len(struct lane *lane, uint64_t handle, uint64_t *length)
{
	struct view v;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &v);
	if (error)
		return error;
	object_leave(lane);
	*length = v.length;
	return SABIR_OK;
}

enum sabir_error shared_list_get(struct lane *lane, uint64_t handle, int64_t index, struct bytes *out)
{
	struct view v;
	struct slot slot;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &v);
	if (error)
		return error;
	error = find_slot(&v, index, &slot);
	if (!error)
		error = copy_slot(lane, &v, &slot, out);
	object_leave(lane);
	return error;
}

enum sabir_error shared_list_page(struct lane *lane, uint64_t handle, uint64_t start, uint64_t most, uint64_t *length,
				  struct bytes *out)
{
	struct view v;
	struct slot slot;
	size_t n_before = out->n_items;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &v);
	if (error)
		return error;
	for (uint64_t i = start; !error && i < v.length && i - start < most; i++) {
		error = next_slot(&v, i, &slot);
		if (!error)
			error = copy_slot(lane, &v, &slot, out);
	}
	object_leave(lane);
	if (error && error != SABIR_EMPTY) {
		bytes_truncate(out, n_before);
		return error;
	}
	*length = v.length;
	return SABIR_OK;
}

/* Whether a list could be made anew of an element with this room: such as room_of gives, for what it holds now and held first. */
static bool room_can_be(const struct segment *seg, const struct slot *slot, uint64_t word)
{
	uint8_t head[VALUE_MAX_HEAD];
	uint32_t len = word_len(word);
	if (slot->room < LEAST_ROOM || (slot->room - LEAST_ROOM) % ROOM_STEP || len > slot->room)
		return false;
	uint64_t first = slot->room - LEAST_ROOM;
	uint64_t now = content_len((struct span){ slot->half[word_second(word)], len });
	return now + VALUE_MAX_HEAD <= slot->room &&
	       first + value_head_bytes(VALUE_BINARY, first, head) <= seg->max_item_bytes;
}

/* Under the lock: no element changes. */
static enum sabir_error keep_all(const struct segment *seg, struct view *v, struct bytes *out)
{
	struct slot slot;
	enum sabir_error error = SABIR_OK;
	for (uint64_t i = 0; !error && i < v->length; i++) {
		error = next_slot(v, i, &slot);
		uint64_t word = error ? 0 : load64_acquire(&slot.at->word);
		uint32_t len = word_len(word);
		if (!error && !room_can_be(seg, &slot, word))
			error = object_damaged(v->object);
		uint8_t *to = error ? NULL : bytes_reserve(out, sizeof(slot.room) + len);
		if (!error && !to)
			error = SABIR_NO_MEMORY;
		if (error)
			break;
		memcpy(to, &slot.room, sizeof(slot.room));
		memcpy(to + sizeof(slot.room), slot.half[word_second(word)], len);
		bytes_commit(out, sizeof(slot.room) + len);
	}
	return error;
}

enum sabir_error keep_shared_list(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct view v;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &v);
	if (error)
		return error;
	error = lock_acquire(lane, &v.object->lock);
	if (!error) {
		error = keep_all(lane->seg, &v, out);
		lock_release(lane, &v.object->lock);
	}
	object_leave(lane);
	return error;
}

static enum sabir_error set_locked(struct lane *lane, const struct view *v, const struct slot *slot, struct span value)
{
	enum sabir_error error = lock_acquire(lane, &v->object->lock);
	if (error)
		return error;
	uint64_t word = load64_relaxed(&slot->at->word);
	bool second = !word_second(word);
	/* Readers of the half that is written now have seen a word that is two changes old: none finds it again. */
	memcpy(slot->half[second], value.data, value.len);
	FAULT("shared_list.written");
	lane_publishes(lane);
	store64_seq(&slot->at->word, value.len | (second ? SEG_SLOT_SECOND : 0) | ((word >> 32) + 1) << 32);
	FAULT("shared_list.published");
	change_note(lane, v->index, CHANGE_SET, slot->number, 1);
	lock_release(lane, &v->object->lock);
	event_notify(lane->seg, v->index, SEG_EVENT_ITEMS, INT_MAX);
	return SABIR_OK;
}

enum sabir_error shared_list_set(struct lane *lane, uint64_t handle, int64_t index, struct span value)
{
	struct view v;
	struct slot slot;
	if (!shared_list_takes(value))
		return SABIR_WRONG_TYPE;
	enum sabir_error error = enter(lane, SEG_OP_SHARED_LIST_WRITE, handle, &v);
	if (error)
		return error;
	error = find_slot(&v, index, &slot);
	if (!error && (value.len > slot.room || content_len(value) + VALUE_MAX_HEAD > slot.room))
		error = SABIR_TOO_LARGE;
	if (!error)
		error = set_locked(lane, &v, &slot, value);
	object_leave(lane);
	return error;
}

/* Counts the elements that equal the value, from the first; `one`: only to the first of them. */
static enum sabir_error search(struct lane *lane, uint64_t handle, struct span value, bool one, uint64_t *passed,
			       uint64_t *found)
{
	struct view v;
	struct slot slot;
	struct bytes copy;
	uint8_t fixed[256];
	struct value_wanted wanted;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &v);
	if (error)
		return error;
	value_want(value, &wanted);
	bytes_init(&copy, fixed, sizeof(fixed));
	*passed = *found = 0;
	for (uint64_t i = 0; !error && i < v.length && !(one && *found); i++) {
		bytes_truncate(&copy, 0);
		error = next_slot(&v, i, &slot);
		if (!error)
			error = copy_slot(lane, &v, &slot, &copy);
		bool same = !error && value_is(&wanted, bytes_item(&copy, 0));
		*found += same;
		*passed = same ? i : *passed;
	}
	bytes_fini(&copy);
	object_leave(lane);
	return error;
}

enum sabir_error shared_list_index(struct lane *lane, uint64_t handle, struct span value, uint64_t *index)
{
	uint64_t at, found;
	enum sabir_error error = search(lane, handle, value, true, &at, &found);
	if (error)
		return error;
	if (!found)
		return SABIR_VALUE_NOT_FOUND;
	*index = at;
	return SABIR_OK;
}

enum sabir_error shared_list_count(struct lane *lane, uint64_t handle, struct span value, uint64_t *count)
{
	uint64_t at, found;
	enum sabir_error error = search(lane, handle, value, false, &at, &found);
	if (!error)
		*count = found;
	return error;
}

/* ---------------------------------------------------------------- the kind */

/* Room for text or bytes like Python's, and for what is in front of them: so also for every number. */
static uint64_t room_of(struct span value)
{
	uint64_t content = (content_len(value) / ROOM_STEP + 1) * ROOM_STEP;
	return VALUE_MAX_HEAD + content > value.len ? VALUE_MAX_HEAD + content : value.len;
}

static bool next_value(struct span *rest, struct span *value)
{
	if (!rest->len) /* and perhaps no data */
		return false;
	const uint8_t *p = rest->data, *end = p + rest->len;
	struct wire_field f;
	while (p < end && wire_next(&p, end, &f)) {
		if (f.number != 1 || f.type != WIRE_LEN)
			continue;
		*rest = (struct span){ p, (size_t)(end - p) };
		*value = f.bytes;
		return true;
	}
	return false;
}

static enum sabir_error measure(const struct segment *seg, struct span rest, uint64_t *length, uint64_t *size)
{
	struct span value;
	uint64_t n = 0, bytes = sizeof(struct seg_shared_list);
	while (next_value(&rest, &value)) {
		if (!shared_list_takes(value))
			return SABIR_WRONG_TYPE;
		bytes += sizeof(struct seg_shared_slot) + 2 * room_of(value);
		n++;
		if (value.len > seg->max_item_bytes || bytes > arena_max_block(seg))
			return SABIR_TOO_LARGE;
	}
	*length = n;
	*size = bytes;
	return SABIR_OK;
}

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	struct span rest = spec->initial, value;
	uint64_t length, size;
	(void)index;
	enum sabir_error error = measure(lane->seg, rest, &length, &size);
	if (!error)
		error = block_alloc_zeroed(lane, sizeof(struct seg_shared_list), size - sizeof(struct seg_shared_list),
					   0, &block);
	if (error)
		return error;
	struct seg_shared_list *made = (struct seg_shared_list *)block;
	struct seg_shared_slot *slot = (struct seg_shared_slot *)(made + 1);
	made->length = length;
	uint64_t off = sizeof(*made) + length * sizeof(*slot);
	for (uint64_t i = 0; i < length && next_value(&rest, &value); i++, slot++) {
		uint32_t room = (uint32_t)room_of(value);
		*slot = (struct seg_shared_slot){ value.len, (uint32_t)off, room };
		memcpy((uint8_t *)made + off, value.data, value.len);
		off += 2 * (uint64_t)room;
	}
	*body = block;
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct view v;
	if (!look_at(lane->seg, index, object, &v)) {
		object_damaged(object);
		return;
	}
	info->length = v.length;
	info->memory_bytes = v.size;
}

const struct object_kind shared_list_kind = { .create = create, .describe = describe };
