/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_REFLECTION_WIRE_H
#define SABIR_RPC_REFLECTION_WIRE_H

#include "server/base/wire.h"

/* Adds the ServerReflectionResponse to a request; false: it is none. */
bool reflection_answer(struct span request, struct bytes *response);

#endif
