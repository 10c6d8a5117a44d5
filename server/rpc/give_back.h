/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_GIVE_BACK_H
#define SABIR_RPC_GIVE_BACK_H

#include "server/rpc/outstanding.h"
#include "server/rpc/server.h"

/*
 * Gives back what a consumer has not acknowledged: what `holder` holds and, of a task queue, the leases, whose set is taken
 * over. Mostly done when this returns. While somebody has the queue's lock and does not go on, it is tried again whenever
 * that changes, without the stream; rpc_stop waits for that. What can't be given back goes with the server's owner, or
 * with its leases.
 */
void give_back(struct rpc *rpc, uint64_t queue, uint64_t holder, struct outstanding *leases);

#endif
