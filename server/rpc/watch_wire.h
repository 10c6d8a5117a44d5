/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_WATCH_WIRE_H
#define SABIR_RPC_WATCH_WIRE_H

#include "server/base/wire.h"

/* What WatchService.Watch says, all-zero before: where to begin, and Next's other fields, encoded. */
struct watch_message {
	uint64_t after;
	struct bytes fixed;
};

/* False: it is malformed, or there is no memory. */
bool watch_read(struct watch_message *m, struct span message);
void watch_message_fini(struct watch_message *m);

/* Writes the request of Next for what comes behind m->after; false: no memory. */
bool watch_put_next(const struct watch_message *m, struct bytes *request);

/* The new m->after, of a response. */
uint64_t watch_last(struct span response);

#endif
