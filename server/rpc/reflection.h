/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_REFLECTION_H
#define SABIR_RPC_REFLECTION_H

#include "server/rpc/server.h"

/* A method's handle(): grpc.reflection.v1 and v1alpha, which are the same but for the name. */
void reflection_handle(struct call *call, struct worker *worker);

#endif
