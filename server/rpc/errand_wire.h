/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ERRAND_WIRE_H
#define SABIR_RPC_ERRAND_WIRE_H

#include "server/base/wire.h"

/* What a stream writes its errands' requests with. False, all of them: no memory. */
bool errand_put_number(struct bytes *request, uint32_t field, uint64_t value);
bool errand_put_bytes(struct bytes *request, uint32_t field, struct span value);
/* An ObjectRef by handle, as field 1. */
bool errand_put_ref(struct bytes *request, uint64_t handle);
/* A field as it was read. */
bool errand_put_field(struct bytes *request, const struct wire_field *field);
/* The number in a field of a message, or 0. */
uint64_t errand_number(struct span message, uint32_t field);

#endif
