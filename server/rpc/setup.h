/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_SETUP_H
#define SABIR_RPC_SETUP_H

#include "server/rpc/server.h"

/* The parts of rpc_start, in this order: the environment before grpc_init, the rest behind it. */
void setup_environment(void);
void setup_limits(struct rpc *rpc, const struct rpc_options *options);
grpc_server *setup_server(const struct rpc *rpc, const struct rpc_options *options);
/* Makes the queues of all workers and those that calls are bound to. */
void setup_queues(struct rpc *rpc);
/* Errors: NO_MEMORY. */
enum sabir_error setup_methods(struct rpc *rpc);

#endif
