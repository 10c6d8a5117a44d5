/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_OPS_H
#define SABIR_OPS_OPS_H

#include "server/base/bytes.h"
#include "server/shm/lane.h"

/*
 * The operation table: every operation of Sabir is one request/response message pair of proto/sabir/v1, and this is the
 * only place that maps it to an object's function and an error to its wire form.
 *
 * The contract of op_run: it never waits, never logs, never keeps the request. It answers
 *   OK           `response` holds the encoded response message, one item
 *   EMPTY, FULL, WOULD_BLOCK
 *                with wait->wanted set: it can be run again when the event of wait->object (index) on wait->side is
 *                notified, until wait->timeout_ns has passed (OP_FOREVER: as long as the caller likes; 0 is answered
 *                with wanted = false). A caller that gives up answers the same error.
 *   BUSY         with wait->wanted set, for lanes with lock_rings: the same, but wait->side is OP_WAIT_LOCK, and the
 *                doorbell is rung for wait->object when its lock is released
 *   other        final
 * and with every error `detail` (OP_DETAIL_SIZE bytes) holds a short text for people, NUL-terminated UTF-8, perhaps
 * empty.
 *
 * What `response` held before is dropped; its memory is used again. On failure it is empty.
 */
#define OP_FOREVER UINT64_MAX
#define OP_DETAIL_SIZE 160
#define OP_MESSAGE_SIZE 256  /* op_text: the longest message of errors.def, and a detail */
#define OP_WAIT_SNAPSHOT 12u /* op_wait.side, of no object: the end of the snapshot whose number is in `memory` */
#define OP_WAIT_POOL 13u     /* op_wait.side, of no operation: its turn among those that are heavy */
#define OP_WAIT_END 14u      /* op_wait.side, beside SEG_EVENT_*: the end of the object, and nothing else */
#define OP_WAIT_LOCK 15u     /* the same: the object's lock */

struct op;

/* What an operation that succeeded leaves for op_undo. Whoever has it last calls op_receipt_fini. */
struct op_receipt {
	uint64_t handle; /* of its object */
	uint64_t number; /* the operation's own */
	uint64_t part;   /* the same: handle of the part of the object that it worked on */
	bool items;      /* it took items, which are in its response */
	bool tasks;      /* the same: out of a task queue */
	uint8_t *places; /* the same: where they stood, if a number does not say it; from malloc */
	size_t places_len;
	uint32_t n_back; /* op_undo's: so much of it is undone already */
	/* Not NULL: it is not over, and this lane, which has performed it, does nothing else until op_finish. */
	struct lane *open;
};
/* What is not over is finished, as one that is wanted. */
void op_receipt_fini(struct op_receipt *receipt);
/*
 * Finishes an operation that is `open`; nothing if it is not. Performed for a request with an id (actor.request) that can be
 * undone, it may be left so, for its answer to be kept first: if the process dies before, it has not happened. Not wanted:
 * it is as good as undone, if nothing is in the way.
 */
void op_finish(struct op_receipt *receipt, bool wanted);

struct op_wait {
	struct op_receipt receipt;
	bool undoable; /* in: the caller keeps the receipt, which is to hold all that op_undo needs */
	bool wanted;
	uint32_t object;
	uint32_t side;   /* SEG_EVENT_*, OP_WAIT_END or OP_WAIT_LOCK */
	uint64_t handle; /* of the operation's object: it is DELETED when run again after a delete; 0: it names none */
	uint64_t timeout_ns;
	uint64_t memory; /* what the operation itself keeps from one run to the next; 0 at the first */
	uint64_t also;   /* the same: handle of an object that the wait ends with, beside its own; 0: there is none */
	uint32_t over;   /* enum op_over: for the next run */
};

/*
 * An operation that has left something in the object when it began to wait (op_lasts: its place in a line, which `memory`
 * leads to) is run once more when its wait is over, so that it takes it away.
 */
enum op_over {
	OP_GOES_ON,
	OP_TIMED_OUT, /* the last chance: what it answers counts; it may want to wait for something else yet */
	OP_ABANDONED, /* nobody wants its answer, and it does not wait any more; BUSY: it is to be run so again */
};

/* The table, in the order of the protos: for registering methods. path: "/sabir.v1.QueueService/Put". */
size_t op_count(void);
const struct op *op_at(size_t i);
const struct op *op_find(const char *path);
const char *op_path(const struct op *op);
/* Whether it may wait for what others put or take. For a lock every operation may have to. */
bool op_can_wait(const struct op *op);
/* Whether it is to be run once more when its wait is over: if it has kept something by then; wait NULL: if it ever may have. */
bool op_lasts(const struct op *op, const struct op_wait *wait);

/* Operations that the streams of QueueService are made of, beside those of the table; see ops_flow.c. */
enum op_flow {
	OP_FLOW_OPEN,
	OP_FLOW_TAKE,
	OP_FLOW_SETTLE,
	OP_FLOW_GIVE_BACK,
	OP_FLOW_AWAIT_END,
	OP_FLOW_AWAIT_LOCK,
};
const struct op *op_flow(enum op_flow which);

/* What operations need that only the server has, such as those on sessions. */
struct sessions;
struct snapshots;
struct op_front {
	struct sessions *sessions;
	struct snapshots *snapshots;                        /* NULL: there is no folder for them */
	void (*peer)(void *context, char *to, size_t size); /* writes the caller's address, for people */
	void *context;
};

/*
 * Whether it would take long enough to hold up others: it is one that looks at all of its object, which is large, or at all of
 * a request that is. Such a one never waits but for a lock, keeps nothing from its first run to the next, and is not undone.
 */
bool op_is_heavy(const struct op *op, struct lane *lane, struct span request);

/* `wait` is only written; the receipt is for nobody. */
enum sabir_error op_run(const struct op *op, struct lane *lane, struct span request, struct bytes *response,
			struct op_wait *wait, char *detail);
/*
 * The same where there are sessions; without, operations on them answer UNIMPLEMENTED. `wait` is all zero, but for
 * `undoable`.
 */
enum sabir_error op_run_front(const struct op *op, struct lane *lane, const struct op_front *front, struct span request,
			      struct bytes *response, struct op_wait *wait, char *detail);
/*
 * Runs an operation that wanted to wait once more, with the same request and with `wait` as it was left: on the same
 * object, though its name may mean another by now.
 */
enum sabir_error op_run_again(const struct op *op, struct lane *lane, struct span request, struct bytes *response,
			      struct op_wait *wait, char *detail);
/* The same with a front, for one that was first run with one: sessions are its caller's affair, and may be missing. */
enum sabir_error op_run_front_again(const struct op *op, struct lane *lane, const struct op_front *front,
				    struct span request, struct bytes *response, struct op_wait *wait, char *detail);

/* Whether it changes nothing. */
bool op_reads(const struct op *op);
/* Whether op_undo can do something for it. */
bool op_can_undo(const struct op *op);
/*
 * Undoes an operation that succeeded when its response could not be delivered: whoever it was for holds no lock that he does
 * not know of, and what was taken out of a queue is there again, at its old place. The lane acts for whom the operation was
 * done for. Errors: BUSY (also: lane->busy_object is whose lock it was), NO_MEMORY, RESOURCE_EXHAUSTED: it is to be
 * called again, with the same receipt, in which it may have noted how far it came. What can't be undone any more is left; the
 * other errors are for tests.
 */
enum sabir_error op_undo(const struct op *op, struct lane *lane, struct op_receipt *receipt, struct span response);
/* The same, for who won't call again: it waits a moment for a lock. */
enum sabir_error op_undo_last(const struct op *op, struct lane *lane, struct op_receipt *receipt, struct span response);

/* The longest request or response that an item of the largest size needs: the limit of every front. */
uint64_t op_message_limit(const struct segment *seg);

/* "message: detail", as in grpc-message; OP_MESSAGE_SIZE bytes. */
void op_text(enum sabir_error error, const char *detail, char *text);
/*
 * An encoded google.rpc.Status with one ErrorInfo {reason, domain "sabir.dev", metadata "detail"}: for
 * grpc-status-details-bin. One item.
 */
enum sabir_error op_status(enum sabir_error error, const char *detail, struct bytes *out);

#endif
