/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_CONSUME_WIRE_H
#define SABIR_RPC_CONSUME_WIRE_H

#include "server/base/wire.h"

/* What a message of QueueService.Consume says, read. */
enum { /* QueueServiceConsumeRequest */
       CONSUME_QUEUE = 1,
       CONSUME_MAX_OUTSTANDING = 2,
       CONSUME_MAX_ITEMS = 3,
       CONSUME_LEASE = 4,
       CONSUME_ACKNOWLEDGED = 5,
       CONSUME_ACK_TOKENS = 6,
       CONSUME_NACK_TOKENS = 7,
       CONSUME_NACK_DELAY = 8,
};

#define CONSUME_MAX 65536u /* items, tokens of a message */

struct consume_message {
	struct span queue, lease, delay; /* data NULL: absent */
	uint64_t max_outstanding, max_items, acknowledged;
	bool opens, acknowledges;
	uint64_t *tokens; /* those to ack first */
	uint32_t n_tokens, n_acks;
};

/* NULL, or what is wrong with it. What was read before is dropped. The spans point into the message. */
const char *consume_read(struct consume_message *m, struct span message);
void consume_message_fini(struct consume_message *m);

#endif
