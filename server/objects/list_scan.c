/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references in a list, for the collector.
 *
 * Elements change their places and pass no mark when they do, so one state of the list has to be seen as a whole: the same
 * `top` before and behind the walk says that it was, as for every reader (list_read.c). After some attempts the walk is
 * done under the lock, which keeps writers waiting for as long as a page of all elements would. What is shown of a walk
 * that does not count is shown for nothing.
 */
#include "server/objects/list_parts.h"

#define TRIES 4u

struct scan {
	value_ref_fn *visit;
	void *context;
};

/* An element that stands in its entry is shorter than any handle. */
static enum sabir_error show(const struct list *l, void *context, uint64_t entry)
{
	struct scan *s = context;
	uint8_t small[8];
	struct span value;
	if (list_inline_len(entry))
		return SABIR_OK;
	enum sabir_error error = list_value(l, entry, small, &value);
	if (!error)
		value_refs(value, s->visit, s->context);
	return error;
}

/* BUSY: it was changed meanwhile. */
static enum sabir_error scan_once(const struct list *l, struct scan *s)
{
	uint64_t tree, top = load64_acquire(&l->body->top);
	uint32_t level;
	enum sabir_error error = list_tree(l, top, &tree, &level);
	if (!error)
		error = list_walk(l, tree, level, 0, list_elements(tree), show, s);
	fence_acquire();
	return load64_relaxed(&l->body->top) == top ? error : SABIR_BUSY;
}

static enum sabir_error scan_locked(const struct list *l, struct scan *s)
{
	enum sabir_error error = list_lock(l);
	if (error)
		return error;
	error = scan_once(l, s);
	list_unlock(l);
	return error;
}

enum sabir_error list_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context)
{
	struct scan s = { visit, context };
	struct list l;
	enum sabir_error error = list_enter(lane, SEG_OP_READ, handle, &l);
	if (error)
		return error;
	error = SABIR_BUSY;
	for (uint32_t i = 0; i < TRIES && error == SABIR_BUSY; i++)
		error = scan_once(&l, &s);
	if (error == SABIR_BUSY)
		error = scan_locked(&l, &s);
	if (error == SABIR_DATA_LOSS)
		error = object_damaged(l.object);
	object_leave(lane);
	return error;
}
