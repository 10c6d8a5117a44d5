/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_QUEUE_ENDS_H
#define SABIR_C_QUEUE_ENDS_H

#include "bindings/c/conn.h"
#include "server/objects/queue.h"

/* Both ends of a queue, for one item or many; they wait up to timeout_ns, and on failure have set the detail. */

/* As queue_put. */
enum sabir_error queue_put_local(const struct handle *h, struct lane *lane, const struct queue_item *items, uint32_t n,
				 uint64_t timeout_ns, uint32_t *accepted);
/* As queue_get: adds each item to `out`. */
enum sabir_error queue_get_local(const struct handle *h, struct lane *lane, uint32_t max, uint64_t timeout_ns,
				 struct bytes *out);
/*
 * Adds the response, as one item, to `out`: that of Get if max is 1, else of GetMany; both have the items in field 1.
 */
enum sabir_error queue_get_remote(const struct handle *h, uint32_t max, uint64_t timeout_ns, struct bytes *out);

#endif
