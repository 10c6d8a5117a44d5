/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ERRAND_H
#define SABIR_RPC_ERRAND_H

#include "server/rpc/call.h"
#include "server/rpc/errand_wire.h"

/*
 * One operation that a stream runs again and again, for whom its call names: run at once, or parked, and then the stream
 * gets a turn with the result. One at a time; a stream may have several errands. All of it in turns, but for
 * errand_cancel.
 */
struct errand {
	struct pending pending;
	struct call *call;
	uint32_t state; /* enum errand_state; under the stream's mutex */
	enum sabir_error error;
	struct bytes response;
	char detail[OP_DETAIL_SIZE];
};

enum errand_state {
	ERRAND_NONE,
	ERRAND_WAITING, /* in the park */
	ERRAND_DONE,    /* error, detail and response are its result, until errand_clear */
};

/* In memory that lives as long as the call: the stream's own. */
void errand_init(struct errand *errand, struct call *call);
void errand_fini(struct errand *errand);

/* Runs the operation; DONE or WAITING afterwards. The session of the call is looked up anew, so its end is seen. */
enum errand_state errand_run(struct errand *errand, const struct op *op, struct span request);
enum errand_state errand_state(struct errand *errand);
void errand_clear(struct errand *errand);
/* For busy(): whether a result has come. */
bool errand_is_done(const struct errand *errand);
/* Ends one that waits: it is DONE soon, or at once, mostly with CANCELLED. Any thread that has a reference to the call. */
void errand_cancel(struct errand *errand);

#endif
