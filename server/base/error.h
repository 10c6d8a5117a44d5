/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_ERROR_H
#define SABIR_BASE_ERROR_H

/*
 * The errors of proto/errors.def inside the project. <sabir/error.h> is generated from that table (build/gen) and is
 * installed with libsabir, so the numbers here and in the public API are one.
 */
#include <stdbool.h>

#include <sabir/error.h>

/* The name ("NOT_FOUND"), the gRPC status code and the message of an error; never NULL. */
const char *error_name(enum sabir_error error);
int error_grpc_code(enum sabir_error error);
const char *error_message(enum sabir_error error);
/* Somebody has a lock, or there is no memory: what the server does of itself it tries again a little later. */
bool error_is_for_later(enum sabir_error error);

#endif
