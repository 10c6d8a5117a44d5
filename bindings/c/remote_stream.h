/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_REMOTE_STREAM_H
#define SABIR_C_REMOTE_STREAM_H

#include "bindings/c/request.h"

/*
 * A call of gRPC with a stream of messages each way. It is moved by who uses it, one thread at a time: nothing is sent or
 * received but inside these functions and gRPC's own.
 */
struct remote_stream;

/*
 * Begins a call with its first message, which is consumed, in the name of the connection's session, if it has one. Whether the
 * server likes it is told by remote_stream_wait. Errors: UNAVAILABLE, NO_MEMORY.
 */
enum sabir_error remote_stream_open(struct sabir_conn *conn, const char *path, struct request *first,
				    struct remote_stream **stream);
/* Cuts the call off, if it has not ended. NULL is fine. */
void remote_stream_free(struct remote_stream *s);

/* Whether a message is on its way out: then none can be sent. */
bool remote_stream_is_sending(const struct remote_stream *s);
/* Sends a message, which is copied. Errors: that with which the stream has ended. */
enum sabir_error remote_stream_send(struct remote_stream *s, struct span message);
/* No message comes behind those that were sent. No other message is on its way. */
void remote_stream_finish(struct remote_stream *s);

/* Adds the message that has come, if one has, to `out` as one item. Errors: EMPTY (none has), NO_MEMORY (it is kept). */
enum sabir_error remote_stream_receive(struct remote_stream *s, struct bytes *out);
/* Whether it has ended, and no message is left. */
bool remote_stream_has_ended(const struct remote_stream *s);
/* With which error it has ended, whose detail it sets; OK: with none. */
enum sabir_error remote_stream_error(const struct remote_stream *s);

/*
 * Waits until something changes: a message was sent, or one has come, or the stream has ended. Errors: TIMED_OUT, CANCELLED (if it
 * cancels: the thread's token is fired), NO_MEMORY, UNAVAILABLE (in a child of fork). None hurts the stream.
 */
enum sabir_error remote_stream_wait(struct remote_stream *s, uint64_t deadline_ns, bool cancels);

#endif
