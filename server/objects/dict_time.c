/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries that end.
 *
 * The end stands in the version, so it is published with the value, and a reader sees both or neither: who finds a version
 * whose end has come answers as if the key were missing, whether or not the entry is still there. To find what is due, the
 * versions that end are in a skip list by their ends, under the lock: a version comes into it in the transaction that makes
 * it the dict's, and leaves it in the one that takes it out, so settling a dead writer's work needs nothing of its own.
 *
 * body->alarm is never later than the first end: lowered before a version is published, raised when what was due is out. A
 * dict without such entries has UINT64_MAX there, and that one look is all that they cost it. The count is that of
 * the entries that are still there; it is true while the alarm lies ahead, and who wants it later removes first what is
 * due. The clock is that of task queues.
 */
#include <limits.h>

#include "server/base/fault.h"
#include "server/objects/dict_parts.h"
#include "server/objects/skip.h"
#include "server/objects/task_queue.h"

/* What one holder of the lock removes: others shall not wait for long. */
#define DUE_PER_LOCK 256u

static struct skip timed(const struct dict *d)
{
	return (struct skip){ d->lane, d->index, d->body->timed, offsetof(struct seg_timed, end) };
}

uint64_t dict_end_after(uint64_t ttl_ns)
{
	uint64_t now = task_clock();
	if (!ttl_ns)
		return 0;
	return ttl_ns < INT64_MAX - now ? now + ttl_ns : INT64_MAX;
}

uint64_t dict_version_ends(const struct dict *d, const struct seg_version *version)
{
	uint32_t ref = segment_ref(d->seg, version);
	if (!(load64_relaxed(&version->seq) & SEG_VERSION_TIMED))
		return 0;
	const struct seg_timed *t = segment_at(d->seg, ref, sizeof(*t));
	uint64_t ends = t && block_size(d->seg, ref) >= sizeof(*t) ? load64_relaxed((const uint64_t *)&t->end.key) : 0;
	return ends ? ends : UINT64_MAX;
}

enum sabir_error dict_time_insert(const struct dict *d, struct seg_version *version, uint64_t ends)
{
	const struct skip set = timed(d);
	struct seg_timed *t = (struct seg_timed *)version;
	uint64_t ordinal = load64_relaxed(&d->body->next_timed);
	if (!ends)
		return SABIR_OK;
	t->end.ordinal = ordinal;
	enum sabir_error error = skip_insert(&set, segment_ref(d->seg, version));
	if (error)
		return error;
	journal_store64(d->lane, &d->body->next_timed, ordinal + 1);
	/* Too early, if the write is rolled back; that costs one look. */
	if (ends < load64_relaxed(&d->body->alarm))
		store64_release(&d->body->alarm, ends);
	return SABIR_OK;
}

void dict_time_remove(const struct dict *d, struct seg_version *version)
{
	const struct skip set = timed(d);
	/* If it is not there, memory is damaged; what leads to it then will be found to be none of ours. */
	if (load64_relaxed(&version->seq) & SEG_VERSION_TIMED)
		(void)skip_remove(&set, segment_ref(d->seg, version));
}

void dict_time_clear(const struct dict *d)
{
	if (load64_relaxed(&d->body->alarm) == DICT_NEVER)
		return;
	for (uint32_t i = 0; i < SEG_SKIP_LEVELS; i++)
		journal_store32(d->lane, &d->body->timed[i], 0);
	journal_store64(d->lane, &d->body->alarm, DICT_NEVER);
}

bool dict_is_due(const struct dict *d)
{
	uint64_t alarm = load64_acquire(&d->body->alarm);
	return alarm != DICT_NEVER && alarm <= task_clock();
}

/* The first entry that ends, *found->ends = DICT_NEVER if there is none. */
static enum sabir_error first_to_end(const struct dict *d, struct dict_found *found)
{
	uint32_t ref = load32_relaxed(&d->body->timed[0]);
	found->ends = DICT_NEVER;
	if (!ref)
		return SABIR_OK;
	found->version = dict_block(d, ref, sizeof(struct seg_timed));
	found->node = found->version ? dict_block(d, load32_relaxed(&found->version->node), sizeof(*found->node))
				     : NULL;
	if (!found->node || load32_relaxed(&found->node->block.next) != ref)
		return SABIR_DATA_LOSS;
	found->ends = dict_version_ends(d, found->version);
	return found->ends && found->ends != DICT_NEVER ? SABIR_OK : SABIR_DATA_LOSS;
}

enum sabir_error dict_drop_due(const struct dict *d, bool *more)
{
	uint64_t now = task_clock();
	struct dict_found first;
	struct dict_write w;
	uint32_t n = 0;
	enum sabir_error error;
	while (!(error = first_to_end(d, &first)) && first.ends <= now && n < DUE_PER_LOCK) {
		dict_write_begin(d, &w);
		dict_remove(d, &w, &first);
		error = dict_publish(d, &w);
		if (error)
			return error;
		FAULT("dict_time.dropped");
		n++;
	}
	if (error)
		return error;
	/* Who sees it raised sees the count without what was due. */
	store64_release(&d->body->alarm, first.ends);
	FAULT("dict_time.alarm_set");
	if (n)
		event_notify(d->seg, d->index, SEG_EVENT_ITEMS, INT_MAX);
	*more = first.ends <= now;
	return SABIR_OK;
}

enum sabir_error dict_lock_current(const struct dict *d)
{
	bool more = true;
	for (;;) {
		enum sabir_error error = dict_lock(d);
		if (error || !dict_is_due(d))
			return error;
		error = dict_drop_due(d, &more);
		if (!error && !more)
			return SABIR_OK;
		dict_unlock(d);
		if (error)
			return object_damaged(d->object);
	}
}

/* ---------------------------------------------------------------- the server's part */

/* Within an operation, so that the body is no other object's by the time it is read. */
bool dict_alarm(struct lane *lane, uint32_t index, uint64_t *handle, uint64_t *at_ns)
{
	struct dict d;
	uint64_t entry = object_handle_of(lane->seg, index);
	if (dict_enter(lane, SEG_OP_READ, entry, &d))
		return false;
	*at_ns = load64_acquire(&d.body->alarm);
	*handle = entry;
	object_leave(lane);
	return true;
}

enum sabir_error dict_remove_due(struct lane *lane, uint64_t handle)
{
	struct dict d;
	bool more;
	enum sabir_error error = dict_enter(lane, SEG_OP_DICT_WRITE, handle, &d);
	if (error)
		return error;
	error = dict_lock(&d);
	if (!error) {
		error = dict_is_due(&d) ? dict_drop_due(&d, &more) : SABIR_OK;
		if (error)
			error = object_damaged(d.object);
		dict_unlock(&d);
	}
	object_leave(lane);
	return error;
}
