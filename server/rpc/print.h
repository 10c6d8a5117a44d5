/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_PRINT_H
#define SABIR_RPC_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/shm/segment.h"

/* What a request is known by when it is sent again: two that differ in anything have different prints. */
struct print {
	uint64_t low, high;
};

/* Before the first print; prints of the same memory are the same. */
void print_begin(const struct segment *seg);
struct print print_of(const char *method, uint64_t thread, struct span message);

static inline bool print_is(struct print a, struct print b)
{
	return a.low == b.low && a.high == b.high;
}

#endif
