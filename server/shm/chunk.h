/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SHM_CHUNK_H
#define SABIR_SHM_CHUNK_H

#include "server/shm/lane.h"

/* Chunks of 256 KiB, the arena's raw material. Internal to the arena. */

static inline uint32_t chunk_state(uint64_t word)
{
	return word & 15;
}
static inline uint32_t chunk_class(uint64_t word)
{
	return (word >> 4) & 0xff;
}
static inline uint32_t chunk_lane(uint64_t word)
{
	return (word >> 12) & 0x3fff;
}
static inline uint64_t chunk_word(uint32_t state, uint32_t class_index, uint32_t lane)
{
	return state | class_index << 4 | (uint64_t)lane << 12;
}

static inline uint64_t chunk_limbo(uint64_t epoch)
{
	return SEG_CHUNK_LIMBO | epoch << 4;
}
/* LIMBO: whether every operation has ended that began before it was retired. */
static inline bool chunk_has_passed(uint64_t word, uint64_t oldest)
{
	return word >> 4 < oldest;
}

static inline uint8_t *chunk_base(const struct segment *seg, uint32_t chunk)
{
	return seg->base + seg->data_off + ((uint64_t)chunk << SEG_CHUNK_SHIFT);
}

/* The chunk that holds a block; the ref must have passed segment_at. */
static inline uint32_t chunk_of(const struct segment *seg, uint32_t ref)
{
	return (uint32_t)((((uint64_t)ref << SEG_REF_SHIFT) - seg->data_off) >> SEG_CHUNK_SHIFT);
}

/* Claims n neighbouring chunks, committed, FORMING by the lane. Errors: RESOURCE_EXHAUSTED. */
enum sabir_error chunk_claim(struct lane *lane, uint32_t n, uint32_t *first);
/* FORMING by the lane -> retired now. For a head of a large block (run > 1) with all of its run. */
void chunk_retire(struct lane *lane, uint32_t first, uint32_t n);
/* Undoes what a dead lane was forming or unmaking. */
void chunk_recover(struct lane *by, uint32_t dead_id);

#endif
