/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw memory by name: the bytes stand right behind the header of the object's one block, which never changes.
 *
 * There is no state but the bytes, nothing to lock, and nothing to recover but a wake-up: a writer that dies has written
 * some of its words. The header lies in memory that others can write, so it is read once and checked against the block.
 */
#include "server/objects/memory.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/change.h"

struct view {
	uint8_t *bytes;
	uint64_t size;
};

static bool look(const struct segment *seg, uint32_t index, const struct seg_object *object, struct view *v)
{
	uint32_t ref = load32_relaxed(&object->body);
	struct seg_memory *body = segment_at(seg, ref, sizeof(*body));
	uint64_t room = block_size(seg, ref);
	if (!body || room < sizeof(*body))
		return false;
	uint64_t word = load64_acquire(&body->block.word);
	uint64_t size = load64_relaxed(&body->size);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != index || size > room - sizeof(*body))
		return false;
	*v = (struct view){ (uint8_t *)(body + 1), size };
	return true;
}

/* Begins an operation on a range of the block. On failure none is begun. */
static enum sabir_error enter(struct lane *lane, uint32_t op, uint64_t handle, uint64_t offset, uint64_t len,
			      struct view *v)
{
	struct seg_object *object;
	struct seg_memory *body;
	enum sabir_error error = object_enter(lane, op, handle, SEG_KIND_BLOCK, sizeof(*body), &object, &body);
	if (error)
		return error;
	if (!look(lane->seg, object_index(handle), object, v))
		error = object_damaged(object);
	else if (offset > v->size || len > v->size - offset)
		error = SABIR_OUT_OF_RANGE;
	if (error)
		object_leave(lane);
	return error;
}

/* Whole words where the shared side is aligned to them; `to` or `from` is that side. */
static void copy_out(uint8_t *to, const uint8_t *from, uint64_t len)
{
	for (; len && (uintptr_t)from % 8; len--)
		*to++ = load8_relaxed(from++);
	for (; len >= 8; len -= 8, to += 8, from += 8) {
		uint64_t word = load64_relaxed((const uint64_t *)(const void *)from);
		memcpy(to, &word, 8);
	}
	while (len--)
		*to++ = load8_relaxed(from++);
}

static void copy_in(uint8_t *to, const uint8_t *from, uint64_t len)
{
	for (; len && (uintptr_t)to % 8; len--)
		store8_relaxed(to++, *from++);
		/* So short that it is half as fast where it happens to lie across two lines of the processor's cache. */
#pragma GCC unroll 8
	for (; len >= 8; len -= 8, to += 8, from += 8) {
		uint64_t word;
		memcpy(&word, from, 8);
		store64_relaxed((uint64_t *)(void *)to, word);
		FAULT("memory.word");
	}
	while (len--)
		store8_relaxed(to++, *from++);
}

enum sabir_error memory_size(struct lane *lane, uint64_t handle, uint64_t *size)
{
	void *bytes;
	return memory_map(lane, handle, &bytes, size);
}

enum sabir_error memory_read(struct lane *lane, uint64_t handle, uint64_t offset, uint64_t len, struct bytes *out)
{
	struct view v;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, offset, len, &v);
	if (error)
		return error;
	uint8_t *to = NULL;
	if (len > UINT32_MAX)
		error = SABIR_TOO_LARGE;
	else if (!(to = bytes_reserve(out, len)))
		error = SABIR_NO_MEMORY;
	if (to) {
		/* Pairs with the fence of a write behind which the reader was told. */
		fence_acquire();
		copy_out(to, v.bytes + offset, len);
		bytes_commit(out, len);
	}
	object_leave(lane);
	return error;
}

enum sabir_error memory_copy(struct lane *lane, uint64_t handle, uint64_t offset, uint64_t len, void *to)
{
	struct view v;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, offset, len, &v);
	if (error)
		return error;
	fence_acquire();
	copy_out(to, v.bytes + offset, len);
	object_leave(lane);
	return SABIR_OK;
}

enum sabir_error memory_write(struct lane *lane, uint64_t handle, uint64_t offset, struct span bytes)
{
	struct view v;
	enum sabir_error error = enter(lane, SEG_OP_BLOCK_WRITE, handle, offset, bytes.len, &v);
	if (error)
		return error;
	lane_publishes(lane);
	copy_in(v.bytes + offset, bytes.data, bytes.len);
	/* Before the looks at who watches and who waits, as there is no lock and no swap that orders them. */
	fence_full();
	FAULT("memory.written");
	change_note(lane, object_index(handle), CHANGE_SET, offset, bytes.len);
	event_notify(lane->seg, object_index(handle), SEG_EVENT_ITEMS, INT32_MAX);
	object_leave(lane);
	return SABIR_OK;
}

enum sabir_error memory_map(struct lane *lane, uint64_t handle, void **bytes, uint64_t *size)
{
	struct view v;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, 0, 0, &v);
	if (error)
		return error;
	object_leave(lane);
	*bytes = v.bytes;
	*size = v.size;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	uint64_t room = arena_max_block(lane->seg) + sizeof(struct seg_block) - sizeof(struct seg_memory);
	struct seg_block *block;
	(void)index;
	if (spec->length > room)
		return SABIR_TOO_LARGE;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_memory), spec->length, 0, &block);
	if (error)
		return error;
	struct seg_memory *m = (struct seg_memory *)block;
	m->size = spec->length;
	memset(m + 1, 0, spec->length);
	*body = block;
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct view v;
	if (!look(lane->seg, index, object, &v)) {
		object_damaged(object);
		return;
	}
	info->length = v.size;
	info->memory_bytes = block_size(lane->seg, load32_relaxed(&object->body));
}

const struct object_kind memory_kind = { .create = create, .describe = describe };
