/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_MEMORY_H
#define SABIR_OBJECTS_MEMORY_H

#include "server/objects/object.h"

/*
 * A block of raw memory: SEG_KIND_BLOCK. Its size is fixed and it begins as zeros. Of what read and write copy, each
 * eight bytes that begin at a multiple of eight and lie in the range as a whole are one atomic access, and so is each single
 * byte of the rest; nothing else is promised to those who write and read the same bytes at the same time.
 *
 * Every one can also answer NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS; those with a range OUT_OF_RANGE (it ends behind the
 * block's end).
 */
enum sabir_error memory_size(struct lane *lane, uint64_t handle, uint64_t *size);
/* Adds the bytes as one item to `out`. Errors: TOO_LARGE (4 GiB and more), NO_MEMORY. */
enum sabir_error memory_read(struct lane *lane, uint64_t handle, uint64_t offset, uint64_t len, struct bytes *out);
/* The same into the caller's memory. */
enum sabir_error memory_copy(struct lane *lane, uint64_t handle, uint64_t offset, uint64_t len, void *to);
enum sabir_error memory_write(struct lane *lane, uint64_t handle, uint64_t offset, struct span bytes);
/* Local programs: the bytes themselves; good until the block is deleted. */
enum sabir_error memory_map(struct lane *lane, uint64_t handle, void **bytes, uint64_t *size);

#endif
