/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_STAGE_H
#define SABIR_TESTS_FUZZ_STAGE_H

#include "server/ops/ops.h"
#include "tests/crash/world.h"

/*
 * A segment with an object of every kind, each with something in it, that is as it was at the beginning of every run. Its objects
 * are named a, b, c … by kind.
 */
struct world *stage_begin(void);

/* Runs an operation; what it answers is read and checked to be a message or an error with a text. */
enum sabir_error stage_run(enum person who, const struct op *op, struct span request);

/* The requests that made the stage, and one of each operation: for seeds, and to work on a damaged memory. */
size_t stage_n_requests(void);
const struct op *stage_request(size_t i, struct span *request);

#endif
