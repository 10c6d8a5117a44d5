/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_COLLECT_H
#define SABIR_OBJECTS_COLLECT_H

#include "server/objects/object.h"

/*
 * The end of objects without a name that nobody holds and no living container refers to, cycles of them included. One
 * thread of the server runs a look (collect_run) from time to time, with a lane of its own; collect.c tells how.
 *
 * It deletes what it has found without holds and references in look after look for at least the linger: so that is how
 * long a reference stays good that was taken out of the last container and not yet opened or put into another one.
 */
struct collector;

/* NULL: no memory. The segment outlives it. */
struct collector *collector_new(struct segment *seg, uint64_t linger_ns);
void collector_free(struct collector *c);

struct collect_result {
	bool idle;         /* there is no object that it could ever end; refs_announce says when there is again */
	uint32_t n_unheld; /* objects that nobody held when it began */
	uint32_t n_deleted;
	uint64_t damaged; /* with DATA_LOSS: the container because of which nothing was deleted */
};

/*
 * One look at everything; it takes as long as it takes, and ends soon once *stop is not 0. Errors, with which nothing was
 * deleted: BUSY (some program is stopped within an operation, or holds a lock and does not go on), DATA_LOSS, NO_MEMORY,
 * CANCELLED.
 */
enum sabir_error collect_run(struct collector *c, struct lane *lane, const uint32_t *stop,
			     struct collect_result *result);

#endif
