/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_PIPE_H
#define SABIR_OBJECTS_PIPE_H

#include "server/objects/queue.h"

/*
 * A pipe has two ends, 0 and 1; what one sends the other receives. One way, end 0 receives and end 1 sends.
 *
 * An owner (lane->actor.owner) holds an end as often as it has opened it, less the times that it has closed it; several
 * owners may hold the same end. When the last of them closes it, leaves or dies, the end is closed for good. An end that
 * nobody has opened yet is not closed: what is sent to it waits for it.
 *
 * None of these waits. Every one can answer SESSION_REQUIRED (the lane acts for nobody), INVALID_ARGUMENT (no such end, or
 * the end of a one-way pipe that can't do that), CLOSED (the owner does not hold the end), and as every kind's NOT_FOUND, DELETED,
 * WRONG_KIND, DATA_LOSS.
 */
#define PIPE_N_ENDS 2u

/* Errors: CLOSED (all who held it are gone), RESOURCE_EXHAUSTED, TOO_MANY_OWNERS (the table of objects is full), BUSY. */
enum sabir_error pipe_open(struct lane *lane, uint64_t handle, uint32_t end);
/* Errors: BUSY. */
enum sabir_error pipe_close(struct lane *lane, uint64_t handle, uint32_t end);

/*
 * Sends one message. Errors: FULL (may be tried again on SEG_EVENT_ROOM of *queue), BROKEN_PIPE (the other end is closed),
 * TOO_LARGE, RESOURCE_EXHAUSTED.
 */
enum sabir_error pipe_send(struct lane *lane, uint64_t handle, uint32_t end, const struct queue_item *item,
			   uint64_t *queue);
/*
 * Receives one message: adds it to `out`. Errors: EMPTY (may be tried again on SEG_EVENT_ITEMS of *queue), END_OF_FILE (the
 * other end is closed, and nothing is left), NO_MEMORY, BUSY.
 */
enum sabir_error pipe_recv(struct lane *lane, uint64_t handle, uint32_t end, struct bytes *out, uint64_t *queue);
/* The same, but it is not over: as queue_get_open. */
enum sabir_error pipe_recv_open(struct lane *lane, uint64_t handle, uint32_t end, struct bytes *out, uint64_t *queue);

/* What pipe_recv_bytes wants of a message, and what it found. */
struct pipe_bytes {
	uint64_t max_len;   /* in: the most bytes of content */
	struct bytes *room; /* in: NULL, or where room for the content is to be made before the message is taken */
	bool open;          /* in: as pipe_recv_open */
	uint64_t len;       /* out: bytes of the first message's content */
};
/*
 * Receives a message that is a Value of bytes. Errors: as pipe_recv; WRONG_TYPE (the first message is no bytes), TOO_LARGE
 * (it has more than max_len): then it stays.
 */
enum sabir_error pipe_recv_bytes(struct lane *lane, uint64_t handle, uint32_t end, struct pipe_bytes *bytes,
				 struct bytes *out, uint64_t *queue);
/*
 * Gives back a message that was received and could not be handed over: it is where it was, unless the end that received it is
 * closed by now, where nobody could receive it any more. `queue` is what the receive set, `ordinal` lane->got_ordinal behind it;
 * *n_back as for queue_unget.
 * Errors: as queue_unget; CLOSED (the message is gone).
 */
enum sabir_error pipe_unrecv(struct lane *lane, uint64_t handle, uint64_t queue, uint64_t ordinal, struct span item,
			     uint32_t *n_back);
/* The content of a Value of bytes. */
struct span pipe_content(struct span value);

/* The first message, which stays. */
struct pipe_next {
	bool eof;     /* there is none, and none will come */
	uint64_t len; /* of its content if it is bytes, else of the encoded Value */
};
/* Errors: EMPTY (as pipe_recv), BUSY. */
enum sabir_error pipe_poll(struct lane *lane, uint64_t handle, uint32_t end, struct pipe_next *next, uint64_t *queue);

struct pipe_state {
	uint64_t n_messages[PIPE_N_ENDS]; /* sent, and not yet received by that end */
	uint32_t n_holders[PIPE_N_ENDS];
	bool opened[PIPE_N_ENDS];
	bool closed[PIPE_N_ENDS];
	bool one_way;
};
/* Needs no owner. */
enum sabir_error pipe_state(struct lane *lane, uint64_t handle, struct pipe_state *state);

#endif
