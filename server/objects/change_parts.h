/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_CHANGE_PARTS_H
#define SABIR_OBJECTS_CHANGE_PARTS_H

#include "server/objects/change.h"

/* What change.c, who writes, and change_read.c, who reads, makes and ends, share. */
#define CHANGE_LOG_SIZE (sizeof(struct seg_changes) + SEG_N_CHANGES * sizeof(struct seg_change))

/* The object's log, checked; NULL: it has none. */
struct seg_changes *change_log(const struct segment *seg, uint32_t index);

static inline struct seg_change *change_at(struct seg_changes *log, uint64_t sequence)
{
	return (struct seg_change *)(log + 1) + sequence % SEG_N_CHANGES;
}

#endif
