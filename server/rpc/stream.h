/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_STREAM_H
#define SABIR_RPC_STREAM_H

#include <pthread.h>
#include <stdbool.h>

#include "server/base/bytes.h"

/*
 * Streams that stay open: Health.Watch and reflection. Whoever may send on a stream has claimed it; a claim ends by
 * stream_send (until the next turn), by stream_rest_unless or by stream_end. None of these is called with the mutex
 * held.
 */
struct rpc;
struct call;

struct streams {
	pthread_mutex_t mutex;
	struct call *first;
	bool leaving; /* all are to end; under the mutex, like the next */
	bool serving; /* what health tells */
};

/* A stream's part of its call. */
struct stream {
	struct call *prev, *next, *wake_next;
	void (*turn)(struct call *call); /* the stream is claimed: send, rest or end */
	bool claimed;
	bool greeted; /* the initial metadata has been sent */
	bool ended;   /* the status has been sent */
	bool closed;  /* gone, for whatever reason */

	int told;     /* health: the status that was sent last */
	bool known;   /* health: there is such a service */
	bool reading; /* reflection: a message was asked for; under the mutex, like the next */
	bool arrived; /* reflection: it is there, or the client has finished */
};

/*
 * Makes a call a stream and gives it its first turn, or answers it if there are too many. `kind`: turn and the kind's
 * own fields.
 */
void stream_open(struct call *call, struct stream kind);
/* Claims a stream; false if it is claimed or over. */
bool stream_claim(struct call *call);
/* Sends a message; the next turn comes when it is out. */
void stream_send(struct call *call, struct span message);
/* Ends the claim unless there is something to do, which `busy` tells under the mutex. True: the call may be gone. */
bool stream_rest_unless(struct call *call, bool (*busy)(struct call *call));
/* Ends the stream. */
void stream_end(struct call *call, int grpc_code, const char *text);

/* Gives a turn to every stream that rests: something has changed. */
void streams_wake(struct rpc *rpc);

#endif
