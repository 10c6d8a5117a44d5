/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SPEC_H
#define SABIR_OPS_SPEC_H

#include "server/ops/call.h"

/*
 * Reads the spec of a Create request. `initial` is where a value's first content goes, if it has one; *spec points there and into
 * the request. Errors: INVALID_ARGUMENT, TOO_LARGE, those of the contents.
 */
enum sabir_error spec_read(struct op_call *c, struct object_spec *spec, uint8_t initial[8]);
/*
 * Whether an object is what the spec would make, initial contents apart. Errors: WRONG_KIND; ALREADY_EXISTS: its kind is
 * right, and its settings are others.
 */
enum sabir_error spec_compare(struct op_call *c, const struct object_info *info, const struct object_spec *spec);

#endif
