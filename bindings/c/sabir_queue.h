/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues. Part of <sabir.h>, which says what holds for all functions. What can be done with them besides: sabir_task_queue.h,
 * sabir_flow.h, sabir_in_place.h.
 */
#ifndef SABIR_QUEUE_H
#define SABIR_QUEUE_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * First in, first out; any number of putters and getters. An item is an encoded sabir.v1.Value of at most the queue's
 * max_item_bytes (the server's default is 16 MiB); its encoding adds at most 12 bytes to text or bytes.
 */

/* Creates a queue of at most max_items (0 = limited by memory alone). Errors: as sabir_create. */
enum sabir_error sabir_queue_create(sabir_conn *conn, const char *name, uint64_t max_items, unsigned flags,
				    sabir_queue **queue);
/* Opens a queue. Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_queue_open(sabir_conn *conn, const char *name, sabir_queue **queue);
/* The same by handle. Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_queue_open_handle(sabir_conn *conn, uint64_t handle, sabir_queue **queue);
/* Frees the handle, not the queue; NULL is fine. */
void sabir_queue_free(sabir_queue *queue);
/* The queue's handle, for sabir_object() and the functions by handle. */
uint64_t sabir_queue_handle(const sabir_queue *queue);

/*
 * Adds an item; waits while the queue is full. Errors: FULL (timeout_ns passed), CLOSED, INVALID_VALUE, TOO_LARGE,
 * RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_queue_put(sabir_queue *queue, const struct sabir_item *item, uint64_t timeout_ns);
/* The same with `len` bytes, and with NUL-terminated UTF-8 text. */
enum sabir_error sabir_queue_put_bytes(sabir_queue *queue, const void *data, size_t len, uint64_t timeout_ns);
enum sabir_error sabir_queue_put_text(sabir_queue *queue, const char *text, uint64_t timeout_ns);
/*
 * Adds, in one step, as many of n (1 to 65536) items as there is room for, from the first on; waits for room for the
 * first. `accepted` or NULL: how many, at least 1. Errors: as sabir_queue_put, and INVALID_ARGUMENT (n); then none was
 * added.
 */
enum sabir_error sabir_queue_put_many(sabir_queue *queue, const struct sabir_item *items, size_t n, uint64_t timeout_ns,
				      size_t *accepted);
/* Takes the first item; waits while the queue is empty. Errors: EMPTY (timeout_ns passed), CLOSED (and empty). */
enum sabir_error sabir_queue_get(sabir_queue *queue, uint64_t timeout_ns, struct sabir_item **item);
/* The same without an allocation where the buffer is large enough; `item` points into the buffer. */
enum sabir_error sabir_queue_get_into(sabir_queue *queue, uint64_t timeout_ns, struct sabir_buffer *buffer,
				      struct sabir_item *item);
/*
 * Takes the items that are there, up to max (1 to 65536); waits for the first. `n` is at least 1. No other getter's item is
 * between them; where one takes the next, it ends with what it has. Of a plain queue peek and state may see it half done.
 * Errors: as sabir_queue_get, and INVALID_ARGUMENT (max).
 */
enum sabir_error sabir_queue_get_many(sabir_queue *queue, size_t max, uint64_t timeout_ns, struct sabir_item **items,
				      size_t *n);
/* The same into the caller's array of max items, which point into the buffer. */
enum sabir_error sabir_queue_get_many_into(sabir_queue *queue, size_t max, uint64_t timeout_ns,
					   struct sabir_buffer *buffer, struct sabir_item *items, size_t *n);
/* Shows the first item and leaves it there. Errors: EMPTY, CLOSED (and empty). */
enum sabir_error sabir_queue_peek(sabir_queue *queue, struct sabir_item **item);

struct sabir_queue_state {
	uint64_t size;      /* items */
	uint64_t max_items; /* 0 = limited by memory alone */
	bool closed;
};
/* How full the queue is now. */
enum sabir_error sabir_queue_state(sabir_queue *queue, struct sabir_queue_state *state);
/* Parts of it: the number of items; whether there are none; whether there are max_items (never if that is 0). */
enum sabir_error sabir_queue_size(sabir_queue *queue, uint64_t *size);
enum sabir_error sabir_queue_empty(sabir_queue *queue, bool *empty);
enum sabir_error sabir_queue_full(sabir_queue *queue, bool *full);
/* Removes the items that are there; of a plain queue one by one: gets may come in between. `removed` or NULL: how many. */
enum sabir_error sabir_queue_clear(sabir_queue *queue, uint64_t *removed);
/*
 * Closes the queue for everybody and for good: puts fail at once, gets take what is left and then fail. Twice is fine.
 * Errors: RESOURCE_EXHAUSTED (the mark behind the last item has no room).
 */
enum sabir_error sabir_queue_close(sabir_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
