/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_HEALTH_H
#define SABIR_RPC_HEALTH_H

#include "server/rpc/server.h"

/* Methods' handle(): grpc.health.v1.Health. */
void health_check_handle(struct call *call, struct worker *worker);
void health_watch_handle(struct call *call, struct worker *worker);

/* What "" and every service are from now on; all watchers are told. */
void health_set(struct rpc *rpc, bool serving, bool leaving);

#endif
