/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_H
#define SABIR_OBJECTS_OBJECT_H

#include "server/base/bytes.h"
#include "server/base/value.h"
#include "server/shm/arena.h"
#include "server/shm/event.h"

/*
 * What all kinds have in common: the table of objects, names, generations, life and death.
 *
 * A handle is index | generation << 32, never 0. Object 0 is the directory: a dict from name to handle.
 *
 * A kind's operations have one shape: they take the lane, a handle and their arguments, run between object_enter and
 * object_leave, never wait, and answer EMPTY, FULL or WOULD_BLOCK where a caller may want to wait: on an event of
 * `object_index(handle)`.
 */
struct task_spec {
	uint32_t discipline; /* SEG_TASK_FIFO, LIFO or PRIORITY */
	bool joinable;
	uint32_t max_attempts;    /* 0 = any number */
	uint64_t dedup_window_ns; /* 0 = ids are not looked at */
	uint64_t ttl_ns;          /* of items put without one; 0 = none */
};

struct object_spec {
	uint32_t kind;           /* SEG_KIND_* */
	uint32_t type_code;      /* value, array: the letter of Python's array and struct modules */
	uint64_t length;         /* array: elements; barrier: parties */
	uint64_t max_items;      /* queue, pipe (each way): 0 = limited by memory alone */
	uint64_t max_item_bytes; /* queue, pipe: 0 = the server's limit */
	uint32_t flags;          /* lock, semaphore: SEG_LOCK_*, SEG_SEMAPHORE_* */
	uint64_t over;           /* condition: handle of its lock; 0 = it gets an rlock of its own */
	struct span initial;     /* value: 0 or 1 element, array: up to `length` elements, little-endian */
	bool one_way;            /* pipe: end 0 receives and end 1 sends */
	uint64_t part_of;        /* for object_part alone */
	bool hidden; /* of what a server keeps for itself: see object_is_hidden; of a part its whole's kind says it */
	/* Not NULL: fills the object with what it begins with, before anybody can find it. An error undoes the create. */
	enum sabir_error (*fill)(struct lane *lane, uint64_t handle, const void *context);
	const void *fill_context;
	struct task_spec task;   /* task queue; max_items and max_item_bytes count too */
	struct span dead_letter; /* task queue: the name of the queue where spent items go; empty = none */
	uint64_t ttl_ns;         /* it ends by itself so long after it was made; 0 = it doesn't */
};

struct object_info {
	uint64_t handle;
	uint32_t kind;
	uint32_t type_code;
	uint64_t length; /* items, elements, entries; 1 for a value */
	uint64_t max_items;
	uint64_t max_item_bytes;
	uint64_t memory_bytes;
	uint64_t create_time_ns; /* CLOCK_REALTIME */
	uint32_t closed;
	uint32_t flags; /* as in the spec */
	uint64_t over;  /* condition: of its lock; 0 = its own */
	bool one_way;
	bool ephemeral;
	uint64_t ttl_ns; /* what is left of it; 0 = it has none */
	uint32_t name_len;
	char name[256];
	struct task_spec task;
	uint32_t dead_letter_len;
	char dead_letter[256];
};

/* Whether it is one of those answers. */
static inline bool error_would_wait(enum sabir_error error)
{
	return error == SABIR_EMPTY || error == SABIR_FULL || error == SABIR_WOULD_BLOCK;
}

/*
 * Its body, of `size` bytes, or NULL: what the entry leads to is not the object's, or not that large. Who goes where a damaged entry leads
 * would work on the body of another object, without its lock, or on what is behind a smaller block.
 */
static inline void *object_body(const struct segment *seg, const struct seg_object *object, size_t size)
{
	uint32_t ref = load32_acquire(&object->body);
	struct seg_block *body = segment_at(seg, ref, size);
	bool its = body && block_is_of(body, (uint32_t)(object - seg->objects)) && block_size(seg, ref) >= size;
	return its ? body : NULL;
}

static inline uint32_t object_index(uint64_t handle)
{
	return (uint32_t)handle;
}
/* The handle of what has the entry now, or had it last: for those who look for work, not for a program. */
static inline uint64_t object_handle_of(const struct segment *seg, uint32_t index)
{
	return (load64_seq(&seg->objects[index].word) & 0xffffffff00000000ull) | index;
}

/* 1 to 255 bytes of UTF-8 in segments divided by '/'; no empty, "." or ".." segment, no control character. */
enum sabir_error object_name_check(struct span name);

/* Makes the directory in a fresh segment. */
enum sabir_error object_init_directory(struct lane *lane);

/*
 * Makes an object; an empty name makes an anonymous one, which the lane's actor holds (object_hold). With `bind` it dies
 * with the lane's actor.
 * Errors: SESSION_REQUIRED (bind, and the actor is nobody), ALREADY_EXISTS (and *handle is the existing one),
 * INVALID_NAME, INVALID_ARGUMENT, TOO_LARGE, RESOURCE_EXHAUSTED, TOO_MANY_OWNERS (the table of objects is full).
 */
enum sabir_error object_create(struct lane *lane, struct span name, const struct object_spec *spec, bool bind,
			       uint64_t *handle);
/* Errors: NOT_FOUND, INVALID_NAME. */
enum sabir_error object_open(struct lane *lane, struct span name, uint64_t *handle);
/* Whether the handle leads to a living object, and that is of another kind. */
bool object_is_other(const struct segment *seg, uint64_t handle, uint32_t kind);
/* Whether it leads to one that is no client's; whoever uses it for himself has it from elsewhere than from a client. */
bool object_is_hidden(const struct segment *seg, uint64_t handle);
/* From now on every use of the handle answers DELETED, and all who wait are woken to learn it. */
enum sabir_error object_delete(struct lane *lane, uint64_t handle);
/*
 * The lane's actor opens the object once more, or has done with it once. An object without a name lives as long as somebody
 * holds it or a container that lives refers to it; see collect.h. Objects that have a name or end with an owner are not held,
 * and where there is no actor nothing is: then nothing is done. Errors: as object_enter, RESOURCE_EXHAUSTED; release:
 * SESSION_REQUIRED (there is no actor), NOT_HELD.
 */
enum sabir_error object_hold(struct lane *lane, uint64_t handle);
enum sabir_error object_release(struct lane *lane, uint64_t handle);
/*
 * It ends by itself so long from now, whatever was set before; 0: it does not any more. The server does it: when the
 * doorbell rings it asks object_ttl_next for the time of its next object_ttl_expire. Errors: NOT_FOUND, DELETED.
 */
enum sabir_error object_set_ttl(struct lane *lane, uint64_t handle, uint64_t ttl_ns);
uint64_t object_ttl_next(const struct segment *seg);
/* Ends up to OBJECT_TTL_AT_ONCE objects; where there are more it is their time still. */
#define OBJECT_TTL_AT_ONCE 128u
void object_ttl_expire(struct lane *lane, uint64_t now_ns);
/*
 * For object and recover: the end in an entry; an entry's end is to be seen to; somebody may have died before he said
 * so; the server is to look at `ns`.
 */
uint64_t object_ttl_end(uint64_t ttl_ns);
void object_ttl_announce(const struct segment *seg, uint32_t index);
void object_ttl_look_again(const struct segment *seg);
void object_ttl_look_at(const struct segment *seg, uint32_t index, uint64_t ns);
enum sabir_error object_describe(struct lane *lane, uint64_t handle, struct object_info *info);
#define OBJECT_NAME_MAX 255
/* Only its name, copied to `to`. Errors: NOT_FOUND (also: it has none), DELETED, DATA_LOSS. */
enum sabir_error object_name(struct lane *lane, uint64_t handle, uint8_t to[OBJECT_NAME_MAX], struct span *name);
/*
 * Names that begin with `prefix` in the order of their creation, from behind the entry `*cursor` (0 = from the start);
 * up to n infos. *cursor becomes 0 at the end. kind 0 = all.
 */
enum sabir_error object_list(struct lane *lane, struct span prefix, uint32_t kind, uint64_t *cursor,
			     struct object_info *infos, uint32_t n, uint32_t *n_infos);
/* Returns the memory of deleted objects that nobody can be in any more. */
void object_sweep(struct lane *lane);
/* The same of one entry, of which somebody keeps nothing any more. Outside operations. Errors: BUSY (a later sweep does it). */
enum sabir_error object_sweep_again(struct lane *lane, uint32_t index);

/*
 * Begins an operation (lane_begin) on a live object of the kind (0 = any) and gives its descriptor and body, the body
 * checked to be a block of this object (which it begins with) of `body_size` bytes inside the data area. On failure no operation is
 * begun.
 * Errors: NOT_FOUND (never valid), DELETED, WRONG_KIND, DATA_LOSS.
 */
enum sabir_error object_enter(struct lane *lane, uint32_t op, uint64_t handle, uint32_t kind, size_t body_size,
			      struct seg_object **object, void *body);
void object_leave(struct lane *lane);
/* Marks the object as damaged and answers DATA_LOSS: `return object_damaged(object);` after object_leave. */
enum sabir_error object_damaged(struct seg_object *object);

/*
 * Objects that are part of another: a pipe's queues, the lock of a value. A part has no name; its whole holds its handle
 * in a word of its body and is written into its entry, and it is deleted with its whole. This gives the n-th part of the
 * object, and makes it by `spec` when it is not there (or has been deleted by its handle). Outside operations.
 * Errors: as object_create, NOT_FOUND, DELETED, DATA_LOSS; INVALID_ARGUMENT: the kind has no such part.
 */
enum sabir_error object_part(struct lane *lane, uint64_t whole, uint32_t n, const struct object_spec *spec,
			     uint64_t *part);

/*
 * For destroy: frees a block of the object, if it is one (LIVE and of this object's index; anything else is left alone, so a
 * destroy that was begun before can be done again). Uses the last slot of the hand.
 */
void object_free_block(struct lane *lane, uint32_t index, uint32_t ref);

/*
 * Repairs what a dead owner's lanes left half-done, wakes whoever waited for it, deletes its bound objects, lets go of what it
 * holds (object_kind.owner_gone), frees the owner. Idempotent.
 * Errors: BUSY when somebody who is stopped, or dead and not yet recovered, is in the way: call it again a little later.
 */
enum sabir_error owner_recover(struct lane *by, uint32_t owner);
/* The same of up to OWNERS_AT_ONCE different ones, for little more than one costs; errors[i] is that of owners[i]. */
#define OWNERS_AT_ONCE 64u
void owners_recover(struct lane *by, const uint32_t *owners, enum sabir_error *errors, uint32_t n);
/* The same for one lane. */
enum sabir_error lane_recover(struct lane *by, uint32_t lane_id);

/*
 * What a kind gives to the code above: one constant table in its file, listed in object.c. Kinds may share functions.
 * create   allocates and fills the body; it is in hand[0] (PRIVATE) on success and becomes the object's by the caller; what
 *          else it needs it makes later, on first use, or keeps in hand[1..] until it is reachable from a LIVE body
 * destroy  NULL: it has nothing but its body, which its caller frees. Or: frees everything else that the object has; nobody
 *          uses it any more; restartable (it may have been begun before by a dead lane)
 * keeps    NULL, or: whether destroy has left something that somebody keeps beyond his operations, so that the object is to stay
 *          DYING; before destroy, whether it may. Looks without an operation, at memory that may be anything
 * kept_gone  with `keeps`: what the owner (as in owner_gone), who is dead, keeps of a deleted object is kept no more. Within an
 *          operation that has the object's lock, which destroy takes too while it looks at what is kept
 * ended    NULL, or: the object was deleted just now: wakes those who wait for it on another object's event. Looks without an
 *          operation, at memory that may be anything; can be done again
 * recover  NULL: a change is done or not done, and whoever waits is woken in any case. Or:
 *          a lane died in one of the kind's operations on this object: finish or undo; the lane's journal has been undone already
 *          and the object's lock may still be held by the dead lane: recover runs before it is released. Answers OK, or BUSY if it
 *          needs a lock that somebody else holds: it is called again later
 * describe fills length, memory_bytes and its own fields
 * part     NULL, or the word with the handle of the object's n-th part; NULL behind the last, and in a body that is damaged
 * hides_parts  its parts are its own, as a pipe's queues, and not its users', as the lock of a value
 * owner_gone NULL, or: the owner (as in lane->actor.owner) has died or left, and all its lanes are recovered: release what it
 *          holds, and notify who waits for that. Called for every live object of the kind and outside of any operation: it
 *          enters the object itself, as any operation of `by` does, so that the death of `by` is repaired as usual. Can be
 *          done again. Answers OK, or BUSY if it needs a lock that somebody else holds: then all of it is done again later
 * waits_gone NULL, or: the calls of sessions that waited here are gone, the sessions are not: ends the turns in the object's line
 *          that were taken before the ticket `before`, as if each had been given up, and nothing else that sessions hold.
 *          Otherwise as owner_gone
 * line     where in the body its struct seg_turns is, if there is a waits_gone
 * scan     NULL, or: shows every handle in the Values that the object holds (value_refs). Outside of any operation: it enters the
 *          object itself. What stands in the object from the beginning to the end is shown; what is stored or moved
 *          meanwhile need not be, for that passes refs_enter. Errors: as object_enter, BUSY, NO_MEMORY, DATA_LOSS
 * held     NULL, or: whether somebody holds it in the kind's own way. Within an operation of the lane
 * ready    NULL, or: whether a wait that keeps `memory` (not 0) would end if it were run now. Looks without an operation, at
 *          memory that may be anything, and may err on either side when the object is just being deleted
 * any_ready NULL, or: whether `ready` may be true of any wait that keeps something; so that many need not be asked in vain
 */
struct object_kind {
	enum sabir_error (*create)(struct lane *lane, uint32_t index, const struct object_spec *spec,
				   struct seg_block **body);
	void (*destroy)(struct lane *lane, uint32_t index, struct seg_object *object);
	bool (*keeps)(const struct segment *seg, const struct seg_object *object);
	void (*kept_gone)(struct lane *by, uint32_t index, struct seg_object *object, uint64_t owner);
	void (*ended)(const struct segment *seg, uint32_t index, const struct seg_object *object);
	enum sabir_error (*recover)(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
				    struct seg_object *object);
	void (*describe)(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info);
	uint64_t *(*part)(const struct segment *seg, struct seg_object *object, uint32_t n);
	bool hides_parts;
	enum sabir_error (*owner_gone)(struct lane *by, uint64_t handle, uint64_t owner);
	enum sabir_error (*waits_gone)(struct lane *by, uint64_t handle, uint32_t before);
	uint32_t line;
	enum sabir_error (*scan)(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context);
	bool (*held)(struct lane *lane, uint32_t index, struct seg_object *object);
	bool (*ready)(const struct segment *seg, const struct seg_object *object, uint64_t memory);
	bool (*any_ready)(const struct segment *seg, const struct seg_object *object);
};

/* The table's entry for a SEG_KIND_*, or NULL. */
const struct object_kind *object_kind_of(uint32_t kind);

/*
 * Whether it is worth to run a wait of the object again: always, unless its kind knows from what the wait keeps that it
 * would wait on.
 */
bool object_ready(const struct segment *seg, uint64_t handle, uint64_t memory);
/* Whether that may be true of any wait that keeps something. */
bool object_any_ready(const struct segment *seg, uint64_t handle);

extern const struct object_kind queue_kind, value_kind, array_kind, dict_kind, namespace_kind, pipe_kind, memory_kind;
extern const struct object_kind list_kind, shared_list_kind;
extern const struct object_kind signal_kind, mutex_kind, semaphore_kind, task_queue_kind;
extern const struct object_kind condition_kind, barrier_kind;

#endif
