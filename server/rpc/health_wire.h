/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_HEALTH_WIRE_H
#define SABIR_RPC_HEALTH_WIRE_H

#include "server/base/wire.h"

/* The service of a HealthCheckRequest, empty: the server; false: it is no such request. */
bool health_read(struct span request, struct span *service);

#endif
