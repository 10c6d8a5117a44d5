/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references in a task queue, for the collector: its sets, a portion of each at a time under the lock. An item that
 * goes from one set to another passes refs_enter (tasks_link); one that stays is met in its place. What is leased or
 * delayed is in `time`.
 */
#include "server/objects/task_parts.h"

#define PORTION 256u

struct scan {
	value_ref_fn *visit;
	void *context;
	int64_t key; /* where the next portion begins */
	uint64_t ordinal;
	bool more;
};

static enum sabir_error show_some(const struct tasks *q, const struct skip *set, struct scan *s)
{
	uint32_t ref;
	enum sabir_error error = skip_find(set, s->key, s->ordinal, &ref);
	for (uint32_t n = 0; !error && ref && n < PORTION; n++) {
		struct span value;
		struct seg_task *item = tasks_item_value(q, ref, &value);
		struct seg_skip *node = skip_node(set, ref);
		if (!item || !node || !skip_pass(node, &s->key, &s->ordinal))
			return SABIR_DATA_LOSS;
		value_refs(value, s->visit, s->context);
		ref = load32_relaxed(&node->next[0]);
	}
	s->more = !error && ref;
	return error;
}

static enum sabir_error scan_set(struct lane *lane, uint64_t handle, struct skip (*set_of)(const struct tasks *q),
				 struct scan *s)
{
	struct tasks q;
	enum sabir_error error = SABIR_OK;
	s->key = INT64_MIN;
	s->ordinal = 0;
	do {
		error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
		if (error)
			return error;
		const struct skip set = set_of(&q);
		error = show_some(&q, &set, s);
		error = tasks_leave(&q, error);
	} while (!error && s->more);
	return error;
}

enum sabir_error tasks_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context)
{
	struct scan s = { .visit = visit, .context = context };
	enum sabir_error error = scan_set(lane, handle, tasks_ready, &s);
	if (!error)
		error = scan_set(lane, handle, tasks_dead, &s);
	return error ? error : scan_set(lane, handle, tasks_timed, &s);
}
