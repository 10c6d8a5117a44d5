/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared array: a fixed number of elements of one type, right behind the header of the object's one block.
 *
 * An element is naturally aligned, because the block is aligned to 64 bytes and its header is 64 bytes long. Each
 * change of one element is one exchange or compare-and-swap in the element's width: there is no state between,
 * nothing to lock and nothing to recover but a wake-up. Who meets a slice that is being written says so behind his
 * change (array_settle), for the case that its writer dies. Slices are in array_slice.c.
 *
 * The header never changes after the array was made, but it lies in memory that others can write. So each operation
 * reads it once and checks that what it says fits into the block before it touches an element.
 */
#include "server/objects/array.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/array_parts.h"
#include "server/objects/change.h"

/* ---------------------------------------------------------------- in and out */

bool array_look(const struct segment *seg, uint32_t index, struct seg_object *object, struct array_view *a)
{
	uint32_t ref = load32_relaxed(&object->body);
	struct seg_array *body = segment_at(seg, ref, sizeof(*body));
	uint64_t room = block_size(seg, ref);
	if (!body || room < sizeof(*body))
		return false;
	uint64_t word = load64_acquire(&body->block.word);
	uint32_t type_code = load32_relaxed(&body->type_code);
	uint32_t width = load32_relaxed(&body->width);
	uint64_t length = load64_relaxed(&body->length);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != index)
		return false;
	if (!width || width != scalar_width(type_code) || length > (room - sizeof(*body)) / width)
		return false;
	*a = (struct array_view){
		.object = object,
		.elements = (uint8_t *)(body + 1),
		.length = length,
		.width = width,
		.type_code = type_code,
		.index = index,
	};
	return true;
}

enum sabir_error array_enter(struct lane *lane, uint32_t op, uint64_t handle, struct array_view *a)
{
	struct seg_object *object;
	struct seg_array *body;
	enum sabir_error error = object_enter(lane, op, handle, SEG_KIND_ARRAY, sizeof(*body), &object, &body);
	if (error)
		return error;
	if (array_look(lane->seg, object_index(handle), object, a))
		return SABIR_OK;
	error = object_damaged(object);
	object_leave(lane);
	return error;
}

/* `at` held `was` before, if it was changed. */
static enum sabir_error leave(struct lane *lane, const struct array_view *a, bool changed, const uint8_t *at,
			      uint64_t was)
{
	FAULT("array.changed");
	if (changed) {
		array_settle(lane->seg, a, at, was);
		FAULT("array.settled");
		change_note(lane, a->index, CHANGE_SET, a->element, 1);
		event_notify(lane->seg, a->index, SEG_EVENT_ITEMS, INT32_MAX);
	}
	FAULT("array.notified");
	object_leave(lane);
	return SABIR_OK;
}

/* array_enter, and the element's address. On failure no operation is begun. */
static enum sabir_error enter_element(struct lane *lane, uint32_t op, uint64_t handle, int64_t index,
				      struct array_view *a, uint8_t **at)
{
	enum sabir_error error = array_enter(lane, op, handle, a);
	if (error)
		return error;
	/* Below 2^32 by array_look, so the signed sum can't overflow. */
	int64_t i = index < 0 ? index + (int64_t)a->length : index;
	if (i < 0 || (uint64_t)i >= a->length) {
		object_leave(lane);
		return SABIR_OUT_OF_RANGE;
	}
	a->element = (uint64_t)i;
	*at = a->elements + (uint64_t)i * a->width;
	return SABIR_OK;
}

static enum sabir_error give_up(struct lane *lane, enum sabir_error error)
{
	object_leave(lane);
	return error;
}

/* ---------------------------------------------------------------- one element in its width */

uint64_t array_load_element(const struct array_view *a, const uint8_t *at)
{
	switch (a->width) {
	case 1:
		return load8_seq(at);
	case 2:
		return load16_seq((const uint16_t *)at);
	case 4:
		return load32_seq((const uint32_t *)at);
	default:
		return load64_seq((const uint64_t *)at);
	}
}

void array_store_element(const struct array_view *a, uint8_t *at, uint64_t bits)
{
	switch (a->width) {
	case 1:
		store8_relaxed(at, (uint8_t)bits);
		break;
	case 2:
		store16_relaxed((uint16_t *)at, (uint16_t)bits);
		break;
	case 4:
		store32_relaxed((uint32_t *)at, (uint32_t)bits);
		break;
	default:
		store64_relaxed((uint64_t *)at, bits);
		break;
	}
}

static uint64_t exchange_element(const struct array_view *a, uint8_t *at, uint64_t bits)
{
	switch (a->width) {
	case 1:
		return exchange8(at, (uint8_t)bits);
	case 2:
		return exchange16((uint16_t *)at, (uint16_t)bits);
	case 4:
		return exchange32((uint32_t *)at, (uint32_t)bits);
	default:
		return exchange64((uint64_t *)at, bits);
	}
}

bool array_swap_element(const struct array_view *a, uint8_t *at, uint64_t *expected, uint64_t bits)
{
	uint8_t e8 = (uint8_t)*expected;
	uint16_t e16 = (uint16_t)*expected;
	uint32_t e32 = (uint32_t)*expected;
	bool done;
	switch (a->width) {
	case 1:
		done = cas8(at, &e8, (uint8_t)bits);
		*expected = e8;
		return done;
	case 2:
		done = cas16((uint16_t *)at, &e16, (uint16_t)bits);
		*expected = e16;
		return done;
	case 4:
		done = cas32((uint32_t *)at, &e32, (uint32_t)bits);
		*expected = e32;
		return done;
	default:
		return cas64((uint64_t *)at, expected, bits);
	}
}

/* ---------------------------------------------------------------- operations on one element */

enum sabir_error array_len(struct lane *lane, uint64_t handle, uint64_t *length, uint32_t *type_code)
{
	void *elements;
	return array_map(lane, handle, &elements, length, type_code);
}

enum sabir_error array_get(struct lane *lane, uint64_t handle, int64_t index, struct scalar *value)
{
	struct array_view a;
	uint8_t *at;
	enum sabir_error error = enter_element(lane, SEG_OP_READ, handle, index, &a, &at);
	if (error)
		return error;
	/* Pairs with the exchanges and swaps below: who sees an element also sees what its writer did before. */
	uint64_t bits = array_load_element(&a, at);
	object_leave(lane);
	scalar_decode(a.type_code, bits, value);
	return SABIR_OK;
}

enum sabir_error array_set(struct lane *lane, uint64_t handle, int64_t index, const struct scalar *value)
{
	struct array_view a;
	uint64_t bits;
	uint8_t *at;
	enum sabir_error error = enter_element(lane, SEG_OP_VALUE_WRITE, handle, index, &a, &at);
	if (error)
		return error;
	error = scalar_encode(a.type_code, value, &bits);
	if (error)
		return give_up(lane, error);
	array_settle(lane->seg, &a, at, array_load_element(&a, at));
	FAULT("array.changing");
	lane_publishes(lane);
	uint64_t was = exchange_element(&a, at, bits);
	return leave(lane, &a, true, at, was);
}

enum sabir_error array_add(struct lane *lane, uint64_t handle, int64_t index, const struct scalar *delta,
			   struct scalar *value)
{
	struct array_view a;
	uint8_t *at;
	enum sabir_error error = enter_element(lane, SEG_OP_VALUE_WRITE, handle, index, &a, &at);
	if (error)
		return error;
	uint64_t sum, found = array_load_element(&a, at);
	do {
		error = scalar_add(a.type_code, found, delta, &sum);
		if (error)
			return give_up(lane, error);
		array_settle(lane->seg, &a, at, found);
		FAULT("array.changing");
		lane_publishes(lane);
	} while (!array_swap_element(&a, at, &found, sum));
	scalar_decode(a.type_code, sum, value);
	return leave(lane, &a, true, at, found);
}

enum sabir_error array_compare_exchange(struct lane *lane, uint64_t handle, int64_t index,
					const struct scalar *expected, const struct scalar *desired, bool *exchanged,
					struct scalar *found)
{
	struct array_view a;
	uint64_t there, bits;
	uint8_t *at;
	enum sabir_error error = enter_element(lane, SEG_OP_VALUE_WRITE, handle, index, &a, &at);
	if (error)
		return error;
	error = scalar_encode(a.type_code, expected, &there);
	if (!error)
		error = scalar_encode(a.type_code, desired, &bits);
	if (error)
		return give_up(lane, error);
	array_settle(lane->seg, &a, at, array_load_element(&a, at));
	FAULT("array.changing");
	lane_publishes(lane);
	bool swapped = array_swap_element(&a, at, &there, bits);
	scalar_decode(a.type_code, there, found);
	*exchanged = swapped;
	return leave(lane, &a, swapped, at, there);
}

enum sabir_error array_map(struct lane *lane, uint64_t handle, void **elements, uint64_t *length, uint32_t *type_code)
{
	struct array_view a;
	enum sabir_error error = array_enter(lane, SEG_OP_READ, handle, &a);
	if (error)
		return error;
	object_leave(lane);
	*elements = a.elements;
	*length = a.length;
	*type_code = a.type_code;
	return SABIR_OK;
}

enum sabir_error array_get_lock(struct lane *lane, uint64_t handle, uint64_t *lock)
{
	struct object_spec spec = { .kind = SEG_KIND_RLOCK };
	struct array_view a;
	enum sabir_error error = array_enter(lane, SEG_OP_READ, handle, &a);
	if (error)
		return error;
	object_leave(lane);
	return object_part(lane, handle, 0, &spec, lock);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error check_spec(const struct segment *seg, const struct object_spec *spec)
{
	uint64_t width = scalar_width(spec->type_code);
	uint64_t room = arena_max_block(seg) + sizeof(struct seg_block) - sizeof(struct seg_array);
	if (!width || spec->initial.len % width)
		return SABIR_INVALID_ARGUMENT;
	if (spec->length > room / width)
		return SABIR_TOO_LARGE;
	if (spec->initial.len / width > spec->length)
		return SABIR_OUT_OF_RANGE;
	return scalar_check(spec->type_code, spec->initial.data, spec->initial.len / width);
}

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	uint32_t width = scalar_width(spec->type_code);
	uint64_t n_bytes = spec->length * width; /* looked at after the check */
	(void)index;
	enum sabir_error error = check_spec(lane->seg, spec);
	if (!error)
		error = block_alloc_zeroed(lane, sizeof(struct seg_array), n_bytes, 0, &block);
	if (error)
		return error;
	struct seg_array *a = (struct seg_array *)block;
	a->type_code = spec->type_code;
	a->width = width;
	a->length = spec->length;
	uint8_t *elements = (uint8_t *)(a + 1);
	if (spec->initial.len)
		memcpy(elements, spec->initial.data, spec->initial.len);
	memset(elements + spec->initial.len, 0, n_bytes - spec->initial.len);
	*body = block;
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct array_view a;
	if (!array_look(lane->seg, index, object, &a)) {
		object_damaged(object);
		return;
	}
	info->length = a.length;
	info->type_code = a.type_code;
	info->memory_bytes = block_size(lane->seg, load32_relaxed(&object->body));
}

static uint64_t *part(const struct segment *seg, struct seg_object *object, uint32_t n)
{
	struct seg_array *a = object_body(seg, object, sizeof(*a));
	return a && n == 0 ? &a->lock : NULL;
}

const struct object_kind array_kind = {
	.create = create, .recover = array_recover, .describe = describe, .part = part
};
