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
/* The same as a server runs it, undoable, with what it has answered until the next is run. */
struct stage_answer {
	struct op_wait *wait;
	struct bytes *response;
	const char *detail;
};
enum sabir_error stage_run_front(enum person who, const struct op_front *front, const struct op *op, struct span request,
				 struct stage_answer *answer);

/* The requests that made the stage, and one of each operation: for seeds, and to work on a damaged memory. Behind stage_begin. */
size_t stage_n_requests(void);
const struct op *stage_request(size_t i, struct span *request);

/* What inputs call an operation, so that a table with more of them does not make other operations of it; and any number's. */
uint16_t stage_op_number(const struct op *op);
const struct op *stage_op(uint16_t number);

#endif
