/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_SESSION_WIRE_H
#define SABIR_RPC_SESSION_WIRE_H

#include "server/base/wire.h"
#include "server/ops/ops.h"

/* The messages of SessionService.Session on the wire. */

struct session_message {
	struct span hello; /* data NULL: none */
	uint64_t acknowledged_below;
};
/* Checks a whole message but for its requests; false: it is not one, or a field of one that must not, comes twice. */
bool session_message_read(struct span message, struct session_message *read);

/* The token of a hello; false: it is not one. */
bool session_hello_read(struct span hello, struct span *token);

struct session_call {
	uint64_t tag;
	uint64_t id;
	uint64_t thread;
	struct span method;
	struct span request;
};
/* What a call's method names; NULL: no operation. */
const struct op *session_call_op(const struct session_call *call);
/* Moves *rest behind the next call of a checked message; false: there is none. */
bool session_call_next(struct span *rest, struct session_call *call);
/* Hands all tags to be cancelled of a checked message over. */
void session_cancels(struct span message, void (*cancel)(void *context, uint64_t tag), void *context);

/* Adds the first message: `opened` is the response of SessionService.Open. False: no memory. */
bool session_put_welcome(struct bytes *out, struct span token, struct span session, uint32_t max_waiting,
			 uint64_t max_message_bytes);
/* Adds a result to a message. */
bool session_put_result(struct bytes *out, uint64_t tag, enum sabir_error error, struct span response,
			const char *detail);

#endif
