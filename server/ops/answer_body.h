/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_ANSWER_BODY_H
#define SABIR_OPS_ANSWER_BODY_H

#include "server/ops/ops.h"

/*
 * What a kept answer (kept_answer.body) holds: the operation and its receipt, so that another server can give back what was taken
 * for a client that has never got it, and the response, or the detail of the error.
 */
struct answer_body {
	const struct op *op;       /* NULL: this program does not know it */
	struct op_receipt receipt; /* its places point into the body */
	struct span result;
};

/* From malloc; data NULL: no memory. */
struct span answer_body_encode(const struct answer_body *body);
/* False: it is none. It comes from the shared memory, and may be anything. */
bool answer_body_decode(struct span encoded, struct answer_body *body);

#endif
