/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_INCREMENT_H
#define SABIR_OPS_INCREMENT_H

#include "server/base/value.h"

/* Adding to the number under a key, for the kinds that are dicts: dict_modify(…, dict_add_delta, &increment). */
struct dict_increment {
	struct span delta;
	uint8_t sum[VALUE_MAX_HEAD]; /* result */
	size_t sum_len;
};
enum sabir_error dict_add_delta(void *context, struct span now, struct span *next, bool *write);

#endif
