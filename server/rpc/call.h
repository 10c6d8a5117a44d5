/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_CALL_H
#define SABIR_RPC_CALL_H

#include "server/rpc/pending.h"
#include "server/rpc/server.h"

/*
 * A call, from the moment when a worker asks gRPC for one. It is counted: each batch under way has a reference, so has
 * the park while the call waits there. See call.c for its life.
 */
struct call {
	struct arrival arrival;
	grpc_completion_queue_functor replied; /* the reply, or a stream's message, is out */
	grpc_completion_queue_functor closed;  /* the client has gone, or the call has ended */
	struct rpc *rpc;
	const struct method *method;
	grpc_completion_queue *queue;
	grpc_call *grpc;
	gpr_timespec deadline; /* gRPC itself ends the call then */
	grpc_metadata_array metadata;
	grpc_byte_buffer *payload; /* the request, NULL if none came */
	uint32_t refs;
	uint32_t home;                   /* enum call_home */
	int32_t cancelled;               /* -1 until gRPC knows how the call ended */
	bool watched;                    /* `closed` was asked for apart from the reply */
	uint64_t unsent;                 /* bytes counted in rpc->unsent_bytes */
	void (*fini)(struct call *call); /* NULL, or when the last reference has gone */
	union {
		grpc_call_details details; /* of unknown methods */
		struct stream stream;
		struct pending pending; /* the operation that waits */
		struct once *once;      /* of a call with a request id */
	};
	grpc_completion_queue_functor read; /* streams: a message has come */
	grpc_slice sent;                    /* operations that can be undone: the response */
	struct op_receipt receipt;
	struct actor actor;
	struct call *next_free;
};

/* The call whose batch has ended in this member of it. */
#define CALL_TAKEN(functor, member) (taken(functor), (struct call *)((char *)(functor)-offsetof(struct call, member)))

/* Asks for n calls of the method. */
void call_expect(struct worker *worker, const struct method *method, unsigned n);

/* Asks gRPC to tell by `closed` when the call is over, apart from the reply; takes a reference for it. */
void call_watch(struct call *call, void (*closed)(grpc_completion_queue_functor *functor, int ok));
/*
 * Starts a batch that has the caller's reference and ends in `done`; if it can't be started the reference is dropped.
 */
void call_start(struct call *call, const grpc_op *ops, size_t n, grpc_completion_queue_functor *done);

/* Answers an operation: with `response`, whose memory may be taken, or with an error. Has the caller's reference. */
void call_reply(struct call *call, enum sabir_error error, const char *detail, struct bytes *response);
/* The same for a success that is undone if the client has gone before the response is out. Takes the receipt over. */
void call_reply_undoable(struct call *call, const struct op_receipt *receipt, struct actor actor,
			 struct bytes *response);
/* Answers with a gRPC status alone. Has the caller's reference. */
void call_reject(struct call *call, int grpc_code, const char *text);
/* For people: where the call comes from; op_front.peer, with the call as its context. */
void call_write_peer(void *call, char *to, size_t size);

/* What a call ends with. */
struct call_status {
	int grpc_code;
	const char *text;    /* NULL: none */
	struct span details; /* for grpc-status-details-bin; empty: none */
};
/* Starts the reply's batch: n ops, behind which there is room for the status. Has the caller's reference. */
void call_start_status(struct call *call, grpc_op *ops, size_t n, const struct call_status *status);
/* A message with all the bytes: a copy, or their memory itself if they are many. */
grpc_byte_buffer *call_message(struct bytes *bytes);

/* A call's request in one piece, taken off the call. */
struct request {
	struct span span;
	grpc_byte_buffer *payload;
	grpc_slice joined; /* holds the span if the payload came in several pieces */
};
/* False: the call carries none. */
bool request_open(struct call *call, struct request *request);
void request_close(struct request *request);

void call_ref(struct call *call);
void call_unref(struct call *call);
/* Something else that rpc_stop has to wait for begins (1) or ends (-1). */
void call_count(struct rpc *rpc, int n);
/* Frees what is kept for later calls. */
void calls_fini(struct rpc *rpc);

#endif
