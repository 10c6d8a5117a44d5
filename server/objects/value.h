/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_VALUE_H
#define SABIR_OBJECTS_VALUE_H

#include "server/objects/object.h"
#include "server/objects/scalar.h"

/*
 * One atomic number. Every change notifies SEG_EVENT_ITEMS. None of these waits or allocates. Errors beside the
 * common ones (NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS): WRONG_TYPE and OUT_OF_RANGE, as scalar.h tells.
 */
enum sabir_error value_get(struct lane *lane, uint64_t handle, struct scalar *value);
enum sabir_error value_set(struct lane *lane, uint64_t handle, const struct scalar *value);
/* *value becomes the new number. Integers wrap at their width, as in C; c, u and ? can't be added to: WRONG_TYPE. */
enum sabir_error value_add(struct lane *lane, uint64_t handle, const struct scalar *delta, struct scalar *value);
enum sabir_error value_exchange(struct lane *lane, uint64_t handle, const struct scalar *desired,
				struct scalar *previous);
/*
 * *found is what was there before any write. The stored bits are compared, so that a NaN can be exchanged and -0.0 is
 * not 0.0. A difference is no error and no change.
 */
enum sabir_error value_compare_exchange(struct lane *lane, uint64_t handle, const struct scalar *expected,
					const struct scalar *desired, bool *exchanged, struct scalar *found);

/*
 * The handle of its lock, an rlock that is a part of it and ends with it; made when it is first asked for. It protects
 * nothing by itself: who wants several steps to be one holds it meanwhile. Errors: RESOURCE_EXHAUSTED, TOO_MANY_OWNERS.
 */
enum sabir_error value_get_lock(struct lane *lane, uint64_t handle, uint64_t *lock);

#endif
