/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_OPERATION_H
#define SABIR_RPC_OPERATION_H

#include "server/rpc/call.h"

/* Methods' handle(): an operation of the table, and everything that is not a method. */
void operation_handle(struct call *call, struct worker *worker);
void unknown_handle(struct call *call, struct worker *worker);

#endif
