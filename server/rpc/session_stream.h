/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_SESSION_STREAM_H
#define SABIR_RPC_SESSION_STREAM_H

#include "server/rpc/server.h"

/* A method's handle(): SessionService.Session. */
void session_handle(struct call *call, struct worker *worker);

#endif
