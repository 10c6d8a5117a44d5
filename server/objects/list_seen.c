/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which leaves of a list a walk has been to: a bit for each piece of the memory, as large as a leaf, in which one may begin. Two that
 * don't overlap never have the same.
 */
#include "server/objects/list_parts.h"

enum sabir_error list_remember_leaf(struct list_seen *seen, const struct segment *seg, uint32_t leaf)
{
	uint32_t i = leaf / (sizeof(struct seg_list_node) >> SEG_REF_SHIFT);
	if (!seen->bits)
		seen->bits = calloc(seg->size / sizeof(struct seg_list_node) / 8 + 1, 1);
	if (!seen->bits)
		return SABIR_NO_MEMORY;
	if (seen->bits[i / 8] >> i % 8 & 1)
		return SABIR_DATA_LOSS;
	seen->bits[i / 8] |= (uint8_t)(1u << i % 8);
	return SABIR_OK;
}
