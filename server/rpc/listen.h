/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_LISTEN_H
#define SABIR_RPC_LISTEN_H

#include <grpc/grpc.h>
#include <stdint.h>

#include "server/base/error.h"

/* An address that a gRPC server listens on. */
struct listener {
	int port;       /* 0: a unix socket */
	int lock_fd;    /* of "path.lock", -1 if there is none */
	char path[108]; /* of the unix socket */
};

/* Adds the address to the server. Errors as in rpc_start, with a text in `detail` (RPC_DETAIL_SIZE bytes). */
enum sabir_error listener_open(grpc_server *server, const char *address, uint32_t unix_mode, struct listener *listener,
			       char *detail);
/* Gives the lock back; after the server was destroyed, which removes the socket. */
void listener_close(struct listener *listener);

#endif
