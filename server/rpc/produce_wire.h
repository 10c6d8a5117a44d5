/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_PRODUCE_WIRE_H
#define SABIR_RPC_PRODUCE_WIRE_H

#include "server/base/wire.h"

/* What a message of QueueService.Produce says, and the requests that are made of it. */
#define PRODUCE_MAX_ITEMS 65536u  /* of a message, as of PutMany */
#define PRODUCE_CHUNK_ITEMS 1024u /* put in one step */
#define PRODUCE_CHUNK_BYTES (1u << 20)

/* All-zero before the first. The spans point into the message. */
struct produce_message {
	struct span queue;       /* data NULL: absent */
	struct span items, ids;  /* its rest, in which the next ones are looked for */
	uint32_t n_items, n_ids; /* that are left */
	struct bytes how;        /* its other fields, encoded */
};

/* NULL, or what is wrong with it. What was read before is dropped. */
const char *produce_read(struct produce_message *m, struct span message, bool first);
void produce_message_fini(struct produce_message *m);

/*
 * Write the request that comes next of a message; false: no memory. The first opens the queue. The others are for one
 * that was opened, Put if there are dedup_ids, else PutMany of at most `most` items; they tell how many items it has.
 */
bool produce_put_open(const struct produce_message *m, struct bytes *request);
bool produce_put_next(const struct produce_message *m, uint64_t handle, uint32_t most, struct bytes *request,
		      uint32_t *n_items);
/* Goes on behind n items, at most n_items. */
void produce_accept(struct produce_message *m, uint32_t n);

#endif
