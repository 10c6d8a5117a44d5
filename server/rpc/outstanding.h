/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_OUTSTANDING_H
#define SABIR_RPC_OUTSTANDING_H

#include <stdbool.h>
#include <stdint.h>

/* What a consumer has been sent and has not acknowledged: a set of lease tokens, which are never 0. */
struct outstanding {
	uint64_t *at;
	uint32_t size; /* places: 0 or a power of two, at least twice n */
	uint32_t n;
	uint32_t taken; /* places that outstanding_take has been at */
};

/* Room for n more; false: no memory. */
bool outstanding_reserve(struct outstanding *set, uint32_t n);
/* Into room that was reserved. */
void outstanding_add(struct outstanding *set, uint64_t token);
/* False: it is not there. */
bool outstanding_remove(struct outstanding *set, uint64_t token);
/* Takes out any one; 0: there is none. Nothing else is done with the set after the first time. */
uint64_t outstanding_take(struct outstanding *set);
void outstanding_fini(struct outstanding *set);

#endif
