/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_PIPE_PARTS_H
#define SABIR_OBJECTS_PIPE_PARTS_H

#include "server/objects/pipe.h"

/* What the pipe's files share. An operation's view of its pipe: */
struct pipe {
	struct lane *lane;
	struct segment *seg;
	struct seg_object *object;
	struct seg_pipe *body;
	uint32_t index;
	uint64_t handle;
};

enum sabir_error pipe_enter(struct lane *lane, uint32_t op, uint64_t handle, struct pipe *p);
void pipe_leave(struct pipe *p);

static inline bool pipe_bit(const uint16_t *bits, uint32_t end)
{
	return load16_acquire(bits) >> end & 1;
}

/* The queue of what the end receives; 0: it has none, or the word leads to somebody else's. */
static inline uint64_t pipe_queue(const struct pipe *p, uint32_t end)
{
	uint64_t queue = load64_acquire(&p->body->queue[end]);
	uint32_t index = object_index(queue);
	if (!index || index >= p->seg->n_objects)
		return 0;
	/* One that is gone is nobody else's: the queue's operations say that it is gone. */
	bool its = load64_relaxed(&p->seg->objects[index].part_of) == p->handle ||
		   object_handle_of(p->seg, index) != queue;
	return its ? queue : 0;
}

/* How often the end is held: by `owner`, or by anybody if that is 0. Errors: DATA_LOSS. */
enum sabir_error pipe_holders(const struct pipe *p, uint32_t end, uint64_t owner, uint32_t *n);
/*
 * Tells the queues of the ends that are closed. Outside operations; can be done again. Errors: BUSY (one of them is not
 * emptied yet: somebody has its lock).
 */
enum sabir_error pipe_tell(struct lane *lane, uint64_t handle);
enum sabir_error pipe_owner_gone(struct lane *by, uint64_t handle, uint64_t owner);
enum sabir_error pipe_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			      struct seg_object *object);
/* Whether anybody holds an end. */
bool pipe_held(struct lane *lane, uint32_t index, struct seg_object *object);
/* Frees the lists of holders. */
void pipe_destroy(struct lane *lane, uint32_t index, struct seg_object *object);

#endif
