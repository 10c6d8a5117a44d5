/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_CONSUMER_H
#define SABIR_C_CONSUMER_H

#include "bindings/c/remote_stream.h"
#include "bindings/c/request.h"

/*
 * A consumer: what consumer.c, which gives items to the program, and its two ways of getting them share. What was given and not
 * acknowledged: of a plain queue `given - settled`, with leases their tokens.
 */
struct sabir_consumer {
	struct sabir_conn *conn;
	uint64_t queue;
	struct sabir_consumer_options options;
	uint64_t holder;              /* local */
	uint32_t owner;               /* local: whose the holder is */
	struct remote_stream *stream; /* NULL: local */

	struct bytes response;     /* the last QueueServiceConsumeResponse */
	struct span items;         /* its rest, as yet not given */
	struct span tokens, tries; /* the same, of its packed fields */
	uint64_t given, settled;
	uint64_t delivered; /* the number of the last delivery; what was given behind it are damaged Values */
	uint64_t *leases;   /* tokens, max_outstanding at most */
	uint32_t n_leases;
	uint64_t *lost; /* tokens, not told yet */
	size_t n_lost;
	struct request acks; /* remote: a message that could not be sent yet */
};

/* Another response is there. Errors: those of sabir_consumer_next. */
enum sabir_error consumer_more(struct sabir_consumer *c, uint64_t timeout_ns);
/* What was given up to `number`, counted as sabir_delivery does, is gone. */
enum sabir_error consumer_settle(struct sabir_consumer *c, uint64_t number);
/* Acknowledges a lease, or refuses it. Errors: LEASE_LOST, where that is known at once. */
enum sabir_error consumer_end_lease(struct sabir_consumer *c, uint64_t token, bool acks, uint64_t delay_ns);
/* Gives back what was not acknowledged. */
enum sabir_error consumer_end(struct sabir_consumer *c);
/* Remote: takes what has come by now of lost leases. */
void consumer_look(struct sabir_consumer *c);

/* The response is complete: it becomes the rest. Errors: INTERNAL, NO_MEMORY. */
enum sabir_error consumer_read(struct sabir_consumer *c);
/* Whether no item may be given now. */
static inline bool consumer_is_full(const struct sabir_consumer *c)
{
	uint64_t n = c->options.lease_ns ? c->n_leases : c->given - c->settled;
	return n >= c->options.max_outstanding;
}

#endif
