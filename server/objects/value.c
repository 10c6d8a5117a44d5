/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared value: one 64-bit word with a type.
 *
 * Every change is one exchange or compare-and-swap of that word, so there is no state between before and after, no
 * lock and nothing to recover but a wake-up. The type never changes. The bits above the type's width are 0 unless
 * somebody has damaged them: they are cut off when read, and the next change sets them to 0 again.
 */
#include "server/objects/value.h"

#include "server/base/fault.h"
#include "server/objects/change.h"

struct access {
	struct seg_object *object;
	uint64_t *bits;
	uint32_t index;
	uint32_t type_code;
};

static enum sabir_error enter(struct lane *lane, uint32_t op, uint64_t handle, struct access *a)
{
	struct seg_value *v;
	enum sabir_error error = object_enter(lane, op, handle, SEG_KIND_VALUE, sizeof(*v), &a->object, &v);
	if (error)
		return error;
	a->index = object_index(handle);
	a->bits = &v->bits;
	a->type_code = load32_relaxed(&v->type_code);
	if (scalar_width(a->type_code))
		return SABIR_OK;
	error = object_damaged(a->object);
	object_leave(lane);
	return error;
}

static enum sabir_error leave(struct lane *lane, const struct access *a, bool changed)
{
	FAULT("value.changed");
	if (changed) {
		change_note(lane, a->index, CHANGE_SET, 0, 0);
		event_notify(lane->seg, a->index, SEG_EVENT_ITEMS, INT32_MAX);
	}
	FAULT("value.notified");
	object_leave(lane);
	return SABIR_OK;
}

static enum sabir_error give_up(struct lane *lane, enum sabir_error error)
{
	object_leave(lane);
	return error;
}

enum sabir_error value_get(struct lane *lane, uint64_t handle, struct scalar *value)
{
	struct access a;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &a);
	if (error)
		return error;
	/* Pairs with the exchanges and swaps below: who sees a value also sees what its writer did before. */
	uint64_t bits = load64_seq(a.bits);
	object_leave(lane);
	scalar_decode(a.type_code, bits, value);
	return SABIR_OK;
}

enum sabir_error value_set(struct lane *lane, uint64_t handle, const struct scalar *value)
{
	struct scalar previous;
	return value_exchange(lane, handle, value, &previous);
}

enum sabir_error value_exchange(struct lane *lane, uint64_t handle, const struct scalar *desired,
				struct scalar *previous)
{
	struct access a;
	uint64_t bits;
	enum sabir_error error = enter(lane, SEG_OP_VALUE_WRITE, handle, &a);
	if (error)
		return error;
	error = scalar_encode(a.type_code, desired, &bits);
	if (error)
		return give_up(lane, error);
	FAULT("value.changing");
	lane_publishes(lane);
	scalar_decode(a.type_code, exchange64(a.bits, bits), previous);
	return leave(lane, &a, true);
}

enum sabir_error value_add(struct lane *lane, uint64_t handle, const struct scalar *delta, struct scalar *value)
{
	struct access a;
	enum sabir_error error = enter(lane, SEG_OP_VALUE_WRITE, handle, &a);
	if (error)
		return error;
	uint64_t sum, found = load64_relaxed(a.bits);
	lane_publishes(lane);
	do {
		error = scalar_add(a.type_code, found, delta, &sum);
		if (error)
			return give_up(lane, error);
		FAULT("value.changing");
	} while (!cas64(a.bits, &found, sum));
	scalar_decode(a.type_code, sum, value);
	return leave(lane, &a, true);
}

/* Swaps whatever has the wanted bits in its width; returns what was found last. */
static uint64_t swap_bits(const struct access *a, uint64_t wanted, uint64_t desired, bool *swapped)
{
	uint32_t width = scalar_width(a->type_code);
	uint64_t mask = UINT64_MAX >> (64 - 8 * width);
	uint64_t found = load64_seq(a->bits);
	*swapped = false;
	while ((found & mask) == wanted && !*swapped) {
		FAULT("value.changing");
		*swapped = cas64(a->bits, &found, desired);
	}
	return found;
}

enum sabir_error value_compare_exchange(struct lane *lane, uint64_t handle, const struct scalar *expected,
					const struct scalar *desired, bool *exchanged, struct scalar *found)
{
	struct access a;
	uint64_t wanted, bits;
	enum sabir_error error = enter(lane, SEG_OP_VALUE_WRITE, handle, &a);
	if (error)
		return error;
	error = scalar_encode(a.type_code, expected, &wanted);
	if (!error)
		error = scalar_encode(a.type_code, desired, &bits);
	if (error)
		return give_up(lane, error);
	bool swapped;
	lane_publishes(lane);
	scalar_decode(a.type_code, swap_bits(&a, wanted, bits, &swapped), found);
	*exchanged = swapped;
	return leave(lane, &a, swapped);
}

enum sabir_error value_get_lock(struct lane *lane, uint64_t handle, uint64_t *lock)
{
	struct object_spec spec = { .kind = SEG_KIND_RLOCK };
	struct access a;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &a);
	if (error)
		return error;
	object_leave(lane);
	return object_part(lane, handle, 0, &spec, lock);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error initial_bits(const struct object_spec *spec, uint64_t *bits)
{
	uint32_t width = scalar_width(spec->type_code);
	*bits = 0;
	if (!width || (spec->initial.len && spec->initial.len != width))
		return SABIR_INVALID_ARGUMENT;
	for (uint32_t i = 0; i < spec->initial.len; i++)
		*bits |= (uint64_t)spec->initial.data[i] << 8 * i;
	return spec->initial.len ? scalar_check(spec->type_code, spec->initial.data, 1) : SABIR_OK;
}

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	uint64_t bits;
	(void)index;
	enum sabir_error error = initial_bits(spec, &bits);
	if (!error)
		error = block_alloc_zeroed(lane, sizeof(struct seg_value), 0, 0, &block);
	if (error)
		return error;
	struct seg_value *v = (struct seg_value *)block;
	v->type_code = spec->type_code;
	v->bits = bits;
	*body = block;
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	uint32_t ref = load32_relaxed(&object->body);
	const struct seg_value *v = segment_at(lane->seg, ref, sizeof(*v));
	(void)index;
	info->length = 1;
	info->type_code = v ? load32_relaxed(&v->type_code) : 0;
	info->memory_bytes = block_size(lane->seg, ref);
	if (!scalar_width(info->type_code))
		object_damaged(object);
}

static uint64_t *part(const struct segment *seg, struct seg_object *object, uint32_t n)
{
	struct seg_value *v = object_body(seg, object, sizeof(*v));
	return v && n == 0 ? &v->lock : NULL;
}

const struct object_kind value_kind = { .create = create, .describe = describe, .part = part };
