/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_NAMES_H
#define SABIR_OBJECTS_OBJECT_NAMES_H

#include <string.h>

#include "server/objects/object.h"

/* The directory, for the other files of `object`; what everybody uses (object_open and the like) is in object.h. */

/* The directory gives this name to the handle. Errors: ALREADY_EXISTS (*found is the live object that has it), BUSY,... */
enum sabir_error names_take(struct lane *lane, struct span name, uint64_t handle, uint64_t *found);
/* Takes the name away, if it is still this handle's. Errors: BUSY,... */
enum sabir_error names_drop(struct lane *lane, struct span name, uint64_t handle);
/* What the directory has for the name: perhaps an object that is no more. Errors: KEY_NOT_FOUND,... */
enum sabir_error names_find(struct lane *lane, struct span name, uint64_t *handle);
/* Names and what the directory has for them, as dict_page. */
enum sabir_error names_page(struct lane *lane, uint32_t n, uint64_t *cursor, struct bytes *out);
/* Whether the handle leads to an object that is complete and not deleted. */
bool names_is_live(const struct segment *seg, uint64_t handle);
/* A copy of the name in an object's own entry; false: it has none. */
bool names_of(const struct segment *seg, const struct seg_object *o, uint8_t copy[OBJECT_NAME_MAX], struct span *name);

/* The handle in a value of the directory, 0 if it is none. */
static inline uint64_t names_handle_in(struct span value)
{
	uint64_t handle = 0;
	if (value.data && value.len == sizeof(handle))
		memcpy(&handle, value.data, sizeof(handle));
	return handle;
}

#endif
