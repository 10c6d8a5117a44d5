/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_STAGE_H
#define SABIR_TESTS_FUZZ_STAGE_H

#include "server/ops/ops.h"
#include "tests/crash/world.h"
#include "tests/fuzz/mutate.h"

/*
 * A segment with an object of every kind, each with something in it, that is as it was at the beginning of every run.
 * Its objects are named a, b, c … by kind.
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
enum sabir_error stage_run_front(enum person who, const struct op_front *front, const struct op *op,
				 struct span request, struct stage_answer *answer);

/* The requests that made the stage, and one of each operation: to work on a damaged memory. Behind stage_begin. */
size_t stage_n_requests(void);
const struct op *stage_request(size_t i, struct span *request);

/* What inputs call an operation, so that it is the same when the table has more of them; and any number's. */
uint16_t stage_op_number(const struct op *op);
const struct op *stage_op(uint16_t number);

/*
 * A request of the operation that may well be taken: its fields as the operation's own table has them, an object of
 * the stage of the right kind, mostly. At most REQUEST_NEW_MAX bytes.
 */
#define REQUEST_NEW_MAX 4096u
size_t request_new(struct dice *dice, const struct op *op, uint8_t *to);

#endif
