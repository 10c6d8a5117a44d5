/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_STATUS_H
#define SABIR_C_STATUS_H

#include "bindings/c/conn.h"

/*
 * The error that a failed gRPC call ended with, and its detail: from the ErrorInfo in `details` (the encoded
 * google.rpc.Status of grpc-status-details-bin; empty: none) if it is of this project, else from the status code and
 * the message that gRPC itself gave.
 */
enum sabir_error status_read(int grpc_code, struct span details, struct span message);

#endif
