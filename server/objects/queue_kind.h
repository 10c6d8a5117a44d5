/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_QUEUE_KIND_H
#define SABIR_OBJECTS_QUEUE_KIND_H

#include "server/objects/queue_parts.h"

/* The functions of queue_kind that stand in files of their own. */
void queue_destroy(struct lane *lane, uint32_t index, struct seg_object *object);
bool queue_keeps(const struct segment *seg, const struct seg_object *object);
void queue_kept_gone(struct lane *by, uint32_t index, struct seg_object *object, uint64_t owner);
/* Whether a held item of the queue is lent to somebody who is alive. */
bool queue_is_lent(const struct segment *seg, const struct seg_item *item, uint32_t index);
enum sabir_error queue_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object);
enum sabir_error queue_owner_gone(struct lane *by, uint64_t handle, uint64_t owner);
uint64_t queue_memory(struct queue *q, uint64_t length);
enum sabir_error queue_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context);

#endif
