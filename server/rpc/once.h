/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ONCE_H
#define SABIR_RPC_ONCE_H

#include "server/rpc/call.h"

/*
 * Unary calls with a request id: the operation is performed once (asked.h), by whichever of them comes first, and all that
 * are there when it ends are answered, as are those that come later, until the answer is acknowledged.
 */

/*
 * Performs the call's operation for who->session, or joins those that wait for it. True: the call is answered, or will be.
 * False: *error is the answer, with task->detail; the caller still has his reference.
 */
bool once_run(struct call *call, const struct pending_task *task, enum sabir_error *error);

/* What the call acknowledges, before it is performed. Errors: NO_MEMORY. */
enum sabir_error once_acknowledge(struct call *call, const struct identity *who);

#endif
