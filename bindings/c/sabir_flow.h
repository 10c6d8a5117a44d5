/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of items into and out of queues, with flow control. Part of <sabir.h>, which says what holds for all functions.
 *
 * Both work on plain queues and on task queues. Locally each function is the operation on the queue itself; remotely they are
 * the two ends of one stream of gRPC (QueueService.Produce and Consume), on which items follow each other without an answer to
 * each. A producer or consumer is used by one thread at a time. It may outlive the queue's handle, but does not hold a queue that
 * has no name. A child of fork opens its own: the parent's are UNAVAILABLE there (a local producer works on), and closing them
 * frees their memory.
 *
 * When the server restarts nothing happens locally. A stream that breaks is UNAVAILABLE from then on: what was not
 * acknowledged is in the queue again, and a producer says what was accepted.
 */
#ifndef SABIR_FLOW_H
#define SABIR_FLOW_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ producer */

typedef struct sabir_producer sabir_producer;
struct sabir_task; /* sabir_task_queue.h */

/* All-zero members are the defaults. */
struct sabir_producer_options {
	size_t size;     /* sizeof(struct sabir_producer_options) */
	uint32_t window; /* remotely: the most items that are put and not accepted, 1 to 65536; 0 = 1024 */
	uint32_t batch;  /* remotely: items that are gathered before they are sent, 1 to the window; 0 = 1 */
};

struct sabir_producer_state {
	uint64_t put;        /* items that sabir_producer_put took */
	uint64_t accepted;   /* the first so many of them are in the queue, as far as is known; never falls */
	uint64_t duplicates; /* of these, dropped for their dedup_id */
};

/*
 * Opens a stream into the queue. `options` or NULL: the defaults. What the server says of it is told by the first
 * function that waits. Errors: INVALID_ARGUMENT (options).
 */
enum sabir_error sabir_producer_open(sabir_queue *queue, const struct sabir_producer_options *options,
				     sabir_producer **producer);
/*
 * Puts an item; `task` or NULL: as sabir_task_queue_put. Locally it is in the queue when this returns. Remotely it is on its way
 * then, or gathered, and is copied. It waits up to timeout_ns: locally for room in the queue, remotely for room in the window.
 * An item that this process can't encode is INVALID_VALUE, one for which there was no room FULL, a wrong task.size
 * INVALID_ARGUMENT, no memory of this process NO_MEMORY, and a wait may be CANCELLED; locally the queue may be BUSY. Then it was
 * not taken, and the producer goes on.
 *
 * Every other error ends the producer: each of its functions answers it from then on. It may be about an item before: the one with
 * the index `accepted` of sabir_producer_state, counted from 0; none behind it was put. Errors: FULL, CLOSED, TOO_LARGE,
 * RESOURCE_EXHAUSTED, NOT_ENABLED, INVALID_VALUE, SESSION_ENDED.
 */
enum sabir_error sabir_producer_put(sabir_producer *producer, const struct sabir_item *item,
				    const struct sabir_task *task, uint64_t timeout_ns);
/*
 * Sends what was gathered and waits until all that was put is accepted. Errors: FULL (timeout_ns passed; they are on their way
 * yet), and those of sabir_producer_put.
 */
enum sabir_error sabir_producer_flush(sabir_producer *producer, uint64_t timeout_ns);
/*
 * What is known now. After UNAVAILABLE more may be in the queue than are told as accepted: who puts the others again on another
 * stream puts those twice, unless they have a dedup_id. Errors: none of its own.
 */
enum sabir_error sabir_producer_state(sabir_producer *producer, struct sabir_producer_state *state);
/* Ends it, at once; what was not flushed may be in the queue or not. NULL is fine. */
void sabir_producer_close(sabir_producer *producer);

/* ------------------------------------------------------------------ consumer */

/*
 * What a consumer is given is out of the queue and not gone: it counts for the queue's bound, and goes back to its old
 * place when the consumer is closed, its process dies or its stream breaks. So each item is delivered at least once, and to one
 * consumer at a time.
 */
typedef struct sabir_consumer sabir_consumer;

struct sabir_consumer_options {
	size_t size; /* sizeof(struct sabir_consumer_options) */
	uint32_t
		max_outstanding; /* the credit: the most items that are not acknowledged, 1 to 65536; 0 = 1. Remotely so
				     many are sent ahead, whether asked for or not */
	uint32_t max_items;      /* remotely: the most that are sent in one message; 0 = as many as the credit allows */
	uint64_t lease_ns;       /* task queues: the lease of each item; plain queues: 0 */
};

/* An item as this consumer got it. */
struct sabir_delivery {
	uint64_t number;   /* how many it was given so far, this one and damaged ones included */
	uint64_t token;    /* task queues: of its lease, as in struct sabir_lease; plain queues: 0 */
	uint32_t attempts; /* the same */
	uint32_t reserved;
};

/*
 * Opens a stream out of the queue. `options` or NULL: the defaults. The queue is looked at first by sabir_consumer_next.
 * Errors: INVALID_ARGUMENT (options).
 */
enum sabir_error sabir_consumer_open(sabir_queue *queue, const struct sabir_consumer_options *options,
				     sabir_consumer **consumer);
/*
 * The next item; waits for one. Remotely, with a timeout_ns of 0, one that has come by now. What `item` points to is valid until
 * the next call of this, of sabir_consumer_lost or the close. Errors: EMPTY (timeout_ns passed), CLOSED (and drained, of items
 * that are with others too), WOULD_BLOCK (at once: the credit is used up, acknowledge first), NOT_ENABLED (a lease on a
 * plain queue), INVALID_ARGUMENT (none on a task queue), WRONG_KIND, SESSION_ENDED, RESOURCE_EXHAUSTED. After EMPTY,
 * WOULD_BLOCK, CANCELLED and BUSY it can be called again; after DATA_LOSS too, if it is the item alone that a faulty program
 * has written over: of a plain queue that is given, and gone with the next acknowledgement or, where there is nothing to
 * acknowledge, with the next call.
 */
enum sabir_error sabir_consumer_next(sabir_consumer *consumer, uint64_t timeout_ns, struct sabir_item *item,
				     struct sabir_delivery *delivery);
/*
 * The item has been dealt with, and is gone. Of a plain queue this counts for every item that was given before it as well;
 * again is fine. Remotely it is on its way when this returns. Errors: INVALID_ARGUMENT (it was not given), LEASE_LOST (it was
 * acknowledged or refused already), TIMED_OUT (remotely: the server does not read).
 */
enum sabir_error sabir_consumer_ack(sabir_consumer *consumer, const struct sabir_delivery *delivery);
/* Gives it back to its old place, delay_ns from now. Task queues alone. Errors: as ack, and NOT_ENABLED. */
enum sabir_error sabir_consumer_nack(sabir_consumer *consumer, const struct sabir_delivery *delivery,
				     uint64_t delay_ns);
/* Its lease has lease_ns left, from now on. Task queues alone. Errors: LEASE_LOST, INVALID_ARGUMENT (0), NOT_ENABLED. */
enum sabir_error sabir_consumer_extend(sabir_consumer *consumer, const struct sabir_delivery *delivery,
				       uint64_t lease_ns);
/*
 * One by one, the tokens that were acknowledged or refused when their lease was over: their items are with others, or were.
 * Remotely that is learned in sabir_consumer_next and by this. Errors: EMPTY (none is known).
 */
enum sabir_error sabir_consumer_lost(sabir_consumer *consumer, uint64_t *token);
/*
 * Ends it: what was not acknowledged is in the queue again when this returns, and what was is gone. NULL is fine; the consumer is
 * freed in any case. Errors: remotely TIMED_OUT (no answer in the connection's time-out), and that with which the stream
 * had ended: whether the last acknowledgements came in is unknown then.
 */
enum sabir_error sabir_consumer_close(sabir_consumer *consumer);

#ifdef __cplusplus
}
#endif

#endif
