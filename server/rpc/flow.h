/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_FLOW_H
#define SABIR_RPC_FLOW_H

#include "server/rpc/errand.h"

/* Methods' handle(): the streams of QueueService and WatchService. */
void produce_handle(struct call *call, struct worker *worker);
void consume_handle(struct call *call, struct worker *worker);
void watch_handle(struct call *call, struct worker *worker);

/* That a stream is to end, and how; the first reason counts. */
struct flow_end {
	bool ending;
	enum sabir_error error; /* OK: the client has finished */
	char detail[OP_DETAIL_SIZE];
};
void flow_end(struct flow_end *end, enum sabir_error error, const char *detail);
/* Ends the turn and the stream. */
void flow_finish(struct call *call, const struct flow_end *end);

/*
 * Whether a stream may begin, as an operation may: not when the server leaves, nor when clients don't read what they
 * asked for. False: it has been answered.
 */
bool flow_admit(struct call *call);
/* Whether so much may be sent to slow clients still. */
bool flow_may_send(const struct call *call);

#endif
