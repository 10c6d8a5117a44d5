/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_UNDO_H
#define SABIR_RPC_UNDO_H

#include "server/rpc/server.h"

/* An operation whose response nobody has received. */
struct unreceived {
	const struct op *op;
	struct actor actor; /* as whom it is undone */
	struct op_receipt *receipt;
	struct span response;
};

/*
 * Undoes it (op_undo). Mostly done when this returns. What can't be undone yet, because somebody has the object's lock
 * and does not go on or because there is no memory, is kept, with a copy of the response, and tried again when that
 * changes, until it is undone or its object is gone; rpc_stop waits for the last try of each. What is kept counts among
 * the requests that wait (max_parked_bytes); beyond them, as without memory for the copy, there is only a last try at
 * once. What was not undone in the end is counted (rpc_counters.not_undone). The receipt is taken over; `lane` may be
 * NULL, and else is left as it was.
 */
void undo_start(struct rpc *rpc, struct lane *lane, const struct unreceived *what);

#endif
