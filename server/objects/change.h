/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_CHANGE_H
#define SABIR_OBJECTS_CHANGE_H

#include "server/objects/object.h"

/*
 * The changes of an object that somebody watches. Nothing is written for one that nobody watches: then a change costs
 * two loads, of a part three.
 *
 * What a kind does: behind the store that publishes a change, in the same operation (and, where there is a lock, under it),
 * it calls change_note. The store is sequentially consistent or a compare-and-swap, or the object's lock is held.
 * Who dies in an operation on the object leaves a gap instead (change_recover), which tells the watchers to look at all of it.
 */
enum change_what { /* as ChangeKind in proto/sabir/v1/watch.proto */
		   CHANGE_OTHER = 0,
		   CHANGE_SET = 1,
		   CHANGE_DELETED = 2,
		   CHANGE_CLEARED = 3,
		   CHANGE_PUT = 4,
		   CHANGE_TAKEN = 5,
		   CHANGE_ACQUIRED = 6,
		   CHANGE_RELEASED = 7,
		   CHANGE_SIGNALLED = 8,
		   CHANGE_UNSIGNALLED = 9,
		   CHANGE_CLOSED = 10,
		   CHANGE_TTL = 11,
};

struct change {
	uint64_t sequence;
	uint32_t what;
	uint32_t key_len;
	uint64_t first; /* index, end of a pipe */
	uint64_t count; /* 0 with an index: not known how many */
	uint8_t key[SEG_CHANGE_KEY_MAX];
};

/* For the functions below. The log of the object, or of what it is a part of. */
__attribute__((noinline, cold)) void change_note_slow(struct lane *lane, uint32_t index, uint32_t what, uint64_t first,
						      uint64_t count);

static inline bool change_watched(const struct seg_object *object)
{
	/* Pairs with the swap in change_open: either it is seen here, or its snapshot sees what was changed before. */
	return load64_seq(&object->changes) != 0;
}

/* The same for what the object is a part of: a pipe's watchers are told of its queues. */
static inline bool change_whole_watched(const struct segment *seg, const struct seg_object *object)
{
	uint32_t whole = object_index(load64_relaxed(&object->part_of));
	return whole && (whole >= seg->n_objects || change_watched(&seg->objects[whole]));
}

/* In an operation, behind its publishing store. */
static inline void change_note(struct lane *lane, uint32_t index, uint32_t what, uint64_t first, uint64_t count)
{
	const struct segment *seg = lane->seg;
	const struct seg_object *object = &seg->objects[index];
	if (__builtin_expect(!change_watched(object) && !change_whole_watched(seg, object), 1))
		return;
	change_note_slow(lane, index, what, first, count);
}
/* The same for a key; one that is too long, or NULL, is any key. */
void change_note_key(struct lane *lane, uint32_t index, uint32_t what, struct span key);

/* ---- watching */

struct change_page {
	bool snapshot; /* the state is to be read after this; there are no changes */
	bool lost;     /* and these were lost before it: */
	uint64_t lost_from;
	uint64_t lost_to;
	uint64_t last; /* to ask from next */
	uint32_t n;
};
/*
 * Up to `max` > 0 changes behind `after`, in the order of their sequences; 0: a snapshot. The object is watched from here
 * on. Errors: WOULD_BLOCK (none: wait on SEG_EVENT_CHANGED), RESOURCE_EXHAUSTED, BUSY, NOT_FOUND, DELETED, DATA_LOSS.
 */
enum sabir_error change_read(struct lane *lane, uint64_t handle, uint64_t after, uint32_t max, struct change *changes,
			     struct change_page *page);

/* Whether there may be something behind `after`, which is not 0. Looks without an operation, as object_kind.ready. */
bool change_ready(const struct segment *seg, uint64_t handle, uint64_t after);

/* For object_ttl: when a log may be at its end, 0 = there is none; ends it if nobody has asked or waited. */
#define CHANGE_IDLE_NS 60000000000ull
uint64_t change_end_ns(const struct segment *seg, uint32_t index);
void change_expire(struct lane *lane, uint64_t handle, uint64_t now_ns);
/* Bytes that it takes. */
uint64_t change_memory(const struct segment *seg, const struct seg_object *object);
/* For recover, before the object's lock is released and all who wait for it are woken: the dead lane was in an operation on it. */
void change_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index);
/* The same for a second object that the operation wrote to. */
void change_recover_other(struct lane *by, uint32_t dead_id, uint32_t index);

#endif
