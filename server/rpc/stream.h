/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_STREAM_H
#define SABIR_RPC_STREAM_H

#include <pthread.h>
#include <stdbool.h>

#include "server/base/bytes.h"
#include "server/shm/atomic.h"

/*
 * Streams: calls that stay open, with messages in one direction or both.
 *
 * A stream lives by turns. In a turn its method has the stream to itself: it reads what has come, runs operations, and
 * ends the turn by one of stream_send (the next turn comes when the message is out, so that answers gather meanwhile),
 * stream_rest or stream_end. A stream at rest gets a turn when a message has come that was asked for, by stream_wake,
 * and when the server begins to leave. Turns of one stream never overlap; they come on any thread, which may be one
 * that must not wait, and one thread's turns come one after the other, never one inside of another.
 *
 * What else the method shares with other threads, its parked operations' results above all (pending.h), is under the
 * stream's mutex: whoever changes it calls stream_wake then. None of these functions is called with it held.
 */
struct rpc;
struct call;
struct request;

struct streams {
	pthread_mutex_t mutex; /* for the list */
	struct call *first;
	uint32_t leaving; /* all are to end; atomic, like the next */
	uint32_t serving; /* what health tells */
};

/* What a method with a stream is made of. */
struct stream_kind {
	void (*turn)(struct call *call);
	/* Whether there is something to do for a stream that would rest; with its mutex held. */
	bool (*busy)(struct call *call);
	/*
	 * NULL, or told once, when the client has gone or has been answered, on any thread and perhaps during a turn,
	 * or before one that was due. What the stream has parked must be cancelled now; a turn sees stream_is_closed.
	 */
	void (*closed)(struct call *call);
	/* NULL, or frees `own`: the last reference has gone. */
	void (*fini)(struct call *call);
};

/* A stream's part of its call. */
struct stream {
	const struct stream_kind *kind;
	void *own; /* the method's */
	pthread_mutex_t mutex;
	struct call *prev, *next, *next_turn;
	bool claimed; /* it has a turn, or a message is on its way out */
	bool greeted; /* the initial metadata have been sent */
	bool ended;   /* the status has been sent */
	bool closed;  /* gone, for whatever reason */
	bool reading; /* a message was asked for */
	bool arrived; /* it is there, or the client has finished */
};

/*
 * Makes a call a stream and gives it its first turn. False: there are too many, and it has been answered; `own` is
 * still the caller's.
 */
bool stream_open(struct call *call, const struct stream_kind *kind, void *own);

enum stream_input {
	STREAM_NOTHING,  /* none has come; it is asked for, and a turn will come with it */
	STREAM_MESSAGE,  /* `request` holds it until request_close() */
	STREAM_FINISHED, /* the client sends no more */
};
/* In a turn. A method that does not read holds the client up by HTTP/2's flow control. */
enum stream_input stream_read(struct call *call, struct request *request);
/* For busy(): whether stream_read would give something. */
bool stream_has_input(const struct call *call);
/* Whether the server leaves: what a turn sees has to end soon. */
bool stream_is_leaving(const struct call *call);

/* Whether the client has gone. */
bool stream_is_closed(struct call *call);

/*
 * Ends the turn with a message: all that is in `message`, which is emptied. The next turn may begin on another thread
 * before this returns.
 */
void stream_send(struct call *call, struct bytes *message);
/* Ends the turn unless busy(). True: the call may be gone. */
bool stream_rest(struct call *call);
/* Ends the turn and the stream. */
void stream_end(struct call *call, int grpc_code, const char *text);
/* The same with an error of errors.def and its details. */
void stream_fail(struct call *call, enum sabir_error error, const char *detail);
/* The end when the server leaves. */
void stream_leave(struct call *call);

/* Gives it a turn if it rests. By who has a reference to the call; any thread, also from a pending operation's done. */
void stream_wake(struct call *call);
/* The same for all. */
void streams_wake(struct rpc *rpc);

/* For pending.c: turns that would be given on this thread wait for streams_turn. */
void streams_hold(void);
void streams_turn(void *context);

#endif
