/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared event: one word that holds the flag and how often it was set.
 *
 * Every change is one compare-and-swap of that word, so there is nothing to recover but a wake-up. A wait remembers the
 * count from its beginning: a flag that was set and cleared at once has ended it all the same, as with Python's Event.
 */
#include "server/objects/signal.h"

#include "server/base/fault.h"
#include "server/objects/change.h"

#define IS_SET 1ull

static enum sabir_error enter(struct lane *lane, uint32_t op, uint64_t handle, uint64_t **state)
{
	struct seg_object *object;
	struct seg_signal *body;
	enum sabir_error error = object_enter(lane, op, handle, SEG_KIND_EVENT, sizeof(*body), &object, &body);
	if (!error)
		*state = &body->state;
	return error;
}

enum sabir_error signal_set(struct lane *lane, uint64_t handle)
{
	uint64_t *state;
	enum sabir_error error = enter(lane, SEG_OP_SYNC, handle, &state);
	if (error)
		return error;
	uint64_t found = load64_seq(state);
	bool was_set;
	lane_publishes(lane);
	while (!(was_set = found & IS_SET) && !cas64(state, &found, (found + 2) | IS_SET))
		;
	FAULT("signal.set");
	if (!was_set)
		change_note(lane, object_index(handle), CHANGE_SIGNALLED, 0, 0);
	/* Also if it was set already: whoever set it may be dead, and not yet have told. */
	event_notify(lane->seg, object_index(handle), SEG_EVENT_ITEMS, INT32_MAX);
	FAULT("signal.told");
	object_leave(lane);
	return SABIR_OK;
}

enum sabir_error signal_clear(struct lane *lane, uint64_t handle)
{
	uint64_t *state;
	enum sabir_error error = enter(lane, SEG_OP_SYNC, handle, &state);
	if (error)
		return error;
	lane_publishes(lane);
	bool was_set = fetch_and64(state, ~IS_SET) & IS_SET;
	FAULT("signal.cleared");
	if (was_set)
		change_note(lane, object_index(handle), CHANGE_UNSIGNALLED, 0, 0);
	object_leave(lane);
	return SABIR_OK;
}

enum sabir_error signal_is_set(struct lane *lane, uint64_t handle, bool *set)
{
	uint64_t *state;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &state);
	if (error)
		return error;
	/* Pairs with the swap in signal_set: who sees the flag also sees what was done before. */
	*set = load64_seq(state) & IS_SET;
	object_leave(lane);
	return SABIR_OK;
}

/* What a wait keeps: never 0. */
static uint64_t memory_of(uint64_t state)
{
	return (state >> 1) + 1;
}

static bool is_over(uint64_t state, uint64_t memory)
{
	return (state & IS_SET) || (memory && memory_of(state) != memory);
}

enum sabir_error signal_wait(struct lane *lane, uint64_t handle, uint64_t *memory)
{
	uint64_t *state;
	enum sabir_error error = enter(lane, SEG_OP_READ, handle, &state);
	if (error)
		return error;
	uint64_t found = load64_seq(state);
	object_leave(lane);
	if (is_over(found, *memory))
		return SABIR_OK;
	*memory = memory_of(found);
	return SABIR_WOULD_BLOCK;
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	(void)spec;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_signal), 0, 0, &block);
	if (error)
		return error;
	*body = block;
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	uint32_t ref = load32_relaxed(&object->body);
	const struct seg_signal *s = segment_at(lane->seg, ref, sizeof(*s));
	(void)index;
	info->length = s && (load64_relaxed(&s->state) & IS_SET);
	info->memory_bytes = block_size(lane->seg, ref);
}

static bool ready(const struct segment *seg, const struct seg_object *object, uint64_t memory)
{
	const struct seg_signal *s = object_body(seg, object, sizeof(*s));
	return !s || is_over(load64_seq(&s->state), memory);
}

const struct object_kind signal_kind = { .create = create, .describe = describe, .ready = ready };
